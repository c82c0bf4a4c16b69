"""Whether the machine ran while a test did: a test of sound in real time that failed while it stood still says nothing.

Tests of the live engine and of the patches want sound to come in time, on machines that are lent: their host may keep
a processor for a tenth of a second, and no program can help that. It is measured, not assumed: by a watcher of the
highest priority on each core, and by what the kernel says that the host kept. A test that failed in such a moment is
tried again once the machine runs, twice at most; pytest's summary tells which, as RERUN. A test that failed while it
ran has failed.
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
PATIENCE = 120.0  # seconds for which that is waited for, by all tests of a process together


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
        """A test begins."""
        self._begun, self._before = time.monotonic(), self._kept()

    def stood_still(self) -> bool:
        """Whether it did since then."""
        now = time.monotonic()
        seen = self._standstills(self._begun, now)
        available = (now - self._begun) * (os.cpu_count() or 1)
        lost = max(sum(seen), self._kept() - self._before)
        return max(seen, default=0.0) > LONGEST or lost > SHARE * available


class Watch:
    """The machine of this process, watched from the first test on that asks for it."""

    def __init__(self) -> None:
        self._watchers: Standstills | None = None
        self._machine: Machine | None = None
        self._patience = PATIENCE

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
        """Whether the machine stood still since then; if so, wait until it runs.

        Args:
            error: Why the test failed; None where it did not, and nothing is to be excused.
        """
        if error is None or self._machine is None or not self._machine.stood_still():
            return False
        still = True
        while still and self._patience > 0:
            self._machine.begin()
            time.sleep(PEACE)
            self._patience -= PEACE
            still = self._machine.stood_still()
        return True

    def close(self) -> None:
        """Send the watchers home."""
        if self._watchers is not None:
            self._watchers.__exit__()
            self._watchers = self._machine = None
