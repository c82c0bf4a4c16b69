"""From the time of day to the frame of the mix: the sample clock.

The mix advances in bursts, as its furthest-ahead output asks for it. `ClockFilter` (audio process) makes of that a
smooth line, "frames at time 0 of the steady clock"; `SampleClock` (control process) gives timetags their frame by it.
Within a phrase the frames are as far apart as the timetags say, to the sample: the line is only corrected slowly and
where the output's clock has drifted away, and at once only between phrases or where it is far off.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np

STRETCH, STRETCHES = 0.25, 12  # seconds, and how many of them: three seconds of past make the line
JUMP = 0.05  # seconds off, from which the line starts anew: another output leads, or the mix stood still
SLACK = 0.01  # seconds off that are left alone within a phrase: more than a change of the leading output leaves
SLEW = 5.0  # seconds in which most of what is off beyond that is made up for
TRIES, QUICK = 8, 5e-6  # looks at two clocks, until they are no more seconds apart than that
GIVEN = 1024  # times whose frames are remembered: a bundle's messages are not all asked about at once
QUIET = 10.0  # seconds without a cue, after which a new phrase begins
TOLD = 0.2  # seconds between two times that it is told by how much a phrase was shifted


class ClockFilter:
    """The audio process's side: from bursts to a line.

    The mix can be behind what its output wants, never ahead: so the line is the highest of what was seen lately.

    Args:
        line: Where it is published: frames at time 0 of the steady clock, NaN before the first. Shape [1], float64.
        rate: Hz.
    """

    def __init__(self, line: np.ndarray, rate: int) -> None:
        """Go on with the line that is there."""
        self._line = line
        self._rate = rate
        self._highest: deque[tuple[int, float]] = deque()  # stretch of time → highest in it

    def note(self, position: int, now: float) -> None:
        """Take note that the mix has come to `position` at `now` seconds of the steady clock."""
        seen = position - now * self._rate
        line = float(self._line[0])
        if not line - seen < JUMP * self._rate:  # it stood still; also where there is no line yet
            self._highest.clear()
        stretch = int(now / STRETCH)
        if self._highest and self._highest[-1][0] == stretch:
            seen = max(seen, self._highest.pop()[1])
        self._highest.append((stretch, seen))
        while self._highest[0][0] <= stretch - STRETCHES:
            self._highest.popleft()
        self._line[0] = max(highest for _, highest in self._highest)


class SampleClock:
    """The control process's side: timetags to frames.

    Args:
        line: The line that `ClockFilter` publishes. Shape [1], float64.
        rate: Hz.
        steady: The steady clock, in seconds, the same in every process.
        wall: The time of day, in Unix seconds.
    """

    def __init__(
        self,
        line: np.ndarray,
        rate: int,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start without a line."""
        self._published = line
        self._rate = rate
        self._steady, self._wall = steady, wall
        self._line = math.nan  # frames at Unix time 0, as used
        self._fraction = 0.0  # by which the first of the cues on their way lay off a whole frame, and so may the others
        self._fresh = True  # whether the next cue is such a first
        self._followed = self._used = self._told = -math.inf
        self._shift = 0.0  # frames by which the line was corrected within the phrase, since that was told
        self._given: dict[float, int] = {}  # time of day → frame, the last few

    @property
    def known(self) -> bool:
        """Whether the mix has begun."""
        return math.isfinite(self._line)

    def follow(self, busy: bool) -> float:
        """Correct the line by what the audio process says.

        Args:
            busy: Whether cues are on their way or wait.

        Returns:
            Seconds by which what follows in a phrase has just been shifted against what came before: later, or
            earlier where negative; 0 for less than a frame.
        """
        now = self._steady()
        self._used = now if busy else self._used
        self._fresh = self._fresh or not busy
        seen = float(self._published[0]) - self._wall_ahead() * self._rate
        off, before = seen - self._line, self._line
        within = now - self._used <= QUIET and math.isfinite(off)
        if now - self._used > QUIET or not abs(off) < JUMP * self._rate:
            self._line = seen
        elif abs(off) > SLACK * self._rate:
            beyond = math.copysign(abs(off) - SLACK * self._rate, off)
            self._line += beyond * -math.expm1(-(now - self._followed) / SLEW)
        self._followed = now
        self._shift = self._shift + self._line - before if within else 0.0
        return self._tell(now)

    def _tell(self, now: float) -> float:
        if abs(self._shift) < 1.0 or now - self._told < TOLD:
            return 0.0
        shift, self._shift, self._told = self._shift / self._rate, 0.0, now
        return shift

    def _wall_ahead(self) -> float:
        """Return by how many seconds the time of day is ahead of the steady clock.

        This process may be held up between two looks at the clocks: of a few tries the quickest counts.
        """
        best, ahead = math.inf, 0.0
        for _ in range(TRIES):
            before, wall, after = self._steady(), self._wall(), self._steady()
            if after - before < best:
                best, ahead = after - before, wall - (before + after) / 2
            if best < QUICK:
                break
        return ahead

    def position_at(self, time_of_day: float) -> int:
        """Return the frame of the mix that is mixed at a Unix time; the same for the same time, asked again soon."""
        self._used = self._steady()
        known = self._given.get(time_of_day)
        if known is not None:
            return known
        exact = self._line + time_of_day * self._rate
        if self._fresh:  # else cues that all lie halfway between two frames would be rounded now up, now down
            self._fraction, self._fresh = exact - round(exact), False
        position = self._given[time_of_day] = round(exact - self._fraction)
        if len(self._given) > GIVEN:
            del self._given[next(iter(self._given))]
        return position
