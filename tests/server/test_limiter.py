"""The limiter: nothing passes the ceiling, what stays below is not touched, and nothing steps."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.limiter import CEILING, LOOKAHEAD, RECOVERY, Limiter, running_minimum

RATE = 48000


def limited(sound: np.ndarray, sizes: list[int] | None = None) -> np.ndarray:
    limiter = Limiter(RATE)
    padded = np.concatenate((sound, np.zeros((LOOKAHEAD, 2), np.float32))).astype(np.float32)
    pieces, start = [], 0
    for size in (sizes or [256]) * len(padded):
        if start >= len(padded):
            break
        pieces.append(limiter.process(padded[start : start + size]))
        start += size
    return np.concatenate(pieces)[LOOKAHEAD : LOOKAHEAD + len(sound)]


def noise(frames: int, level: float) -> np.ndarray:
    return (level * np.random.default_rng(4).standard_normal((frames, 2))).astype(np.float32)


def test_what_is_below_the_ceiling_is_exactly_itself() -> None:
    sound = np.clip(noise(20000, 0.3), -CEILING, CEILING)
    np.testing.assert_array_equal(limited(sound), sound)


@pytest.mark.parametrize("level", [0.4, 1.0, 8.0])
def test_nothing_passes_the_ceiling(level: float) -> None:
    sound = noise(48000, level)
    sound[30000] = 40.0, -3.0
    out = limited(sound)
    assert np.abs(out).max() <= CEILING * (1 + 1e-6)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("sizes", [[1], [64], [7, 300, 1, 64], [5000]])
def test_blocks_of_any_size_join_to_the_same(sizes: list[int]) -> None:
    sound = noise(12000, 0.8)
    np.testing.assert_allclose(limited(sound, sizes), limited(sound), atol=1e-6)


def test_both_sides_are_turned_down_alike() -> None:
    sound = noise(4000, 0.2)
    sound[:, 1] = sound[:, 0] / 2
    sound[2000, 0] = 3.0
    sound[2000, 1] = 1.5
    out = limited(sound)
    np.testing.assert_allclose(out[:, 1], out[:, 0] / 2, atol=1e-6)


def test_gain_comes_down_and_up_without_a_step() -> None:
    """A steady tone with one peak: its level moves no faster than over the look-ahead, and is back after a while."""
    tone = 0.5 * np.sin(2 * np.pi * 200 / RATE * np.arange(2 * RATE))
    sound = np.repeat(tone[:, None], 2, 1).astype(np.float32)
    sound[RATE // 2] = 3.0
    out = limited(sound)
    usual = np.abs(np.diff(tone)).max()
    steps = np.abs(np.diff(out[:, 0]))
    steps[RATE // 2 - 2 : RATE // 2 + 2] = 0  # the peak itself
    assert steps.max() < usual + 2 * 0.5 / LOOKAHEAD
    drop = 20 * np.log10(3.0 / CEILING)
    back = RATE // 2 + LOOKAHEAD + round(RATE * drop / RECOVERY) + 10
    np.testing.assert_array_equal(out[back + LOOKAHEAD :], sound[back + LOOKAHEAD :])
    assert not np.array_equal(out[back - 2000 : back - 1000], sound[back - 2000 : back - 1000])


def test_meter_tells_the_lowest_gain() -> None:
    limiter = Limiter(RATE)
    limiter.process(np.full((256, 2), 0.1, np.float32))
    assert limiter.gain == 1.0
    limiter.process(np.full((256, 2), 2 * CEILING, np.float32))
    limiter.process(np.zeros((256, 2), np.float32))
    assert limiter.gain == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("length", [1, 2, 3, 64, 65, 100])
def test_running_minimum_is_the_minimum(length: int) -> None:
    values = np.random.default_rng(length).standard_normal(300)
    expected = [values[n : n + length].min() for n in range(300 - length + 1)]
    np.testing.assert_array_equal(running_minimum(values, length), expected)
