"""Who may ask how much: message rates and complaints, by source. Each process that reads datagrams owns its own.

A source is a host and port. Every datagram costs one token, large ones more; a source that has none left is not
listened to until it has again. Where more comes than can be read, the source that most of it comes from floods: it is
better not read at all for a while (see `deafness`), so that it pushes nobody else's datagrams out of the queue.
Complaints have tokens of their own: a flood of nonsense is neither answered nor logged line by line.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from petrichor.osc import Address

SOURCES = 1024  # remembered; the one longest silent is forgotten
BURST = 2.0  # seconds of its rate that a source may send at once
SIZE = 1024  # bytes that cost one token more
OVERLOAD = 0.25  # seconds in which the queue is never empty, after which somebody is looked for who floods
SHARE = 0.5  # of its rate, that a source must have used in that time to be the one
PAUSES = (1.0, 8.0)  # seconds that a source which floods is not read: at first, and at most
COMPLAINTS = 20.0  # in a second, of one source
LOOPBACK = "127."


class Allowance:
    """How often something costly may be done.

    Args:
        rate: Times in a second.
        burst: Times at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        """Start with the whole burst."""
        self._rate, self._burst = rate, burst
        self._left, self._seen = burst, 0.0

    def take(self, now: float) -> bool:
        """Whether it may be done once more, at a time of any steady clock in seconds."""
        self._left = min(self._burst, self._left + max(0.0, now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class _Source:
    tokens: float
    complaints: Allowance
    seen: float
    refused: int = 0  # datagrams since the last admitted one
    read: int = 0  # datagrams in the spell below
    spell: int = 0  # between two moments when the queue was empty
    pause: float = 0.0  # seconds that it was last not read for
    paused: float = 0.0  # when that began


class Guard:
    """Counts what every source sends.

    Args:
        rate: Tokens in a second that a source may use; 0 for no limit.

    Attributes:
        rate: As given.
        refused: Datagrams that were read and not listened to, since the start.
    """

    def __init__(self, rate: float) -> None:
        """Start with no source known."""
        self.refused = 0
        self.rate = rate
        self._full_since = float("-inf")
        self._spell = 0
        self._sources: OrderedDict[Address, _Source] = OrderedDict()

    def admit(self, source: Address, size: int, now: float) -> bool:
        """Whether to listen to a datagram.

        Args:
            source: Where it came from.
            size: Its bytes.
            now: Seconds, of any steady clock.
        """
        known = self._known(source, now)
        if known.spell != self._spell:
            known.spell, known.read = self._spell, 0
        known.read += 1
        if not self.rate:
            return True
        if known.tokens < 1:
            known.refused += 1
            self.refused += 1
            return False
        known.tokens -= 1 + size // SIZE
        return True

    def emptied(self, now: float) -> None:
        """Take note that all that had come was read."""
        self._full_since = now
        self._spell += 1

    def flooder(self, now: float) -> tuple[Address, float] | None:
        """Return who sends more than can be read, and the seconds not to read it for; None where nobody does."""
        passed = now - self._full_since
        if not self.rate or passed < OVERLOAD:
            return None
        read = {source: known.read for source, known in self._sources.items() if known.spell == self._spell}
        self.emptied(now)  # begin anew, whoever it was
        source = max(read, key=read.__getitem__, default=None)
        if source is None or read[source] <= SHARE * self.rate * passed:
            return None
        known = self._sources[source]
        first, most = PAUSES
        again = known.pause and now - known.paused < 2 * known.pause + 1
        known.pause = min(most, 2 * known.pause) if again else first
        known.paused = now
        known.tokens = -known.pause * self.rate  # nothing saved up meanwhile
        return source, known.pause

    def charge(self, source: Address, messages: int) -> None:
        """Let a source pay for the messages of its bundle beyond the first."""
        if source in self._sources and self.rate:
            self._sources[source].tokens -= max(0, messages - 1)

    def take_refused(self, source: Address) -> int:
        """Return how many datagrams of a source were refused since it was last asked."""
        known = self._sources.get(source)
        if known is None:
            return 0
        count, known.refused = known.refused, 0
        return count

    def may_complain(self, source: Address, now: float) -> bool:
        """Whether one more complaint about a source may be answered and logged."""
        return self._known(source, now).complaints.take(now)

    def _known(self, source: Address, now: float) -> _Source:
        known = self._sources.get(source)
        if known is None:
            known = self._sources[source] = _Source(BURST * self.rate, Allowance(COMPLAINTS, COMPLAINTS), now)
            if len(self._sources) > SOURCES:
                self._sources.popitem(last=False)
            return known
        self._sources.move_to_end(source)
        passed = max(0.0, now - known.seen)
        known.tokens = min(BURST * self.rate, known.tokens + passed * self.rate)
        known.seen = now
        return known


def trusted(source: Address) -> bool:
    """Whether a source is this machine: it cannot be forged from outside."""
    return source[0].startswith(LOOPBACK)
