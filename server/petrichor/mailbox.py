"""A one-writer, one-reader queue of small objects in shared memory: neither side ever waits for the other.

A pipe would do the same until its buffer is full, and then stop the writer: the control process must not stop
because a renderer hangs. Objects are pickled by our own processes; the segment is readable by nobody else.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

LENGTH = 4  # bytes before each object
WRITTEN, READ = 0, 1  # places in the `positions` array


class Mailbox:
    """A view of a queue that lives in memory given by the caller.

    Args:
        positions: Bytes written and bytes read since the start. Shape [2], int64.
        data: The ring of bytes. Shape [bytes], uint8.
    """

    def __init__(self, positions: np.ndarray, data: np.ndarray) -> None:
        """View the memory; changes nothing in it."""
        self._positions = positions
        self._data = data
        self._size = len(data)

    def clear(self) -> None:
        """Start anew. Only while neither side is running."""
        self._positions[:] = 0

    @property
    def waiting(self) -> bool:
        """Whether something is there to be taken."""
        return bool(self._positions[WRITTEN] != self._positions[READ])

    def put(self, items: Sequence[object]) -> bool:
        """Append objects, all visible at once (writer's side).

        Returns:
            False where there is no room for all of them just now: then none was put.

        Raises:
            ValueError: There never will be, as they are larger than the queue.
        """
        parts = []
        for item in items:
            data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
            parts += [len(data).to_bytes(LENGTH, "little"), data]
        block = b"".join(parts)
        if len(block) > self._size:
            raise ValueError(f"got {len(block)} bytes, expected at most {self._size}")
        position = int(self._positions[WRITTEN])
        if position + len(block) - int(self._positions[READ]) > self._size:
            return False
        start = position % self._size
        first = min(len(block), self._size - start)
        self._data[start : start + first] = np.frombuffer(block[:first], np.uint8)
        self._data[: len(block) - first] = np.frombuffer(block[first:], np.uint8)
        self._positions[WRITTEN] = position + len(block)
        return True

    def take(self) -> list[Any]:
        """Take everything that is there, in order (reader's side)."""
        position, end = int(self._positions[READ]), int(self._positions[WRITTEN])
        if position == end:
            return []
        indices = np.arange(position, end) % self._size
        block = self._data[indices].tobytes()
        self._positions[READ] = end
        items, start = [], 0
        while start < len(block):
            stop = start + LENGTH + int.from_bytes(block[start : start + LENGTH], "little")
            items.append(pickle.loads(block[start + LENGTH : stop]))
            start = stop
        return items
