"""Messages that wait for their time (OSC bundles with a future timetag). Owned by the control process."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Generic, TypeVar

from petrichor.errors import MessageError

LIMIT = 10_000  # messages waiting at once
HORIZON = 600.0  # seconds ahead that a message may be sent: beyond it, the sender's clock is wrong

T = TypeVar("T")


class Schedule(Generic[T]):
    """A queue ordered by time; equal times keep their order."""

    def __init__(self) -> None:
        """Start empty."""
        self._heap: list[tuple[float, int, T]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._heap)

    @property
    def next_time(self) -> float | None:
        """Time of the first, or None."""
        return self._heap[0][0] if self._heap else None

    def add(self, time: float, item: T, now: float) -> None:
        """Let `item` wait until `time`.

        Raises:
            MessageError: Too many wait already, or `time` is too far ahead.
        """
        if time - now > HORIZON:
            raise MessageError("", f"got a timetag {time - now:.0f} s ahead, at most {HORIZON:.0f} are kept")
        if len(self._heap) >= LIMIT:
            raise MessageError("", f"{LIMIT} messages wait already")
        heapq.heappush(self._heap, (time, next(self._count), item))

    def due(self, now: float) -> Iterator[tuple[float, T]]:
        """Take every item whose time has come, with that time, in order."""
        while self._heap and self._heap[0][0] <= now:
            time, _, item = heapq.heappop(self._heap)
            yield time, item
