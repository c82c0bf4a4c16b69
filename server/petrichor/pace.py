"""How fast listeners may drive the mix. Owned by the audio process."""

from __future__ import annotations

from petrichor.stream_protocol import LARGEST_FILL

FASTEST = 1.01  # times real time that subscribers may drive the mix; honest clocks are 0.5 % fast at most
FILLING = LARGEST_FILL / 8000 + 0.5  # seconds beyond that: the largest fill at the lowest rate, and a margin


class Pace:
    """How far subscribers may drive the mix: at the pace of the system's clock, besides what they fill themselves with.

    One that confirms what it has not played, or subscribes again and again, would else take everybody else along.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        """Start with room for the largest fill."""
        self._rate = rate
        self._most = self._room = FILLING * rate
        self._seen: float | None = None
        self._position = 0

    def limit(self, position: int, now: float) -> int:
        """Return the frame up to which they may drive it.

        Args:
            position: That it has come to, whoever drove it.
            now: Seconds, of any steady clock.
        """
        if self._seen is not None:
            earned = FASTEST * self._rate * (now - self._seen)
            self._room = min(self._most, max(0.0, self._room + earned - (position - self._position)))
        self._seen, self._position = now, position
        return position + int(self._room)
