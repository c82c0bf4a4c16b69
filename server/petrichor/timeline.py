"""The timeline: the mix with its recent past, which every output reads at its own pace.

Lives in the audio process. The main loop appends; subscribers, the sound card's callback and the recorder read.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

HISTORY = 1 << 19  # frames: 10.9 s at 48 kHz, 4 MB


class Timeline:
    """Mixed sound by absolute position.

    Args:
        frames: How much of the past is kept.
    """

    def __init__(self, frames: int = HISTORY) -> None:
        """Start at position 0 with silence behind."""
        self._samples = np.zeros((frames, 2), np.float32)
        self.position = 0

    @property
    def oldest(self) -> int:
        """First position that can still be read (an eighth is kept clear of the writer)."""
        return max(0, self.position - len(self._samples) * 7 // 8)

    def append(self, block: np.ndarray) -> None:
        """Add the next frames.

        Args:
            block: Shape [frames, 2].
        """
        size = len(self._samples)
        start = self.position % size
        first = min(len(block), size - start)
        self._samples[start : start + first] = block[:first]
        self._samples[: len(block) - first] = block[first:]
        self.position += len(block)  # after the samples: readers on other threads trust it

    def read(self, start: int, frames: int) -> np.ndarray:
        """Return a stretch of the mix.

        Args:
            start: Absolute position of the first frame, `oldest` or later.
            frames: How many; `start + frames` is at most `position`.

        Returns:
            A copy. Shape [frames, 2], float32.

        Raises:
            IndexError: The stretch is not there (any more, or yet).
        """
        if not self.oldest <= start <= start + frames <= self.position:
            raise IndexError(f"{start}+{frames} is outside {self.oldest}…{self.position}")
        size = len(self._samples)
        first = start % size
        end = first + frames
        if end <= size:
            return self._samples[first:end].copy()
        return np.concatenate((self._samples[first:], self._samples[: end - size]))


class Readable(Protocol):
    """Mixed sound by absolute position, as `Timeline` gives it."""

    position: int

    @property
    def oldest(self) -> int:
        """First position that can still be read."""

    def read(self, start: int, frames: int) -> np.ndarray:
        """Return a stretch of the mix. Shape [frames, 2], float32"""


def crossfade(timeline: Readable, old: int, new: int, frames: int) -> np.ndarray:
    """Move a reader from one place of the mix to another without a step, by an equal-power crossfade.

    Args:
        timeline: The mix.
        old: Position that the reader leaves; what is no longer there is left out.
        new: Position that it goes to.
        frames: Length of the crossfade.

    Returns:
        What the reader plays instead of `new` to `new + frames`. Shape [frames, 2], float32.
    """
    angle = (np.arange(frames, dtype=np.float32) + 0.5)[:, None] * np.float32(math.pi / 2 / max(1, frames))
    sound = timeline.read(new, frames) * np.sin(angle)
    if old >= timeline.oldest:
        sound += timeline.read(old, frames) * np.cos(angle)
    return sound
