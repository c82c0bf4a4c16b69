"""Gains that move without a step, the same to the last bit whatever the block sizes. Pure, any process."""

from __future__ import annotations

import math

import numpy as np

GLIDE = 0.02  # seconds in which a gain goes most of the way (95 %) to a new value: no zipper, no click
SETTLED = 1e-5  # of full level: the rest of the way, which is taken in one step


class Fade:
    """An equal-power fade between silence and full level, by frames.

    Args:
        level: Where it starts, 0…1.
    """

    def __init__(self, level: float) -> None:
        """Rest at `level`."""
        self._from = self._target = level
        self._frames = self._elapsed = 0

    @property
    def full(self) -> bool:
        """Whether it rests at full level."""
        return self._target == 1.0 and self._elapsed >= self._frames

    def start(self, target: float, frames: int) -> None:
        """Move towards `target` (0 or 1), the whole way in `frames`."""
        self._from, self._target = self._phase, target
        self._frames, self._elapsed = max(1, frames), 0

    @property
    def silent(self) -> bool:
        """Whether it has faded out."""
        return self._target == 0.0 and self._elapsed >= self._frames

    @property
    def _phase(self) -> float:
        if self._elapsed >= self._frames:
            return self._target
        return self._from + (self._target - self._from) * self._elapsed / self._frames

    def next(self, frames: int) -> np.ndarray | float:
        """Return the gains of the next frames: a constant at rest, else shape [frames, 1]."""
        if self._elapsed >= self._frames:
            return self._target
        parts = np.minimum(np.arange(self._elapsed + 1, self._elapsed + frames + 1) / self._frames, 1.0)
        self._elapsed += frames
        phases = self._from + (self._target - self._from) * parts
        return np.sin(phases * (math.pi / 2)).astype(np.float32)[:, None]


class Glide:
    """Stereo gains that follow a target.

    Args:
        rate: Hz.
        gains: Left and right gain at the start.
    """

    def __init__(self, rate: int, gains: tuple[float, float]) -> None:
        """Rest at `gains`."""
        self._decay = -3.0 / (GLIDE * rate)  # of the way left, in each frame, as an exponent
        self._from = self._target = np.array(gains, np.float64)
        self._resting = self._target.astype(np.float32)
        self._whole = gains == (1.0, 1.0)
        self._elapsed = self._frames = 0

    @property
    def unity(self) -> bool:
        """Whether it rests at full level on both sides."""
        return self._whole and self._elapsed >= self._frames

    def to(self, gains: tuple[float, float]) -> None:
        """Set out for other gains from where it is now."""
        target = np.array(gains, np.float64)
        if (target == self._target).all():
            return
        self._from, self._target = self._after(self._elapsed), target
        self._resting, self._whole = target.astype(np.float32), tuple(gains) == (1.0, 1.0)
        way = float(np.abs(self._target - self._from).max())
        self._elapsed, self._frames = 0, math.ceil(math.log(max(way / SETTLED, 1.0)) / -self._decay)

    def next(self, frames: int) -> np.ndarray:
        """Return the gains of the next frames. Shape [frames, 2] while moving, [2] at rest. float32"""
        if self._elapsed >= self._frames:
            return self._resting
        steps = np.arange(self._elapsed + 1, self._elapsed + frames + 1)
        self._elapsed += frames
        left = np.where(steps < self._frames, np.exp(steps * self._decay), 0.0)[:, None]
        return (self._target + (self._from - self._target) * left).astype(np.float32)

    def _after(self, frames: int) -> np.ndarray:
        left = math.exp(frames * self._decay) if frames < self._frames else 0.0
        return self._target + (self._from - self._target) * left
