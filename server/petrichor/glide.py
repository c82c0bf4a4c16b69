"""Gains that move without a step, the same to the last bit whatever the block sizes. Pure, any process.

Every curve is computed once, whole, and read in pieces: a vectorised sine or exponential may round differently at the
end of an array than in its middle.
"""

from __future__ import annotations

import functools
import math

import numpy as np

GLIDE = 0.02  # seconds in which a gain goes most of the way (95 %) to a new value: no zipper, no click
SETTLED = 1e-6  # of the way: the rest, which is taken in one step


@functools.lru_cache(16)
def fade_curve(start: float, target: float, frames: int) -> np.ndarray:
    """Return the gains of an equal-power fade between two phases, 0 for silence, 1 for full. Shape [frames, 1]"""
    phases = start + (target - start) * np.arange(1, frames + 1) / frames
    return np.sin(phases * (math.pi / 2)).astype(np.float32)[:, None]


@functools.lru_cache(4)
def decay_curve(rate: int) -> np.ndarray:
    """Return what is left of the way to a new gain, by frame, from 1 down to `SETTLED`. Shape [frames, 1], float64"""
    decay = 3.0 / (GLIDE * rate)
    return np.exp(-decay * np.arange(1, math.ceil(-math.log(SETTLED) / decay)))[:, None]


class Fade:
    """An equal-power fade between silence and full level, by frames.

    Args:
        level: Where it starts, 0…1.
    """

    def __init__(self, level: float) -> None:
        """Rest at `level`."""
        self._from = self._target = level
        self._elapsed = 0
        self._curve: np.ndarray | None = None  # None at rest

    def start(self, target: float, frames: int) -> None:
        """Move towards `target` (0 or 1), the whole way in `frames`."""
        start, frames = self._phase, max(1, frames)
        self._from, self._target, self._elapsed = start, target, 0
        self._curve = fade_curve(start, target, frames)

    @property
    def full(self) -> bool:
        """Whether it rests at full level."""
        return self._curve is None and self._target == 1.0

    @property
    def silent(self) -> bool:
        """Whether it has faded out."""
        return self._curve is None and self._target == 0.0

    @property
    def _phase(self) -> float:
        if self._curve is None:
            return self._target
        return self._from + (self._target - self._from) * self._elapsed / len(self._curve)

    def next(self, frames: int) -> np.ndarray | float:
        """Return the gains of the next frames: a constant at rest, else shape [frames, 1]."""
        if self._curve is None:
            return self._target
        gains = self._curve[self._elapsed : self._elapsed + frames]
        self._elapsed += frames
        if len(gains) < frames:
            rest = np.full((frames - len(gains), 1), self._target, np.float32)
            gains = np.concatenate((gains, rest))
        if self._elapsed >= len(self._curve):
            self._curve = None
        return gains


class Glide:
    """Stereo gains that follow a target.

    Args:
        rate: Hz.
        gains: Left and right gain at the start.
    """

    def __init__(self, rate: int, gains: tuple[float, float]) -> None:
        """Rest at `gains`."""
        self._curve = decay_curve(rate)
        self._from = self._target = np.array(gains, np.float64)
        self._rest()
        self._elapsed = len(self._curve)

    @property
    def unity(self) -> bool:
        """Whether it rests at full level on both sides."""
        return self._whole and self._elapsed >= len(self._curve)

    def to(self, gains: tuple[float, float]) -> None:
        """Set out for other gains from where it is now."""
        target = np.array(gains, np.float64)
        if (target == self._target).all():
            return
        if self._elapsed >= len(self._curve):
            left = 0.0
        else:
            left = float(self._curve[self._elapsed - 1, 0]) if self._elapsed else 1.0
        self._from = self._target + (self._from - self._target) * left
        self._target, self._elapsed = target, 0
        self._rest()

    def next(self, frames: int) -> np.ndarray:
        """Return the gains of the next frames. Shape [frames, 2] while moving; at rest [2], or [] if equal. float32"""
        if self._elapsed >= len(self._curve):
            return self._resting
        left = self._curve[self._elapsed : self._elapsed + frames]
        self._elapsed += frames
        gains = (self._target + (self._from - self._target) * left).astype(np.float32)
        if len(gains) < frames:
            gains = np.concatenate((gains, np.broadcast_to(self._resting, (frames - len(gains), 2))))
        return gains

    def _rest(self) -> None:
        """Note what is given at rest: where both sides are the same, one number, as arrays of two multiply slowly."""
        left, right = resting = self._target.astype(np.float32)
        self._resting = resting[0, ...] if left == right else resting
        self._whole = bool((self._target == 1.0).all())
