"""For how long the mix waits for voices that owe it sound. Owned by the audio process.

One that is late once is waited for, as long as no output can run dry by that. But one that is late again and again, if
only by a little each time, would let all of them run dry in the end. So it is noted how far the mix has come, and for
how long each voice has held it up, since it was last as far as wanted. Once that is less far than time has gone on, and
a listener holds little, those who have held it up are waited for no more, until it is as far as wanted again.
"""

from __future__ import annotations

import math

LONGEST = 0.03  # seconds that it waits at most: within the default fill of a stream
SHORTEST = 0.004  # the same where an output holds so little that all voices would be missed by it before
WAITED = 0.5  # of what the output that holds least holds: for so long it may be waited for
STEP = 0.01  # seconds between two questions; any more and the machine stood still, which is no voice's fault


class Patience:
    """Whether to go on waiting. All times are seconds of one steady clock.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        """Start with nobody late."""
        self._rate = rate
        self._limit = LONGEST
        self._begin: tuple[float, int] | None = None  # when the mix was last as far as wanted, and how far that was
        self._late_since: float | None = None  # voices, with what is to be mixed next
        self._asked = -math.inf
        self._held: dict[int, float] = {}  # voice → seconds for which it has held up the mix
        self._blamed: set[int] = set()  # voices that are not waited for

    def allow(self, hold: float) -> None:
        """Wait no longer than outputs can.

        Args:
            hold: For how many seconds the one that holds least plays on without the mix; infinity where none is.
        """
        self._limit = min(LONGEST, max(SHORTEST, WAITED * hold))

    def want(self, now: float, position: int, dry: bool) -> None:
        """More is wanted than is mixed.

        Args:
            now: When.
            position: Frames that are mixed.
            dry: Whether somebody who listens holds little.
        """
        if self._begin is None:
            self._begin = now, position
        begin, first = self._begin
        lost = now - begin - (position - first) / self._rate  # nothing where somebody only takes faster than time
        if not self._blamed and dry and min(lost, 2 * sum(self._held.values())) > self._limit:
            most = max(self._held.values())
            self._blamed = {voice for voice, held in self._held.items() if held > most / 2}
            self._held.clear()  # the others may owe a little: what is filled in for these is wanted of all at once

    def wait(self, voice: int, now: float) -> bool:
        """Return whether to wait for a voice that owes sound now; else it is filled in."""
        if self._late_since is None:
            self._late_since = self._asked = now
        held = self._held[voice] = self._held.get(voice, 0.0) + min(now - self._asked, STEP)
        self._asked = now
        if self._blamed and held > self._limit:
            self._blamed.add(voice)
        return now - self._late_since <= self._limit and voice not in self._blamed

    def served(self) -> None:
        """No voice owes anything for what is mixed next: it has come, or is filled in."""
        self._late_since = None

    def satisfied(self) -> None:
        """As much is mixed as is wanted."""
        self._late_since = self._begin = None
        self._held.clear()
        self._blamed.clear()

    def left(self, now: float) -> float:
        """Return for how many seconds at most the voices that are late are still waited for; infinity where none is."""
        return math.inf if self._late_since is None else max(0.0, self._late_since + self._limit - now)
