"""The clients that asked to be notified. Owned by the control process."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

from petrichor.guard import trusted
from petrichor.osc import Address

MAX_CLIENTS = 64  # at once; the one longest silent makes room for another
SILENT = 60.0  # seconds without a message, after which a client on another machine is forgotten
KEYS = 1 << 23  # below 2^24, so that Pd's numbers hold a key


class Clients:
    """Addresses, by when they were last heard.

    A client on another machine has to send back a key: its address may be forged, and what is sent to notified
    clients without end would hit somebody else.
    """

    def __init__(self) -> None:
        """Start with nobody."""
        self._heard: OrderedDict[Address, float] = OrderedDict()
        self._secret = secrets.token_bytes(16)

    @property
    def all(self) -> set[Address]:
        """Every client."""
        return set(self._heard)

    def __contains__(self, address: Address) -> bool:
        """Whether an address is notified."""
        return address in self._heard

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._heard)

    def add(self, address: Address, now: float, key: int | None = None) -> bool:
        """Add a client; False where it has to send `key_of` itself first."""
        if not (trusted(address) or address in self._heard or key == self.key_of(address)):
            return False
        self._heard[address] = now
        self._heard.move_to_end(address)
        if len(self._heard) > MAX_CLIENTS:
            self._heard.popitem(last=False)
        return True

    def remove(self, address: Address) -> None:
        """Forget a client."""
        self._heard.pop(address, None)

    def heard(self, address: Address, now: float) -> None:
        """Take note that an address has sent something."""
        if address in self._heard:
            self._heard[address] = now
            self._heard.move_to_end(address)

    def expire(self, now: float) -> None:
        """Forget the clients on other machines that have been silent for too long."""
        for address, heard in list(self._heard.items()):
            if not trusted(address) and now - heard > SILENT:
                del self._heard[address]

    def key_of(self, address: Address) -> int:
        """Return the key of an address."""
        mark = hmac.new(self._secret, f"{address[0]}:{address[1]}".encode(), hashlib.sha256).digest()
        return int.from_bytes(mark[:4], "big") % KEYS
