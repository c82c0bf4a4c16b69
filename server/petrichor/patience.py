"""For how long the mix waits for voices that owe it sound. Owned by the audio process.

One that is late once is waited for, as long as no output can run dry by that. But those that are late again and again,
if only by a little each time, would let all of them run dry in the end. So it is noted how far the mix has come, and
for how long each voice has held it up, since it was last as far as wanted. Once that is less far than time has gone on,
and a listener holds little, those who have held it up are waited for no more, until it is as far as wanted again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LONGEST = 0.03  # seconds that it waits at most: within the default fill of a stream
SHORTEST = 0.004  # the same where an output holds so little that all voices would be missed by it before
WAITED = 0.5  # of what the output that holds least holds: for so long it may be waited for
LOOK = 0.005  # seconds after which it is looked again, at the latest, while voices are waited for
STOOD = 0.01  # seconds between two looks, from which on the machine stood still, which is no voice's fault


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
        self._looked = -math.inf
        self._dry = False
        self._late: Sequence[int] = ()  # voices, at the last look
        self._late_since: float | None = None  # with what is to be mixed next
        self._held: dict[int, float] = {}  # voice → seconds for which it has held up the mix
        self._blamed: set[int] = set()  # voices that are not waited for

    def allow(self, hold: float) -> None:
        """Wait no longer than outputs can.

        Args:
            hold: For how many seconds the one that holds least plays on without the mix; infinity where none is.
        """
        self._limit = min(LONGEST, max(SHORTEST, WAITED * hold))

    def want(self, now: float, position: int, dry: bool) -> None:
        """More is wanted than is mixed: called at each turn, before `wait`.

        Args:
            now: When.
            position: Frames that are mixed.
            dry: Whether somebody who listens holds little.
        """
        passed, self._looked, self._dry = now - self._looked, now, dry
        if self._begin is None:
            self._begin = now, position
        elif passed > STOOD:
            self._begin = self._begin[0] + passed - STOOD, self._begin[1]
        for voice in self._late:
            self._held[voice] = self._held.get(voice, 0.0) + min(passed, STOOD)
        begin, first = self._begin
        lost = now - begin - (position - first) / self._rate  # nothing where somebody only takes faster than time
        most = max(self._held.values(), default=0.0)
        if dry and not self._blamed and min(lost, 2 * most) > self._limit:
            self._blamed = {voice for voice, held in self._held.items() if held > most / 2}
            self._held.clear()  # the others may owe a little: what is filled in for these is wanted of all at once

    def wait(self, late: Sequence[int], now: float) -> Sequence[int]:
        """Return which voices to wait for, of those that owe sound for what is mixed next; where none, mix it.

        Args:
            late: They.
            now: When: the same as to `want`.
        """
        if self._late_since is None:
            self._late_since = now
        if self._dry and self._blamed:
            self._blamed.update(voice for voice in late if self._held.get(voice, 0.0) > self._limit)
        in_time = now - self._late_since <= self._limit
        self._late = [voice for voice in late if voice not in self._blamed] if in_time else ()
        return self._late

    def served(self) -> None:
        """What is next is mixed: what was owed for it has come, or is filled in."""
        self._late_since, self._late = None, ()

    def blames(self, voice: int) -> bool:
        """Whether that is one which holds up the mix again and again."""
        return voice in self._blamed

    def satisfied(self) -> None:
        """As much is mixed as is wanted."""
        self.served()
        self._begin = None
        self._held.clear()
        self._blamed.clear()

    def forget(self, voice: int) -> None:
        """Another voice goes by that number now."""
        self._held.pop(voice, None)
        self._blamed.discard(voice)

    def left(self, now: float) -> float:
        """Return after how many seconds to look again, if nothing is heard before; infinity where nobody is late."""
        return math.inf if self._late_since is None else min(LOOK, max(0.0, self._late_since + self._limit - now))
