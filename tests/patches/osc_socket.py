"""A UDP socket that understands OSC: what a patch sends, as address and arguments."""

from __future__ import annotations

import socket

from pythonosc.osc_message import OscMessage

from tests.patches.process import wait_for


class OscSocket:
    """Receives and answers OSC messages on a port of 127.0.0.1.

    Args:
        port: 0 picks a free one.

    Attributes:
        port: That port.
        received: Every message read so far, as (address, arguments).
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.received: list[tuple[str, list[object]]] = []
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> OscSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self) -> list[tuple[str, list[object]]]:
        """Read what has come, and return everything received so far."""
        while True:
            try:
                datagram, self._last = self._socket.recvfrom(65536)
            except BlockingIOError:
                return self.received
            message = OscMessage(datagram)
            self.received.append((message.address, list(message.params)))

    def wait(self, address: str, timeout: float = 30) -> list[object]:
        """Return the arguments of the first message to `address`."""
        wait_for(
            lambda: any(each[0] == address for each in self.read()), timeout, lambda: f"{address} in {self.received}"
        )
        return next(arguments for each, arguments in self.received if each == address)

    def answer(self, datagram: bytes) -> None:
        """Send to whoever sent the last message."""
        assert self._last
        self._socket.sendto(datagram, self._last)
