"""When messages act: at once, at their time, or at their sample. Owned by the control process.

A message of a bundle with a future timetag waits. One that changes a parameter is sent on a little ahead of its time,
as a cue for the frame that will be mixed then; any other (a load, a recording) is obeyed when its time comes. What
belongs to one datagram, or is due at one time, is published at one go.
"""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from petrichor.clock import SampleClock
from petrichor.errors import MessageError
from petrichor.osc import Address, Message
from petrichor.schedule import Schedule

LEAD = 0.25  # seconds ahead of its time that a cue is sent on: more than the bursts in which the mix is made
PAST = 0.25  # seconds after which a recording begins now, not with what was mixed then
LATE = 0.001  # seconds after its timetag from which a message counts as late
EXACT = 0.001  # seconds of clock offset that are taken for none: both clocks are of one machine, or well kept
MAX_HOSTS = 256  # whose clock offsets are remembered
READINGS = 8  # of a host's clock; the least delayed counts
AT_ONCE = frozenset({"/clock"})  # whose timetag is what they tell, not when they act


class Obeys(Protocol):
    """Obeys a message."""

    def __call__(self, message: Message, sender: Address, position: int | None) -> float:
        """Obey at once, or at a frame of the mix; return by how many seconds that frame was past, or 0."""


class Conductor:
    """Keeps the time.

    Args:
        clock: Timetags to frames.
        obey: Obeys a message.
        cueable: Whether a message can be sent on as a cue.
        refuse: Told of what cannot wait: (error, sender).
        publish: Sends what was obeyed.
        late: Told of messages that came too late: (address, seconds).
        shifted: Told by how many seconds a phrase was shifted, as the mix stood still or a clock was set.
        wall: The time of day, in Unix seconds.
    """

    def __init__(
        self,
        clock: SampleClock,
        obey: Obeys,
        cueable: Callable[[Message], bool],
        refuse: Callable[[MessageError, Address], None],
        publish: Callable[[], None],
        late: Callable[[str, float], None],
        shifted: Callable[[float], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start with nothing waiting."""
        self._clock = clock
        self._obey, self._cueable, self._refuse = obey, cueable, refuse
        self._publish, self._late, self._shifted = publish, late, shifted
        self._wall = wall
        self._schedule: Schedule[tuple[Message, Address]] = Schedule()
        self._readings: OrderedDict[str, deque[float]] = OrderedDict()  # host → its clock's offset, a few times

    @property
    def waiting(self) -> int:
        """How many messages wait for their time."""
        return len(self._schedule)

    @property
    def patience(self) -> float | None:
        """Seconds until the next message is due, or None."""
        due = self._schedule.next_time
        return None if due is None else max(0.0, due - self._wall())

    def take(self, messages: Sequence[Message], sender: Address) -> None:
        """Take the messages of one datagram."""
        now = self._wall()
        for message in messages:
            if message.time is None or message.address in AT_ONCE:
                self._obey(message, sender, None)
            else:
                self._take_timed(message, sender, message.time + self.offset_of(sender[0]), now)
        self._publish()

    def due(self, busy: bool) -> None:
        """Send on or obey what is due.

        Args:
            busy: Whether cues are on their way.
        """
        if shift := self._clock.follow(busy or len(self._schedule) > 0):
            self._shifted(shift)
        if self.patience == 0.0:
            for _, (message, sender) in self._schedule.due(self._wall()):
                self._act(message, sender)
            self._publish()

    def position_at(self, time_of_day: float) -> int | None:
        """Return the frame of the mix that is mixed at a Unix time; None before its begin or where that is past."""
        past = self._wall() - time_of_day > PAST
        return self._clock.position_at(time_of_day) if self._clock.known and not past else None

    def clear(self) -> int:
        """Forget what waits; return how much that was."""
        return self._schedule.clear()

    def read_clock(self, host: str, told: float) -> float:
        """Learn from a message that came just now at what time of its host it was sent.

        Args:
            host: Where it came from.
            told: The host's time of day, in Unix seconds.

        Returns:
            By how many seconds the host's clock is behind ours, as far as is known now.
        """
        readings = self._readings.setdefault(host, deque(maxlen=READINGS))
        readings.append(self._wall() - told)
        self._readings.move_to_end(host)
        if len(self._readings) > MAX_HOSTS:
            self._readings.popitem(last=False)
        return self.offset_of(host)

    def offset_of(self, host: str) -> float:
        """Return by how many seconds a host's clock is behind ours, or 0 where it has never told its time."""
        offset = min(self._readings.get(host, (0.0,)))  # what is more was delayed on its way
        return offset if abs(offset) > EXACT else 0.0

    def _take_timed(self, message: Message, sender: Address, at: float, now: float) -> None:
        message = dataclasses.replace(message, time=at)
        due = at - LEAD if self._cueable(message) else at
        if at <= now:
            self._obey(message, sender, None)
            if now - at > LATE:
                self._late(message.address, now - at)
        elif due <= now:
            self._act(message, sender)
        else:
            try:
                self._schedule.add(due, (message, sender), now, sender, _size(message))
            except MessageError as error:
                self._refuse(MessageError(message.address, error.reason), sender)

    def _act(self, message: Message, sender: Address) -> None:
        assert message.time is not None, "only timed messages wait"
        if not (self._cueable(message) and self._clock.known):
            self._obey(message, sender, None)
            return
        past = self._obey(message, sender, self._clock.position_at(message.time))
        if past > LATE:
            self._late(message.address, past)


def _size(message: Message) -> int:
    """Return the bytes that a message takes while it waits, about."""
    return 300 + sum(40 + (len(arg) if isinstance(arg, str | bytes) else 0) for arg in message.args)
