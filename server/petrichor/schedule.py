"""Messages that wait for their time (OSC bundles with a future timetag). Owned by the control process."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from petrichor.errors import MessageError

LIMIT = 20_000  # messages waiting at once
LIMIT_EACH = 10_000  # of one sender
LIMIT_BYTES = 32 << 20  # of all that wait, about
HORIZON = 600.0  # seconds ahead that a message may be sent: beyond it, the sender's clock is wrong

T = TypeVar("T")


class Schedule(Generic[T]):
    """A queue ordered by time; equal times keep their order."""

    def __init__(self) -> None:
        """Start empty."""
        self._heap: list[tuple[float, int, Hashable, int, T]] = []
        self._count = itertools.count()
        self._senders: Counter[Hashable] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._heap)

    @property
    def next_time(self) -> float | None:
        """Time of the first, or None."""
        return self._heap[0][0] if self._heap else None

    def add(self, time: float, item: T, now: float, sender: Hashable = None, size: int = 1) -> None:
        """Let `item` wait until `time`.

        Args:
            time: When it is due, in seconds.
            item: What waits.
            now: The present, by the same clock.
            sender: Whose it is.
            size: Bytes that it takes, about.

        Raises:
            MessageError: Too many wait already, or `time` is too far ahead.
        """
        if time - now > HORIZON:
            raise MessageError("", f"got a timetag {time - now:.0f} s ahead, at most {HORIZON:.0f} are kept")
        if self._senders[sender] >= LIMIT_EACH or len(self) >= LIMIT:
            waiting = f"{self._senders[sender]} messages of this sender wait already, {len(self)} in all"
            raise MessageError("", f"{waiting}; at most {LIMIT_EACH} and {LIMIT} can")
        if self._bytes + size > LIMIT_BYTES:
            raise MessageError("", f"got {size} bytes, {self._bytes} wait already; at most {LIMIT_BYTES} can")
        heapq.heappush(self._heap, (time, next(self._count), sender, size, item))
        self._senders[sender] += 1
        self._bytes += size

    def due(self, now: float) -> Iterator[tuple[float, T]]:
        """Take every item whose time has come, with that time, in order."""
        while self._heap and self._heap[0][0] <= now:
            time, _, sender, size, item = heapq.heappop(self._heap)
            self._senders[sender] -= 1
            if not self._senders[sender]:
                del self._senders[sender]
            self._bytes -= size
            yield time, item

    def clear(self) -> int:
        """Forget everything; return how many waited."""
        count = len(self._heap)
        self._heap.clear()
        self._senders.clear()
        self._bytes = 0
        return count
