"""A level meter: peak and RMS since it was last read. Used by the mixer."""

from __future__ import annotations

import math


class Meter:
    """Peak and RMS of stereo sound, both sides together."""

    def __init__(self) -> None:
        """Start at silence."""
        self._peak = self._power = 0.0
        self._frames = 0

    def add(self, peak: float, power: float, frames: int) -> None:
        """Take in a block.

        Args:
            peak: Its largest absolute sample.
            power: The sum of its squared samples.
            frames: Its length.
        """
        self._peak = max(self._peak, peak)
        self._power += power
        self._frames += frames

    def take(self) -> tuple[float, float]:
        """Return peak and RMS since the last call, linear; RMS is over both sides."""
        levels = self._peak, math.sqrt(self._power / (2 * self._frames)) if self._frames else 0.0
        self._peak = self._power = 0.0
        self._frames = 0
        return levels
