"""The mixer: gains glide, fades join, a late renderer is concealed without a step."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.bench import listening
from petrichor.channel import Channel, stereo_gains
from petrichor.controls import Strip
from petrichor.cues import Cue, Part
from petrichor.glide import Fade, Glide
from petrichor.limiter import CEILING, LOOKAHEAD
from petrichor.mixer import Mixer
from petrichor.ring import FRAMES, Ring

RATE = 48000


def new_ring() -> Ring:
    return Ring(np.zeros(3, np.int64), np.zeros((FRAMES, 2), np.float32))


def strip() -> Part:
    return Part({"gain": 0.0, "pan": 0.0, "mute": 0})


def play(channel: Channel, frames: int) -> np.ndarray:
    out = np.empty((frames, 2), np.float32)
    channel.play(out, 0)
    return out


def tone(frames: int, start: int = 0, hz: float = 220.0) -> np.ndarray:
    phase = 2 * np.pi * hz / RATE * (start + np.arange(frames))
    return np.repeat(0.5 * np.sin(phase)[:, None], 2, 1).astype(np.float32)


def largest_step(sound: np.ndarray) -> float:
    return float(np.abs(np.diff(sound, axis=0)).max())


def test_full_level_is_exact() -> None:
    mixer, ring = Mixer(RATE), new_ring()
    mixer.channels[0] = Channel(ring, strip(), RATE, fade_in=0.001)
    sound = tone(1024)
    ring.write(sound)
    mix = np.concatenate([mixer.mix(256)[0] for _ in range(4)])
    np.testing.assert_array_equal(mix[256:], sound[256 - LOOKAHEAD : -LOOKAHEAD])


@pytest.mark.parametrize("pan", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_pan_is_a_balance(pan: float) -> None:
    left, right = stereo_gains(Strip(1.0, pan))
    assert max(left, right) == pytest.approx(1.0)
    assert left == pytest.approx(stereo_gains(Strip(1.0, -pan))[1])
    if abs(pan) == 1:
        assert min(left, right) == pytest.approx(0.0, abs=1e-9)


def test_gains_glide_without_a_step_whatever_the_block() -> None:
    whole, parts = Glide(RATE, (1.0, 1.0)), Glide(RATE, (1.0, 1.0))
    for glide in (whole, parts):
        glide.to((0.0, 0.5))
    once = whole.next(5000)
    joined = np.concatenate([np.broadcast_to(parts.next(n), (n, 2)) for n in (1, 63, 64, 256, 1000, 3616)])
    np.testing.assert_array_equal(once, joined)
    assert whole.next(1).tolist() == [0.0, 0.5]
    assert largest_step(once) < 0.005
    np.testing.assert_allclose(once[-1], (0.0, 0.5), atol=1e-2)


def test_crossfade_keeps_the_power() -> None:
    fade_in, fade_out = Fade(0.0), Fade(1.0)
    fade_in.start(1.0, 2400)
    fade_out.start(0.0, 2400)
    for _ in range(2400 // 64):
        power = np.square(fade_in.next(64)) + np.square(fade_out.next(64))
        np.testing.assert_allclose(power, 1.0, atol=1e-3)
    fade_in.next(64)
    fade_out.next(64)
    assert fade_out.silent
    assert fade_in.next(64) == 1.0


def test_late_renderer_is_concealed_without_a_step() -> None:
    mixer, ring = Mixer(RATE), new_ring()
    mixer.channels[3] = Channel(ring, strip(), RATE, fade_in=0.01)
    blocks, late = [], []
    ring.write(tone(20480))
    for index in range(400):
        if index == 300:  # live sound returns, elsewhere in the tone
            ring.write(tone(26000, start=77))
        block, concealed = mixer.mix(256)
        blocks.append(block)
        late.append(concealed)
    sound = np.concatenate(blocks)
    assert late[:80] == [0] * 80
    assert late[80:300] == [1] * 220
    assert late[300:400] == [0] * 100
    assert largest_step(sound[1000:]) < 1.5 * largest_step(tone(4096))
    assert mixer.channels[3].concealed == 220 * 256
    concealed_level = np.sqrt(np.mean(np.square(sound[80 * 256 : 300 * 256])))
    assert concealed_level == pytest.approx(np.sqrt(np.mean(np.square(tone(20480)))), rel=0.1)


@pytest.mark.parametrize("block", [1, 3, 64, 256, 1000])
def test_return_of_a_renderer_has_no_step_whatever_the_block(block: int) -> None:
    ring = new_ring()
    channel = Channel(ring, strip(), RATE, fade_in=0.001)
    ring.write(tone(4800))
    sound = [play(channel, 480) for _ in range(10)]
    sound += [play(channel, block) for _ in range(2000 // block)]
    ring.write(tone(6000, start=77))
    sound += [play(channel, block) for _ in range(5000 // block)]
    assert not channel.concealing
    assert largest_step(np.concatenate(sound)[1000:]) < 2 * largest_step(tone(4096))


@pytest.mark.parametrize("returned", [64, 100, 300, 479])
def test_renderer_that_falls_silent_again_on_its_way_back_makes_no_step(returned: int) -> None:
    """It comes back with less than the crossfade takes, and what it had left before is not taken for life."""
    ring = new_ring()
    channel = Channel(ring, strip(), RATE, fade_in=0.001)
    ring.write(tone(24000))
    sound = [play(channel, 470) for _ in range(51)]  # 30 frames are left over
    sound += [play(channel, 20) for _ in range(100)]
    assert channel.concealing
    ring.write(tone(returned, start=24000))
    sound += [play(channel, 64) for _ in range(60)]
    ring.write(tone(4800, start=24000 + returned))
    sound += [play(channel, 64) for _ in range(60)]
    assert not channel.concealing
    heard = np.concatenate(sound)[1000:]
    assert largest_step(heard) < 2 * largest_step(tone(4096))
    assert listening.largest_step(heard)[0] < 0.002, "nor a kink, nor a sample held"


def test_renderer_that_is_done_while_its_stand_in_is_made_is_heard_again() -> None:
    """It has filled its ring and waits to be read from: whoever waits for more of it waits for ever."""

    class Quick(Ring):
        def history(self, frames: int) -> np.ndarray:
            past = super().history(frames)
            self.write(tone(512, start=self.written))
            return past

    ring = Quick(np.zeros(3, np.int64), np.zeros((FRAMES, 2), np.float32))
    channel = Channel(ring, strip(), RATE, fade_in=0.001, recovered=256)
    ring.write(tone(4800))
    for _ in range(19):
        play(channel, 256)
    assert channel.concealing
    play(channel, 256)
    assert not channel.concealing
    assert channel.concealed == 256


def pauses(turns: int, live: int) -> list[int]:
    """Let a renderer that is told to be left alone be back at once, with so many frames; return what was concealed."""
    ring, told = new_ring(), []
    channel = Channel(ring, strip(), RATE, fade_in=0.001)
    ring.write(tone(24000))
    for _ in range(500):
        play(channel, 48)
    for _ in range(turns):
        before = channel.concealed
        channel.leave_alone()
        play(channel, 48)
        for _ in range(live // 480):
            ring.write(tone(480, start=ring.written))
            while ring.fill >= 48:
                play(channel, 48)
        told.append(channel.concealed - before)
    return told


def test_renderer_that_cannot_keep_up_is_left_alone_for_longer_and_longer() -> None:
    """Each time it is heard again it may hold up the mix again."""
    assert pauses(7, live=4800) == [2400, 4800, 9600, 19200, 19200, 19200, 19200]
    assert pauses(3, live=2 * RATE) == [2400, 2400, 2400]


def test_renderer_that_is_late_now_and_then_is_heard_as_soon_as_it_is_back() -> None:
    ring = new_ring()
    channel = Channel(ring, strip(), RATE, fade_in=0.001)
    channel.leave_alone()  # and yet it was in time
    for turn in range(4):
        ring.write(tone(4800, start=ring.written))
        for _ in range(101):
            play(channel, 48)
        assert channel.concealed == 48 * (turn + 1)


def test_cues_act_on_their_frame_of_the_mix() -> None:
    """Whatever the blocks: a channel and the master are opened in the middle of one."""
    for blocks in ([256] * 40, [1] * 10240, [1000, 24, 9216]):
        mixer, ring = Mixer(RATE, position=10_000), new_ring()
        ring.write(np.full((12000, 2), 0.5, np.float32))
        mixer.add(0, Channel(ring, Part({"gain": 0.0, "pan": 0.0, "mute": 1}), RATE, fade_in=0.0001))
        mixer.place(None, {"gain": -60.0}, 9_000)
        mixer.cue(0, (Cue(1, 15_111, {"mute": 0}),))  # the master has glided to silence by then
        mixer.cue(None, (Cue(2, 16_345, {"gain": 0.0}), Cue(3, 18_000, {"gain": 12.0})))
        mixer.cue(7, (Cue(4, 11_000, {"mute": 0}),))  # a slot that has gone
        mixer.clear_cues(0)
        sound = np.concatenate([mixer.mix(frames)[0] for frames in blocks])[:, 0]
        assert 10_000 + int(np.flatnonzero(sound)[0]) == 16_345
        assert ring.offset == 10_000 + LOOKAHEAD
        assert mixer.limiter.gain < 1.0
        assert np.abs(sound).max() <= CEILING * 1.000001


def test_renderer_that_never_wrote_is_silence() -> None:
    mixer = Mixer(RATE)
    mixer.channels[0] = Channel(new_ring(), strip(), RATE, fade_in=0.01)
    mix, concealed = mixer.mix(256)
    assert concealed == 1
    assert not mix.any()


def test_nobody_waits_for_a_channel_being_concealed() -> None:
    mixer, dead, alive = Mixer(RATE), new_ring(), new_ring()
    mixer.channels = {0: Channel(dead, strip(), RATE, 0.01), 1: Channel(alive, strip(), RATE, 0.01)}
    alive.write(tone(512))
    assert list(mixer.awaited(256)) == [0]
    mixer.mix(256)
    assert not list(mixer.awaited(256))
    mixer.mix(256)
    assert list(mixer.awaited(256)) == [1], "the living one is waited for"


def test_ended_channel_is_taken_out_when_silent() -> None:
    mixer, ring = Mixer(RATE), new_ring()
    mixer.channels[5] = Channel(ring, strip(), RATE, fade_in=0.001)
    ring.write(tone(8192))
    mixer.mix(256)
    mixer.channels[5].end(0.01)
    mixer.mix(256)
    assert mixer.take_done() == []
    last = mixer.mix(512)[0]
    assert mixer.take_done() == [5]
    assert abs(float(last[-1, 0])) < 1e-6
