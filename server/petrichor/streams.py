"""All subscribers of the sound stream: the protocol without sockets and without a clock.

Owned by the audio process, whose loop alone calls it: it hands in each datagram of the stream socket and
the time, and sends what it is given back. See `petrichor.stream_protocol` for the messages.

The subscriber that is furthest ahead leads: `demand` says how far the mix is wanted. The others read the same
timeline behind it, and one that falls more than 0.25 s behind is moved up.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from petrichor.errors import MessageError
from petrichor.guard import trusted
from petrichor.stream_protocol import (
    Pull,
    Request,
    ScsynthTarget,
    Subscribe,
    Unsubscribe,
    message,
    read_request,
)
from petrichor.subscriber import Subscriber
from petrichor.timeline import Readable

logger = logging.getLogger(__name__)

EXPIRES_AFTER = 3.0  # s without a pull
PAUSED_AFTER = 1.0  # s without a pull; one that has stopped playing must not hold up the mix until it expires
MOST_SUBSCRIBERS = 32
LARGEST_RATIO = 8  # of a subscriber's sample rate and the server's, either way
TOKENS = 1 << 23  # below 2^24, so that a 32-bit float holds it
ANSWERS = (
    "/subscribed",
    "/expired",
    "/fail",
    "/block",
)  # never answered, or two servers could answer each other for ever

Address = tuple[str, int]
Outgoing = list[tuple[bytes, Address]]


@dataclass(frozen=True)
class SubscriberStatus:
    """What is known of one subscriber.

    Attributes:
        address: Where its requests come from.
        format: "f32" or "scsynth".
        rate: Its sample rate, Hz.
        channels: 1 or 2.
        fill: Frames it wants to hold.
        underruns: Blocks it had to leave silent, as it counts them.
        resends: Losses repaired.
        jumps: How often it was moved up to the head of the mix.
    """

    address: Address
    format: str
    rate: int
    channels: int
    fill: int
    underruns: int
    resends: int
    jumps: int


@dataclass(frozen=True)
class _Subscription:
    """A subscriber and its addresses; one per source and target, as a sclang may run several players."""

    source: Address
    destination: Address
    subscriber: Subscriber

    @property
    def key(self) -> tuple[Address, ScsynthTarget | None]:
        """What no two subscriptions that play have in common."""
        return self.source, self.subscriber.request.target


class Subscribers:
    """Every subscription, by token.

    Args:
        rate: The server's sample rate, Hz.
    """

    def __init__(self, rate: int) -> None:
        """Start with nobody listening."""
        self._rate = rate
        self._by_token: dict[int, _Subscription] = {}
        self._now = 0.0  # as last told

    def receive(self, datagram: bytes, source: Address, now: float, position: int) -> Outgoing:
        """Take in one datagram from the stream socket.

        Args:
            datagram: As it came; anything at all.
            source: Host and port it came from.
            now: Seconds, of any steady clock.
            position: The timeline's position, where a new subscriber starts.

        Returns:
            Small answers and their addresses.
        """
        self._now = now
        try:
            return self._answer(read_request(datagram), source, now, position)
        except MessageError as error:
            if not error.address or error.address.startswith(ANSWERS):
                return []
            return [(message("/fail", error.address[:64], error.reason[:128]), source)]

    def demand(self) -> int | None:
        """Return the timeline position (frames) that the leader needs mixed; None: nobody listens just now."""
        return max((subscriber.demand() for subscriber in self._listening()), default=None)

    def run_dry(self, position: int) -> bool:
        """Return whether one of those that listen holds less than half of what it wants to, with what is mixed.

        Args:
            position: The timeline's, in frames.
        """
        return any(subscriber.runs_dry(position) for subscriber in self._listening())

    def blocks(self, timeline: Readable, now: float) -> Outgoing:
        """Return the sound that can be sent now, a bounded number of datagrams for each subscriber.

        Args:
            timeline: The mix.
            now: Seconds, of the clock that `receive` sees.
        """
        self._now = now
        return [
            (datagram, each.destination)
            for each in self._active()
            for datagram in each.subscriber.blocks(timeline, now)
        ]

    def expire(self, now: float) -> None:
        """Forget the subscribers that have been silent for too long."""
        self._now = now
        for token, each in list(self._by_token.items()):
            if now - each.subscriber.last_heard > EXPIRES_AFTER:
                self._forget(token, f"silent for {EXPIRES_AFTER:.0f} s")

    def hold(self) -> float:
        """Return for how many seconds the one that holds least can play on without a block; infinity where none is."""
        requests = [each.subscriber.request for each in self._active()]
        return min(((request.fill - request.block) / request.rate for request in requests), default=math.inf)

    def status(self) -> list[SubscriberStatus]:
        """Return what is known of each subscriber that has pulled."""
        return [_status(each) for each in self._active()]

    def _listening(self) -> Iterator[Subscriber]:
        since = self._now - PAUSED_AFTER
        return (each.subscriber for each in self._active() if each.subscriber.last_heard >= since)

    def _active(self) -> list[_Subscription]:
        return [each for each in self._by_token.values() if each.subscriber.pulled]

    def _answer(self, request: Request, source: Address, now: float, position: int) -> Outgoing:
        if isinstance(request, Subscribe):
            return [(self._subscribe(request, source, now, position), source)]
        known = self._by_token.get(request.token)
        if known is None or known.source != source:
            return [(message("/expired", request.token), source)] if isinstance(request, Pull) else []
        if isinstance(request, Unsubscribe):
            self._forget(request.token, "unsubscribed")
        else:
            first = not known.subscriber.pulled
            known.subscriber.pull(request, now)
            if first:
                self._forget_like(request.token, known, pulled=True)
        return []

    def _subscribe(self, request: Subscribe, source: Address, now: float, position: int) -> bytes:
        if not self._rate / LARGEST_RATIO <= request.rate <= self._rate * LARGEST_RATIO:
            raise MessageError(
                "/subscribe", f"rate is {request.rate}, expected within {LARGEST_RATIO} x {self._rate} Hz"
            )
        target = request.target
        destination = source if target is None else (source[0], target.port)
        new = _Subscription(source, destination, Subscriber(request, self._rate, position, now))
        token = self._new_token()
        self._forget_like(token, new, pulled=trusted(source))
        self._make_room()
        self._by_token[token] = new
        logger.info("%s:%d subscribed (%s, %d Hz, fill %d)", *source, request.format, request.rate, request.fill)
        more = () if target is None else (target.port, target.buffer)
        return message("/subscribed", token, request.rate, request.channels, request.block, request.fill, *more)

    def _forget_like(self, token: int, new: _Subscription, pulled: bool) -> None:
        """Forget what a subscription replaces: one that plays only once the new one does, or anybody could end it.

        On this machine nobody is in doubt, and the old one must send no more into what a patch has made ready anew.
        """
        for other, each in list(self._by_token.items()):
            if other != token and each.key == new.key and each.subscriber.pulled <= pulled:
                self._forget(other, "subscribed anew")

    def _make_room(self) -> None:
        """Where there are too many, forget the first that has never pulled, as its address may be forged."""
        if len(self._by_token) < MOST_SUBSCRIBERS:
            return
        silent = next((token for token, each in self._by_token.items() if not each.subscriber.pulled), None)
        if silent is None:
            raise MessageError("/subscribe", f"{MOST_SUBSCRIBERS} subscribers already")
        self._forget(silent, "never pulled, and others want its place")

    def _new_token(self) -> int:
        while (token := 1 + secrets.randbelow(TOKENS - 1)) in self._by_token:
            pass
        return token

    def _forget(self, token: int, reason: str) -> None:
        logger.info("%s:%d leaves: %s", *self._by_token.pop(token).source, reason)


def _status(subscription: _Subscription) -> SubscriberStatus:
    subscriber = subscription.subscriber
    request = subscriber.request
    return SubscriberStatus(
        subscription.source,
        request.format,
        request.rate,
        request.channels,
        request.fill,
        subscriber.underruns,
        subscriber.resends,
        subscriber.jumps,
    )
