"""From the time of day to the frame of the mix: the sample clock.

The mix advances in bursts, as its furthest-ahead output asks for it. `ClockFilter` (audio process) makes of that a
smooth line, "frames at time 0 of the steady clock"; `SampleClock` (control process) gives timetags their frame by it.
Within a phrase the frames are as far apart as the timetags say, to the sample: the line is only corrected slowly and
where the output's clock has drifted away, and at once only between phrases or where it is far off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

SMOOTHING = 5.0  # seconds of the filter, once it has seen so many; before, it takes the mean of what it has seen
JUMP = 0.05  # seconds off, from which the line starts anew: another output leads, or the mix stood still
SLACK = 0.003  # seconds off that are left alone within a phrase: more than the bursts leave, less than is heard
SLEW = 5.0  # seconds in which most of what is off beyond that is made up for
QUIET = 10.0  # seconds without a cue, after which a new phrase begins


class ClockFilter:
    """The audio process's side: from bursts to a line.

    Args:
        line: Where it is published: frames at time 0 of the steady clock, NaN before the first. Shape [1], float64.
        rate: Hz.
    """

    def __init__(self, line: np.ndarray, rate: int) -> None:
        """Go on with the line that is there."""
        self._line = line
        self._rate = rate
        self._last = -math.inf
        self._seen = 0

    def note(self, position: int, now: float) -> None:
        """Take note that the mix has come to `position` at `now` seconds of the steady clock."""
        seen = position - now * self._rate
        line = float(self._line[0])
        if not abs(seen - line) < JUMP * self._rate:  # also where there is none yet
            self._line[0], self._seen = seen, 1
        else:
            self._seen += 1
            share = max(1 / self._seen, -math.expm1(-(now - self._last) / SMOOTHING))
            self._line[0] = line + (seen - line) * share
        self._last = now


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
        self._followed = self._used = -math.inf

    @property
    def known(self) -> bool:
        """Whether the mix has begun."""
        return math.isfinite(self._line)

    def follow(self, busy: bool) -> None:
        """Correct the line by what the audio process says.

        Args:
            busy: Whether cues are on their way or wait.
        """
        now = self._steady()
        self._used = now if busy else self._used
        self._fresh = self._fresh or not busy
        seen = float(self._published[0]) + (now - self._wall()) * self._rate
        off = seen - self._line
        if now - self._used > QUIET or not abs(off) < JUMP * self._rate:
            self._line = seen
        elif abs(off) > SLACK * self._rate:
            beyond = math.copysign(abs(off) - SLACK * self._rate, off)
            self._line += beyond * -math.expm1(-(now - self._followed) / SLEW)
        self._followed = now

    def position_at(self, time_of_day: float) -> int:
        """Return the frame of the mix that is mixed at a Unix time."""
        self._used = self._steady()
        exact = self._line + time_of_day * self._rate
        if self._fresh:  # else cues that all lie halfway between two frames would be rounded now up, now down
            self._fraction, self._fresh = exact - round(exact), False
        return round(exact - self._fraction)
