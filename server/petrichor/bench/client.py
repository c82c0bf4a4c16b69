"""An OSC client of one server, over real UDP: for measuring and for tests."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from petrichor.errors import PetrichorError
from petrichor.osc import Message, encode, encode_bundle, parse_datagram

PATIENCE = 30.0  # seconds: far longer than anything takes, even on a busy machine
ASKED_AGAIN = 6.0  # seconds after which what may have been lost is: UDP drops what a full socket cannot take
LEVELS = "/level"  # what the server tells ten times a second, and nobody here waits for
KEPT = 10_000  # messages heard and not asked for yet


class Client:
    """An OSC client.

    Args:
        port: The server's control port on loopback.

    Attributes:
        heard: All that came and was not waited for, but for levels.
    """

    def __init__(self, port: int) -> None:
        """Open a socket."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self.heard: list[Message] = []
        self._settled = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, address: str, *args: object) -> None:
        """Send one message."""
        self.send_raw(encode(address, *args))

    def send_at(self, at: float | None, *messages: tuple[object, ...]) -> None:
        """Send messages (address, then arguments) as a bundle.

        Args:
            at: Unix time at which they should act, or None for at once.
            *messages: The messages.
        """
        self.send_raw(encode_bundle(at, *(encode(str(address), *args) for address, *args in messages)))

    def send_raw(self, datagram: bytes) -> None:
        """Send anything."""
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:  # of an earlier datagram, when there was no server
            self._socket.send(datagram)

    def read(self, patience: float = 0.0) -> None:
        """Read what has come, and wait for something if nothing has."""
        if not select.select([self._socket], [], [], max(0.0, patience))[0]:
            return
        while True:
            try:
                messages = parse_datagram(self._socket.recv(65536))
            except BlockingIOError:
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
                break
            self.heard += [message for message in messages if not message.address.endswith(LEVELS)]
        del self.heard[:-KEPT]

    def wait(self, address: str, where: Callable[[Message], bool] = lambda message: True) -> Message:
        """Return the first reply with that address that `where` accepts; keep the others.

        Raises:
            PetrichorError: None comes.
        """
        return self.wait_any(address, where=where)

    def wait_any(
        self, *addresses: str, where: Callable[[Message], bool] = lambda message: True, patience: float = PATIENCE
    ) -> Message:
        """Return the first reply with one of those addresses that `where` accepts; keep the others.

        Raises:
            PetrichorError: None comes, in so many seconds.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for index, message in enumerate(self.heard):
                if message.address in addresses and where(message):
                    return self.heard.pop(index)
            self.read(deadline - time.monotonic())
        raise PetrichorError(f"no {' or '.join(addresses)} in {patience:.0f} s; heard {self.heard[-20:]}")

    def ask(self, address: str, *args: object, reply: str) -> Message:
        """Send one message and return the first reply of that address."""
        self.read()  # so that there is room for the reply
        self.send(address, *args)
        return self.wait(reply)

    def settle(self) -> None:
        """Wait until all that was sent before is done.

        Raises:
            PetrichorError: The server does not answer, however often it is asked.
        """
        self._settled += 1
        number, end = self._settled, time.monotonic() + PATIENCE
        while True:
            self.read()
            self.send("/sync", number)
            try:
                self.wait_any("/synced", where=lambda message: message.args == (number,), patience=ASKED_AGAIN)
                break
            except PetrichorError:
                if time.monotonic() > end:
                    raise
