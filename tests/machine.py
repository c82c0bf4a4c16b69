"""Whether the machine ran while a test did: a test of sound in real time that failed while it stood still says nothing.

Tests of the server and of the patches want sound to come in time, on machines that are lent: their host may keep
a processor for a tenth of a second, and no program can help that. It is measured, not assumed: by a watcher of the
highest priority on each core, and by what the kernel says that the host kept. A test that failed in such a moment is
tried again, twice at most, after a pause in which the machine may come to itself; pytest's summary tells which, as
RERUN. A test that failed while it ran has failed, as has one that hangs. What a module's tests share stays as it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from petrichor.bench.figures import stolen
from petrichor.bench.standstill import Standstills

LONGEST = 0.025  # seconds for which a core may stand still within a test: less than what a listener in a test holds
SHARE = 0.03  # of the processors' time that may be lost within a test
TRIES = 3
PEACE = 1.0  # seconds for which it has to run before a test is tried again
PATIENCE = 10.0  # seconds for which that is waited for


class Machine:
    """What is known of the time since a test began.

    Args:
        standstills: Gives how long each standstill lasted between two times of the steady clock, seconds.
        kept: Gives the seconds of processor time that the host has kept so far.
    """

    def __init__(
        self, standstills: Callable[[float, float], Sequence[float]], kept: Callable[[], float] = stolen
    ) -> None:
        self._standstills, self._kept = standstills, kept
        self.begin()

    def begin(self) -> None:
        """A test begins. What the watchers have seen until then is taken from them: their pipes hold little."""
        self._begun, self._before = time.monotonic(), self._kept()
        self._standstills(self._begun, self._begun)

    def stood_still(self) -> bool:
        """Whether it did since then."""
        now = time.monotonic()
        seen = self._standstills(self._begun, now)
        bound = SHARE * (now - self._begun)  # of one core: the watchers see theirs, the kernel counts all
        stopped = sum(seen) > max(LONGEST, bound * len(os.sched_getaffinity(0)))
        kept = self._kept() - self._before > max(LONGEST, bound * (os.cpu_count() or 1))
        return max(seen, default=0.0) > LONGEST or stopped or kept


class Watch:
    """The machine of this process, watched from the first test on that asks for it."""

    def __init__(self) -> None:
        self._watchers: Standstills | None = None
        self._machine: Machine | None = None

    @property
    def watched(self) -> bool:
        """Whether standstills can be seen: that needs real-time priority."""
        return self._watchers is not None and self._watchers.watched

    @property
    def watchers(self) -> list[int]:
        """Process numbers of those that watch, one for each core."""
        return [] if self._watchers is None else self._watchers.watchers

    def begin(self) -> None:
        """A test begins."""
        if self._watchers is None:
            self._watchers = Standstills()
            self._machine = Machine(self._watchers.between)
        assert self._machine is not None
        self._machine.begin()

    def excuses(self, error: BaseException | None) -> bool:
        """Whether the machine stood still since then.

        Args:
            error: Why the test failed; None where it did not, and nothing is to be excused.
        """
        return error is not None and self._machine is not None and self._machine.stood_still()

    def wait(self) -> None:
        """Wait until the machine runs, but not for ever."""
        assert self._machine is not None
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._machine.begin()
            time.sleep(PEACE)
            if not self._machine.stood_still():
                break

    def close(self) -> None:
        """Send the watchers home."""
        if self._watchers is not None:
            self._watchers.__exit__()
            self._watchers = self._machine = None
