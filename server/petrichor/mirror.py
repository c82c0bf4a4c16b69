"""What notified clients are told of parameters, so that two controllers show the same state. Of the control process.

Whatever changes a value (a message, a cue, a preset, a reload), the values are compared with what was told last, and
only what differs is sent, a few times a second at most. Who set a value is told it only once it rests: a fader that is
being drawn would be fought over, but an older value that he was told may have come to him after he had sent his own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from petrichor.osc import Address

INTERVAL = 0.05  # seconds between two tellings
REST = 0.3  # seconds without another, after which a value rests: far longer than a message is on its way
Values = Mapping[str, tuple[object, ...]]  # address → arguments


class Wire(Protocol):
    """What sends bundles."""

    def send_bundle(self, client: Address, messages: Sequence[tuple[object, ...]]) -> None:
        """Send messages (path, then arguments) as one bundle."""


class Mirror:
    """Tells clients what has changed.

    Args:
        wire: Sends bundles.
        clients: Gives everybody who is notified.
        values: Gives the values of every parameter now, a part (a voice, the master) at a time.
    """

    def __init__(self, wire: Wire, clients: Callable[[], set[Address]], values: Callable[[], Iterator[Values]]) -> None:
        """Start with nothing told."""
        self._wire, self._clients, self._values = wire, clients, values
        self._told: dict[str, tuple[object, ...]] = {}
        self._setters: dict[str, Address | None] = {}  # address → who set it since the last telling; None: several
        self._resting: dict[str, tuple[Address, float]] = {}  # address → who alone has set it, and when he is told it
        self._changed = False
        self._next = 0.0

    @property
    def due(self) -> float | None:
        """Steady clock at which something is to be told, or None."""
        times = [at for _, at in self._resting.values()] + ([self._next] if self._changed else [])
        return min(times, default=None)

    def touch(self) -> None:
        """Take note that values may have changed."""
        self._changed = True

    def forget(self, voice: str) -> None:
        """Take note that a voice is gone: if it comes back, all its values are told."""
        self._told = {address: args for address, args in self._told.items() if not address.startswith(f"/{voice}/")}
        self._changed = True

    def set_by(self, address: str, client: Address | None) -> None:
        """Take note that a client has just set a value, as it meant it; None: nobody who would know of it."""
        self._resting.pop(address, None)
        self._setters[address] = client if self._setters.get(address, client) == client else None
        self._changed = True

    def look(self, now: float) -> None:
        """Tell what has changed or come to rest, if it is time."""
        if self._changed and now >= self._next:
            self._tell_changes(now)
        for address in [address for address, (_, at) in self._resting.items() if at <= now]:
            client, _ = self._resting.pop(address)
            if address in self._told and client in self._clients():
                self._send(client, [(address, *self._told[address])])

    def tell_all(self, client: Address) -> None:
        """Tell a client that is new every value, a voice's in a bundle."""
        for part in self._values():
            self._send(client, [(address, *args) for address, args in part.items()])

    def _tell_changes(self, now: float) -> None:
        self._changed, self._next = False, now + INTERVAL
        setters, self._setters = self._setters, {}
        values = {address: args for part in self._values() for address, args in part.items()}
        # What was set is told even where it is back at what was told: two have set it, and only one knows how it ended.
        changed = [
            (address, args) for address, args in values.items() if self._told.get(address) != args or address in setters
        ]
        self._told = values
        for address, _ in changed:
            self._resting.pop(address, None)  # told to all, unless one alone has set it
        self._resting |= {address: (one, now + REST) for address, one in setters.items() if one is not None}
        if changed:
            for client in self._clients():
                self._send(client, [(address, *args) for address, args in changed if setters.get(address) != client])

    def _send(self, client: Address, messages: list[tuple[object, ...]]) -> None:
        if messages:
            self._wire.send_bundle(client, messages)
