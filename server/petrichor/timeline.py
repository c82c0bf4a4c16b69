"""The timeline: the mix with its recent past, which every output reads at its own pace.

Lives in the shared memory. The audio process appends; its subscribers and its recorder read, and so does the callback
of the sound card, in a process of its own.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

HISTORY = 1 << 19  # frames: 10.9 s at 48 kHz, 4 MB


class Timeline:
    """Mixed sound by absolute position: a view of memory given by the caller.

    Args:
        samples: The recent past. Shape [frames, 2], float32.
        position: Frames mixed since the start. Shape [1], int64.
    """

    def __init__(self, samples: np.ndarray | None = None, position: np.ndarray | None = None) -> None:
        """View the memory, or memory of its own where none is given; changes nothing in it."""
        self._samples = np.zeros((HISTORY, 2), np.float32) if samples is None else samples
        self._position = np.zeros(1, np.int64) if position is None else position

    @property
    def position(self) -> int:
        """Frames mixed since the start: the next frame to be appended."""
        return int(self._position[0])

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
        self._position[0] += len(block)  # after the samples: readers elsewhere trust it

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

    @property
    def position(self) -> int:
        """The next frame to be appended."""

    @property
    def oldest(self) -> int:
        """First position that can still be read."""

    def read(self, start: int, frames: int) -> np.ndarray:
        """Return a stretch of the mix. Shape [frames, 2], float32"""


def crossfade(timeline: Readable, old: int, new: int, frames: int) -> np.ndarray:
    """Move a reader from one place of the mix to another without a step, and nowhere louder than the mix is.

    Args:
        timeline: The mix.
        old: Position that the reader leaves; what is no longer there is left out.
        new: Position that it goes to.
        frames: Length of the crossfade.

    Returns:
        What the reader plays instead of `new` to `new + frames`. Shape [frames, 2], float32.
    """
    angle = (np.arange(frames, dtype=np.float32) + 0.5)[:, None] * np.float32(math.pi / 2 / max(1, frames))
    rise = np.square(np.sin(angle))
    sound = timeline.read(new, frames) * rise
    if old >= timeline.oldest:
        sound += timeline.read(old, frames) * (1 - rise)
    return sound
