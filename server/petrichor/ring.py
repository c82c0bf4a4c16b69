"""A one-writer, one-reader ring of stereo sound in shared memory, with the history behind the reader kept.

The renderer process writes, the audio process reads. Each side stores only its own position, after the samples
it speaks of; both are aligned 64-bit words, so neither side ever waits for the other or sees half a number.
"""

from __future__ import annotations

import numpy as np

FRAMES = 1 << 15  # 0.7 s at 48 kHz: a small fill ahead of the reader, history for concealment behind it
WRITTEN, READ, OFFSET = 0, 1, 2  # places in the `positions` array
APART = -(1 << 62)  # the offset of a ring that is not in the mix yet


class Ring:
    """A view of a ring that lives in memory given by the caller.

    Args:
        positions: Frames written and frames read since the start, and the offset. Shape [3], int64.
        samples: The ring. Shape [FRAMES, 2], float32.
    """

    def __init__(self, positions: np.ndarray, samples: np.ndarray) -> None:
        """View the memory; changes nothing in it."""
        self._positions = positions
        self._samples = samples
        self._size = len(samples)

    def clear(self) -> None:
        """Start anew. Only while neither side is running."""
        self._positions[:] = 0, 0, APART
        self._samples[:] = 0

    @property
    def written(self) -> int:
        """Frames written since the start."""
        return int(self._positions[WRITTEN])

    @property
    def read_position(self) -> int:
        """Frames read since the start."""
        return int(self._positions[READ])

    @property
    def fill(self) -> int:
        """Frames written and not yet read."""
        return self.written - self.read_position

    @property
    def offset(self) -> int | None:
        """Position in the mix of the ring's frame 0, or None while the ring is not in the mix.

        It grows where the mix went on without the ring.
        """
        offset = int(self._positions[OFFSET])
        return None if offset == APART else offset

    def write(self, block: np.ndarray) -> None:
        """Append a block (writer's side). Room is the writer's duty: it keeps only a small fill.

        Args:
            block: Shape [frames, 2], at most the ring's length.
        """
        position = self.written
        start = position % self._size
        first = min(len(block), self._size - start)
        self._samples[start : start + first] = block[:first]
        self._samples[: len(block) - first] = block[first:]
        self._positions[WRITTEN] = position + len(block)

    def place(self, position: int) -> None:
        """Say that the next frame to be read will stand at `position` of the mix (reader's side)."""
        self._positions[OFFSET] = position - self.read_position

    def read(self, frames: int) -> np.ndarray:
        """Take the next frames (reader's side); `fill` must hold that many.

        Returns:
            A copy. Shape [frames, 2], float32.
        """
        block = np.empty((frames, 2), np.float32)
        self.read_into(block)
        return block

    def read_into(self, out: np.ndarray) -> None:
        """Take the next frames, as many as `out` holds; `fill` must hold that many. Shape [frames, 2]"""
        position = self.read_position
        start = position % self._size
        first = self._size - start
        if first >= len(out):
            out[:] = self._samples[start : start + len(out)]
        else:
            out[:first] = self._samples[start:]
            out[first:] = self._samples[: len(out) - first]
        self._positions[READ] = position + len(out)

    def history(self, frames: int) -> np.ndarray:
        """Return the sound just before the reader, newest last (reader's side).

        Args:
            frames: At most so many; fewer are there early on. A quarter of the ring is kept clear of the writer.

        Returns:
            A copy. Shape [up to frames, 2], float32.
        """
        position = self.read_position
        frames = min(frames, position, self._size * 3 // 4)
        return self._gather(position - frames, frames)

    def _gather(self, position: int, frames: int) -> np.ndarray:
        start = position % self._size
        end = start + frames
        if end <= self._size:
            return self._samples[start:end].copy()
        return np.concatenate((self._samples[start:], self._samples[: end - self._size]))
