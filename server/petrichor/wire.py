"""The control socket: datagrams in, replies out, with manners towards strangers. Owned by the control process.

A stranger (not this machine, not a notified client) is sent nothing larger than what it sent: its address may be
forged, and somebody else's.
"""

from __future__ import annotations

import functools
import logging
import socket
import time
from collections.abc import Iterator, Sequence

from petrichor.clients import Clients
from petrichor.deafness import Deafness
from petrichor.errors import MessageError, OptionError
from petrichor.guard import Guard, trusted
from petrichor.osc import LARGEST, Address, Message, encode, encode_bundle, parse_datagram
from petrichor.printable import printable

log = logging.getLogger(__name__)
wire_in = logging.getLogger("petrichor.osc.in")
wire_out = logging.getLogger("petrichor.osc.out")
QUEUE = 1 << 20  # bytes that may wait to be read; the system may allow less
BUNDLE = 8192  # bytes of messages that go out as one bundle: Pd's [netreceive] reads 65,536
BURST = 256  # datagrams taken between two looks at everything else


class Wire:
    """Receives messages and sends replies.

    Args:
        host: Address to bind.
        port: UDP port; 0 lets the system choose.
        rate: See `Guard`.
        clients: Who is notified.

    Raises:
        OptionError: The port is taken.
    """

    def __init__(self, host: str, port: int, rate: float, clients: Clients) -> None:
        """Bind the socket."""
        self.guard = Guard(rate)
        self._socket = bind(host, port, "--port")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        self._deafness = Deafness(self._socket)
        self._buffer = memoryview(bytearray(LARGEST + 1))
        self._clients = clients
        self._asking: tuple[Address, int] | None = None  # who is being answered, and the bytes it sent

    def fileno(self) -> int:
        """Return the file descriptor, for `select`."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The port, as bound."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def receive(self) -> Iterator[tuple[list[Message], Address]]:
        """Give the messages of each datagram that has come, a bounded number, with its sender."""
        for _ in range(BURST):
            try:
                size, sender = self._socket.recvfrom_into(self._buffer)
            except (BlockingIOError, ConnectionResetError):
                self.guard.emptied(time.monotonic())
                return
            if not self.guard.admit(sender, size, time.monotonic()):
                continue
            datagram = bytes(self._buffer[:size])
            wire_in.debug("%s %.200r", sender, datagram)
            self._asking = (sender, size)
            try:
                self._complain_of_flood(sender)
                messages = parse_datagram(datagram)
                self.guard.charge(sender, len(messages))
                yield messages, sender
            except MessageError as error:
                self.refuse(error, sender)
            finally:
                self._asking = None
        self._turn_from_flood(time.monotonic())

    def look_after(self, now: float) -> None:
        """Listen again to the sources that flooded. Seldom."""
        self._deafness.lift(now)

    def send(self, address: Address, path: str, *args: object) -> None:
        """Send one message to one address; an unreachable one is not our trouble."""
        wire_out.debug("%s %s %s", address, path, args)
        try:
            self._send(encode(path, *args), address)
        except ValueError as error:  # an argument that OSC cannot carry
            log.debug("%s %s: %s", address, path, error)

    def announce(self, path: str, *args: object) -> None:
        """Send one message to every notified client."""
        for client in self._clients.all:
            self.send(client, path, *args)

    def announce_bundle(self, messages: Sequence[tuple[object, ...]]) -> None:
        """Send messages (path, then arguments) as one bundle to every notified client."""
        for client in self._clients.all:
            self.send_bundle(client, messages)

    def send_bundle(self, client: Address, messages: Sequence[tuple[object, ...]]) -> None:
        """Send messages (path, then arguments) as one bundle to one address, or as several where they fill more."""
        parts: list[bytes] = []
        size = 0
        for path, *args in messages:
            part = _encoded(str(path), *args)
            if parts and size + len(part) > BUNDLE:
                self._send(encode_bundle(None, *parts), client)
                parts, size = [], 0
            parts.append(part)
            size += len(part) + 4
        self._send(encode_bundle(None, *parts), client)

    def refuse(self, error: MessageError, sender: Address) -> None:
        """Tell a sender why it is not obeyed, unless it has been told too often."""
        if self.guard.may_complain(sender, time.monotonic()):
            log.warning("from %s:%d: %s", *sender, printable(str(error)))
            self.send(sender, "/fail", error.address or "/", error.reason)

    def _complain_of_flood(self, sender: Address) -> None:
        refused = self.guard.take_refused(sender)
        if refused:
            self.refuse(MessageError("/", f"{refused} datagrams came too fast and were not read"), sender)

    def _turn_from_flood(self, now: float) -> None:
        flooder = self._deafness.turn_from_flood(self.guard, now)
        if flooder is not None:
            (host, port), pause = flooder
            reason = f"more datagrams come than can be read: none from {host}:{port} is for {pause:g} s"
            log.warning("%s", reason)
            self.send((host, port), "/fail", "/", reason)

    def _send(self, datagram: bytes, address: Address) -> None:
        if not (trusted(address) or address in self._clients):
            asked = self._asking[1] if self._asking is not None and self._asking[0] == address else 0
            if len(datagram) > asked:
                wire_out.debug("%s is a stranger who may have %d bytes: %d are not sent", address, asked, len(datagram))
                return
            self._asking = (address, asked - len(datagram))  # all replies together are no larger than what was asked
        try:
            self._socket.sendto(datagram, address)
        except OSError as error:
            log.debug("%s: %s", address, error)


@functools.lru_cache(1024, typed=True)
def _encoded(path: str, *args: object) -> bytes:
    """One message of a bundle: a latent vector that five clients are told of is encoded once."""
    return encode(path, *args)


def bind(host: str, port: int, option: str) -> socket.socket:
    """Return a bound UDP socket that does not block.

    Raises:
        OptionError: The port is taken, or there is no such address.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OptionError(f"{option}: {host}:{port} cannot be bound: {error.strerror}") from error
    sock.setblocking(False)
    return sock
