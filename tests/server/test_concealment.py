"""What stands in for a late renderer: goes on as it was, endlessly, without a step."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.bench.listening import largest_step, longest_silence
from petrichor.concealment import Concealment

RATE = 48000


def tone(frames: int, hz: float, rate: int = RATE) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hz / rate * np.arange(frames))
    return np.repeat(wave[:, None], 2, 1).astype(np.float32)


@pytest.mark.parametrize("hz", [110.0, 440.0, 1234.5])
@pytest.mark.parametrize("block", [64, 97, 1000])
def test_a_tone_goes_on_as_the_tone(hz: float, block: int) -> None:
    past = tone(24000, hz)
    stand_in = Concealment(past, RATE)
    sound = np.concatenate([past, *(stand_in.next(block) for _ in range(100_000 // block))])
    assert largest_step(sound)[0] < 0.01
    assert longest_silence(sound) < 4
    levels = np.sqrt(np.mean(np.square(sound[: len(sound) // 4800 * 4800].reshape(-1, 9600)), 1))
    assert np.ptp(levels) < 0.02


@pytest.mark.parametrize(("rate", "frames"), [(8000, 4000), (11025, 5512), (96000, 24576), (192000, 24576)])
def test_every_rate_of_the_mix_is_concealed(rate: int, frames: int) -> None:
    """From as much past as a channel has: half a second, or what its ring holds."""
    past = tone(frames, 440.0, rate)
    sound = np.concatenate([past, Concealment(past, rate).next(2 * rate)])
    window = rate // 10
    levels = np.sqrt(np.mean(np.square(sound[: len(sound) // window * window, 0].reshape(-1, window)), 1))
    assert np.ptp(levels) < 0.02
    assert np.abs(np.diff(sound, axis=0)).max() < 1.2 * np.abs(np.diff(past, axis=0)).max()


def test_noise_goes_on_as_noise() -> None:
    past = (0.1 * np.random.default_rng(0).standard_normal((24000, 2))).astype(np.float32)
    stand_in = Concealment(past, RATE)
    sound = np.concatenate([past[-4800:], stand_in.next(96000)])
    assert np.abs(np.diff(sound, axis=0)).max() < 1.1 * np.abs(np.diff(past, axis=0)).max()
    levels = np.sqrt(np.mean(np.square(sound.reshape(-1, 4800 * 2)), 1))
    assert levels.min() > 0.08
    assert levels.max() < 0.12


def test_blocks_of_any_size_join_to_the_same() -> None:
    past = (0.1 * np.random.default_rng(1).standard_normal((20000, 2))).astype(np.float32)
    whole = Concealment(past, RATE).next(60000)
    parts, stand_in, left = [], Concealment(past, RATE), 60000
    for size in [1, 64, 500, 33] * 1000:
        if not left:
            break
        parts.append(stand_in.next(min(size, left)))
        left -= len(parts[-1])
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-7)


@pytest.mark.parametrize("frames", [0, 1, 500, 3000])
def test_too_little_past_is_silence_that_is_gone_to_without_a_step(frames: int) -> None:
    past = tone(frames, 440)
    sound = Concealment(past, RATE).next(4800)
    assert np.abs(sound[-2400:]).max() < 1e-5
    assert largest_step(np.concatenate((past, sound))[-6000:])[0] < 0.004


def test_it_goes_on_from_what_was_heard_last_though_the_past_is_another_s() -> None:
    sound = Concealment(tone(24000, 440), RATE, last=np.array([[0.5, -0.47], [0.5, -0.5]], np.float32)).next(4800)
    assert np.abs(sound[0] - (0.5, -0.53)).max() < 0.03
    assert np.abs(np.diff(sound, axis=0)).max() < 0.06  # the tone itself has 0.029


def test_silence_goes_on_as_silence() -> None:
    assert not Concealment(np.zeros((24000, 2), np.float32), RATE).next(50000).any()


def test_a_tone_whose_level_moves_goes_on_without_a_kink() -> None:
    """As where a fader is moved: hardly two of its waves are alike."""
    frames = np.arange(24000)
    for seed in range(20):
        places = np.random.default_rng(seed).uniform(0.1, 0.25, 60)
        level = np.interp(frames, np.linspace(0, 24000, 60), places)
        past = 2 * tone(24000, 700) * level[:, None].astype(np.float32)
        sound = np.concatenate((past[-2400:], Concealment(past, RATE).next(9600)))
        assert largest_step(sound)[0] < 0.001
