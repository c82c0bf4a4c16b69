"""When the machine itself stood still: what no program on it could help, told apart from what the server did.

On each core a process of the highest priority asks to be woken every few milliseconds and notes how late it is. Nothing
of the server's can hold it up: only the kernel, or on a virtual machine the host that lends the core elsewhere. The
idea is that of cyclictest (https://wiki.linuxfoundation.org/realtime/documentation/howto/tools/cyclictest).
"""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection

from petrichor.bell import Bell
from petrichor.bench.ears import PATIENCE
from petrichor.priority import use_realtime_priority
from petrichor.processes import process_context

PERIOD = 0.004  # seconds between two looks
LEAST = 0.004  # seconds late that are noted
PRIORITY = 90  # of SCHED_FIFO: above the sound server's and the patches'


class Standstills:
    """The cores' watchers: `with Standstills() as machine: …`.

    Attributes:
        watchers: Their process numbers.
        watched: Whether they can tell: they need real-time priority, and a system that binds processes to cores.
    """

    def __init__(self) -> None:
        """Start watching."""
        self._seen: list[tuple[float, float]] = []  # steady clock: from … to
        self._watchers = []
        context = process_context()
        for core in os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ():
            ours, theirs = context.Pipe(duplex=False)
            stop, hear = Bell.pair()
            process = context.Process(target=_watch, args=(core, theirs, hear), name=f"watch-{core}", daemon=True)  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            hear.close()
            self._watchers.append((process, ours, stop))
        begun = [ours.poll(PATIENCE) and ours.recv() for _, ours, _ in self._watchers]
        self.watched = bool(begun) and all(begun)
        self.watchers = [int(process.pid) for process, _, _ in self._watchers]

    def __enter__(self) -> Standstills:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        for process, ours, stop in self._watchers:
            stop.ring()
            process.join(PATIENCE)
            process.kill()
            process.join()
            ours.close()
            stop.close()

    def between(self, begin: float, end: float) -> list[float]:
        """Return how long each of the standstills lasted that touch a time of the steady clock, in seconds.

        Two cores that stood still at once are two.
        """
        for _, ours, _ in self._watchers:
            try:
                while ours.poll():
                    self._seen.append(ours.recv())
            except EOFError:
                self.watched = False
        return [last - first for first, last in self._seen if first <= end and last >= begin]


def _watch(core: int, found: Connection, stop: Bell) -> None:
    os.sched_setaffinity(0, {core})
    allowed = not use_realtime_priority(PRIORITY)
    found.send(allowed)
    due = time.monotonic() + PERIOD
    while allowed and not stop.wait(max(0.0, due - time.monotonic())):  # a bell whose other end is gone rings as well
        now = time.monotonic()
        if now - due > LEAST:
            found.send((due, now))
        due = time.monotonic() + PERIOD
