"""A level meter: peak and RMS since it was last read. Used by the mixer."""

from __future__ import annotations

import math

import numpy as np


class Meter:
    """Peak and RMS of stereo sound, both sides together."""

    def __init__(self) -> None:
        """Start at silence."""
        self._peak = self._power = 0.0
        self._frames = 0

    def add(self, sound: np.ndarray) -> None:
        """Take in a block. Shape [frames, 2], float32"""
        self._peak = max(self._peak, float(sound.max(initial=0.0)), -float(sound.min(initial=0.0)))
        flat = sound.reshape(-1)
        self._power += float(np.dot(flat, flat))
        self._frames += len(sound)

    def take(self) -> tuple[float, float]:
        """Return peak and RMS since the last call, linear; RMS is over both sides."""
        levels = self._peak, math.sqrt(self._power / (2 * self._frames)) if self._frames else 0.0
        self._peak = self._power = 0.0
        self._frames = 0
        return levels
