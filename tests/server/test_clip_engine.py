"""The endless sound of clip voices."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

from petrichor.clip_engine import ClipEngine
from petrichor.clip_layer import QUANTUM, SWITCH_FADE, fade_curve, likeness_gain
from petrichor.clip_take import ClipTake
from petrichor.clips import Clip, ClipOrder, decibels, soften
from petrichor.controls import Controls
from petrichor.latent import draw, generator
from petrichor.voice_file import Voice

RATE = 48_000
CLIP_VOICES = ["bird", "rain"]


def controls(voice: Voice, **changes: object) -> Controls:
    return dataclasses.replace(Controls(draw(generator(1), voice.info.latent_size, 1.0)), **changes)


def opened(voice: Voice) -> ClipEngine:
    """An engine without a thread, its inversion rough and quick: these tests look at joints, not at phases."""
    engine = ClipEngine(voice, RATE, background=False)
    if engine._maker._invert is not None:
        engine._maker._invert.rounds = 1
    return engine


def take_of(engine: ClipEngine) -> ClipTake:
    take = engine._takes._playing.take
    assert isinstance(take, ClipTake)
    return take


def render(voice: Voice, seconds: float, **changes: object) -> np.ndarray:
    return opened(voice).render(controls(voice, **changes), round(seconds * RATE))


@pytest.mark.parametrize("name", CLIP_VOICES)
@pytest.mark.parametrize("intensity", [0.0, 0.4, 1.0])
def test_sound_is_finite_and_bounded(voices: dict[str, Voice], name: str, intensity: float) -> None:
    sound = render(voices[name], 3, intensity=intensity)
    assert sound.shape == (3 * RATE, 2)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert 0 < np.abs(sound).max() <= 1


@pytest.mark.parametrize("name", CLIP_VOICES)
def test_joined_blocks_are_the_whole(voices: dict[str, Voice], name: str) -> None:
    whole = render(voices[name], 2, intensity=0.3)
    engine = opened(voices[name])
    rng, blocks, left = np.random.default_rng(0), [], len(whole)
    while left:
        frames = min(left, int(rng.integers(1, 3 * QUANTUM)))
        blocks.append(engine.render(controls(voices[name], intensity=0.3), frames))
        left -= frames
    assert np.array_equal(np.concatenate(blocks), whole)


def test_joined_blocks_are_the_whole_while_controls_change(voices: dict[str, Voice]) -> None:
    steps = [controls(voices["bird"], intensity=i / 10, draw=i // 4) for i in range(10)]
    one, other = (opened(voices["bird"]) for _ in range(2))
    for step in steps:
        whole = one.render(step, 40 * QUANTUM)
        pieces = [other.render(step, frames) for frames in (3 * QUANTUM, 20 * QUANTUM, QUANTUM, 16 * QUANTUM)]
        assert np.array_equal(np.concatenate(pieces), whole)


def test_seed_decides_the_sound(voices: dict[str, Voice]) -> None:
    first, again, other = (render(voices["bird"], 1, intensity=0.6, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", CLIP_VOICES)
def test_intensity_is_louder_and_denser(voices: dict[str, Voice], name: str) -> None:
    levels = [decibels(render(voices[name], 4, intensity=i)) for i in (0.0, 0.5, 1.0)]
    assert levels[1] > levels[0] + 4
    assert levels[2] > levels[1] + 4


def test_a_lone_bird_rests_and_a_chorus_does_not(voices: dict[str, Voice]) -> None:
    def silent_part(intensity: float) -> float:
        sound = render(voices["bird"], 20, intensity=intensity)[RATE:]
        return float((np.abs(sound).reshape(-1, 480 * 2).max(axis=1) < 1e-5).mean())

    alone, few, many = silent_part(0.0), silent_part(0.25), silent_part(0.6)
    assert alone > 0.6  # clips of 0.25 s, pauses of 1 s
    assert alone > few > many == 0


def test_rain_never_rests(voices: dict[str, Voice]) -> None:
    sound = render(voices["rain"], 4, intensity=0.0)[RATE:]
    assert np.abs(sound).reshape(-1, 480 * 2).max(axis=1).min() > 1e-4


def level_in_pieces(sound: np.ndarray, frames: int = 2400) -> np.ndarray:
    usable = sound[: len(sound) // frames * frames]
    return 10 * np.log10(np.square(usable).reshape(-1, frames * 2).mean(axis=1) + 1e-12)


@pytest.mark.parametrize("name", CLIP_VOICES)
def test_no_seam_is_louder_or_softer(voices: dict[str, Voice], name: str) -> None:
    levels = level_in_pieces(render(voices[name], 10, intensity=1.0)[RATE:])
    assert levels.std() < 1.2  # dB in 50-ms pieces; the clips' own noise gives most of it
    assert np.ptp(levels) < 8


@pytest.mark.parametrize("name", CLIP_VOICES)
def test_no_seam_jumps(voices: dict[str, Voice], name: str) -> None:
    """Seams, jumps of latent and of intensity: no step between samples beyond those inside the clips."""
    calm = opened(voices[name])
    usual = np.abs(np.diff(calm.render(controls(voices[name], intensity=1.0), 5 * RATE), axis=0)).max()
    engine = opened(voices[name])
    rng, blocks = np.random.default_rng(1), []
    for i in range(80):
        latent = draw(generator(i // 3), voices[name].info.latent_size, 1.0)
        intensity = float(rng.random() > 0.5)
        blocks.append(engine.render(Controls(latent, intensity=intensity, draw=i // 8), 2400))
    assert np.abs(np.diff(np.concatenate(blocks), axis=0)).max() < 1.25 * usual


def test_modulation_has_no_line_at_the_clip_rate(voices: dict[str, Voice]) -> None:
    levels = level_in_pieces(render(voices["rain"], 40, intensity=0.0)[RATE:], 1200)
    spectrum = np.abs(np.fft.rfft((levels - levels.mean()) * np.hanning(len(levels)))) ** 2
    hertz = np.fft.rfftfreq(len(levels), 1200 / RATE)
    band = [spectrum[(hertz >= low) & (hertz < low + 1)].mean() for low in (1, 2, 3, 4, 5, 6)]
    assert max(band[1:3]) < 4 * np.median(band)  # clips follow each other two to four times a second


def switch_delay(before: np.ndarray, after: np.ndarray) -> int:
    changed = np.flatnonzero(np.abs(before - after).max(axis=1) > 1e-4)
    return int(changed[0]) if len(changed) else len(before)


@pytest.mark.parametrize("change", ["draw", "latent", "seed"])
def test_a_jump_is_heard_at_once(voices: dict[str, Voice], change: str) -> None:
    voice = voices["bird"]
    other: object = draw(generator(9), 8, 1.0) if change == "latent" else 5
    start, jumped = controls(voice, intensity=0.8), controls(voice, intensity=0.8, **{change: other})
    stays, jumps = (opened(voice) for _ in range(2))
    for engine in (stays, jumps):
        engine.render(start, RATE)
    before, after = stays.render(start, RATE // 2), jumps.render(jumped, RATE // 2)
    assert switch_delay(before, after) < 0.01 * RATE
    assert abs(decibels(after[: round(SWITCH_FADE * RATE)]) - decibels(before)) < 4


def test_a_small_move_changes_the_clip_as_it_plays(voices: dict[str, Voice]) -> None:
    voice = voices["bird"]
    start = controls(voice, intensity=0.0, spread=0.0)
    moved = dataclasses.replace(start, latent=(start.latent * np.float32(1.1)))
    stays, moves = (opened(voice) for _ in range(2))
    for engine in (stays, moves):
        engine.render(start, 40 * QUANTUM)
    before, after = stays.render(start, 60 * QUANTUM), moves.render(moved, 60 * QUANTUM)
    alike = np.corrcoef(before.ravel(), after.ravel())[0, 1]
    assert not np.array_equal(before, after)
    assert alike > 0.8  # the same place in nearly the same clip, not its beginning


def test_a_slider_keeps_the_level(voices: dict[str, Voice]) -> None:
    voice = voices["bird"]
    start = controls(voice, intensity=1.0)
    engine = opened(voice)
    engine.render(start, RATE)
    still = engine.render(start, 2 * RATE)
    pieces = []
    for step in range(200):  # 100 messages a second
        latent = start.latent + np.float32(0.3 * np.sin(step / 30))
        pieces.append(engine.render(dataclasses.replace(start, latent=latent), RATE // 100))
    moving = level_in_pieces(np.concatenate(pieces))
    assert np.abs(moving - decibels(still)).max() < 5


def wait_until_heard(engine: ClipEngine, now: Controls, seconds: float = 20) -> np.ndarray:
    until = time.monotonic() + seconds
    blocks = []
    while time.monotonic() < until:
        blocks.append(engine.render(now, 256))
        if take_of(engine)._pool[-1].order.controls.draw == now.draw:
            break
        time.sleep(0.001)
    return np.concatenate(blocks)


@pytest.mark.parametrize("name", CLIP_VOICES)
def test_the_thread_serves_the_block_loop(voices: dict[str, Voice], name: str) -> None:
    engine = ClipEngine(voices[name], RATE, background=True)
    try:
        now = controls(voices[name], intensity=0.7)
        first = engine.render(now, 4800)
        assert np.abs(first).max() > 1e-3  # it sounds from the first block
        assert "clips" in {thread.name for thread in threading.enumerate()}
        now = dataclasses.replace(now, draw=1)
        sound = np.concatenate([first, wait_until_heard(engine, now)])
        assert take_of(engine)._pool[-1].order.controls.draw == 1
        assert np.isfinite(sound).all()
    finally:
        engine.close()
        engine.close()
    assert "clips" not in {thread.name for thread in threading.enumerate()}


def test_a_late_thread_leaves_no_silence(voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ClipEngine(voices["rain"], RATE, background=True)
    now = controls(voices["rain"], intensity=0.5)
    try:
        engine.render(now, 256)
        monkeypatch.setattr(engine._worker, "post", lambda orders: None)  # from now on no clip is made
        sound = engine.render(now, 5 * RATE)
    finally:
        engine.close()
    levels = level_in_pieces(sound)
    assert levels.min() > decibels(sound) - 6


class LateWorker:
    """Makes the most urgent order, always a tenth of a second too late."""

    def __init__(self, engine: ClipEngine) -> None:
        self._maker, self._orders, self._waiting = engine._maker, (), None

    def post(self, orders: tuple[ClipOrder, ...]) -> None:
        self._orders = orders

    def take(self) -> Clip | None:
        if self._waiting is None:
            self._waiting = (self._orders[0], 10) if self._orders else None
            return None
        order, calls = self._waiting
        self._waiting = (order, calls - 1) if calls else None
        return None if calls else self._maker.make(order)

    def close(self) -> None:
        pass


def test_a_moving_slider_is_followed_by_a_late_thread(voices: dict[str, Voice]) -> None:
    engine = ClipEngine(voices["bird"], RATE, background=True)
    start = controls(voices["bird"], intensity=0.0, spread=0.0)
    engine.render(start, QUANTUM)
    engine.close()
    engine._worker = LateWorker(engine)  # type: ignore[assignment]
    heard = set()
    for step in range(400):
        now = dataclasses.replace(start, latent=start.latent + np.float32(step / 100))
        engine.render(now, RATE // 100)
        heard |= {playing.clip for layer in take_of(engine)._layers for playing in layer._playing}
    moved = sorted(float(clip.order.controls.latent[0] - start.latent[0]) for clip in heard)
    assert len(moved) > 15
    assert np.diff(moved).max() < 1.0  # followed all the way, never more than a second behind
    assert moved[-1] > 3.5


def test_fades_keep_the_power() -> None:
    rise, fall = fade_curve(480, True), fade_curve(480, False)
    assert np.allclose(rise**2 + fall**2, 1, atol=1e-5)
    for alike in (0.0, 0.5, 1.0):
        gain = likeness_gain(480, alike)
        power = (gain * rise) ** 2 + (gain * fall) ** 2 + 2 * alike * gain**2 * rise * fall
        assert np.allclose(power, 1, atol=1e-5)


def test_soften_leaves_what_is_soft_and_bounds_the_rest() -> None:
    values = np.linspace(-4, 4, 801, dtype=np.float32)
    soft = soften(values, 0.7, 1.0)
    assert np.abs(soft).max() <= 1
    assert (np.diff(soft) >= 0).all()
    assert np.array_equal(soft[np.abs(values) <= 0.7], values[np.abs(values) <= 0.7])


def test_engines_of_one_voice_do_not_share_anything(voices: dict[str, Voice]) -> None:
    engines = [opened(voices["bird"]) for _ in range(2)]
    now = controls(voices["bird"], intensity=0.7)
    alone = opened(voices["bird"]).render(now, RATE)
    mixed = [engine.render(now, RATE // 2) for _ in range(2) for engine in engines]
    assert np.array_equal(np.concatenate(mixed[::2]), alone)
    assert np.array_equal(np.concatenate(mixed[1::2]), alone)
