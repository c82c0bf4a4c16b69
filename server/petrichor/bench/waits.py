"""For how long processes were kept from a core while they had something to do, as the kernel counts it.

Linux adds up in `/proc/PID/schedstat` how long a thread ran and how long it waited in a core's queue
(https://www.kernel.org/doc/html/latest/scheduler/sched-stats.html), in `/proc/PID/stat` how often it waited for memory
that had to be read from a disk, and in `/proc/stat` for how long a virtual machine's host kept its processors. All are
looked at again and again, so that they are known for any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from petrichor.bench.figures import stolen

KEPT = 10_000  # differences
HOST = 0  # in place of a process
MAJOR_FAULTS = 9  # place in `/proc/PID/stat`, counted from behind the name


@dataclass(frozen=True)
class Wait:
    """What happened to the block loops of processes, the main thread of each.

    Attributes:
        queued: Seconds in the queue of a core.
        ran: Seconds on a core.
        faults: How often memory had to come from a disk.
    """

    queued: float = 0.0
    ran: float = 0.0
    faults: int = 0

    def __add__(self, other: Wait) -> Wait:
        """Return both together."""
        return Wait(self.queued + other.queued, self.ran + other.ran, self.faults + other.faults)

    def __sub__(self, other: Wait) -> Wait:
        """Return what came after the other."""
        return Wait(self.queued - other.queued, self.ran - other.ran, self.faults - other.faults)


class Waits:
    """What processes waited for, over time."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._last: dict[int, Wait] = {}
        self._looked = 0.0
        self._seen: deque[tuple[float, float, str, Wait]] = deque(maxlen=KEPT)  # steady clock: from … to

    def look(self, processes: Mapping[int, str], now: float) -> None:
        """Look at some processes, number → name, at a time of the steady clock; at 10 times a second, say."""
        named = {**processes, HOST: "host (all cores)"}
        found = {process: wait for process in processes if (wait := _read(process)) is not None}
        found[HOST] = Wait(queued=stolen())
        for process, wait in found.items():
            if process in self._last:
                self._seen.append((self._looked, now, named[process], wait - self._last[process]))
        self._last, self._looked = found, now

    def between(self, begin: float, end: float) -> dict[str, Wait]:
        """Return what each waited in the looks that touch a time of the steady clock, by name; alike names together."""
        total: dict[str, Wait] = {}
        for first, last, name, wait in self._seen:
            if first <= end and last >= begin:
                total[name] = total.get(name, Wait()) + wait
        return total


def _read(process: int) -> Wait | None:
    """Return all that a process has waited so far, or None where it is gone or the system does not count it."""
    folder = Path(f"/proc/{process}")
    try:
        ran, queued, _ = map(int, (folder / "schedstat").read_text().split())
        faults = int((folder / "stat").read_text().rpartition(")")[2].split()[MAJOR_FAULTS])
    except (OSError, ValueError):
        return None
    return Wait(queued / 1e9, ran / 1e9, faults)
