"""One WebSocket client: what it listens to, what waits to be sent to it, what it has sent itself. Of the query process.

A client that reads slowly has each address's latest value waiting at most once; it slows nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.server import ServerConnection

from petrichor.errors import MessageError
from petrichor.osc import parse_datagram

STALLED = 10.0  # seconds that a client may leave what it is sent unread
PATHS = 16_384  # that a client may listen to: more than 64 voices of 128 coordinates have
OWN = 64  # values of one address that a client may have sent since it was last told of it: the server tells 20 a second
Values = tuple[object, ...]


class Listener:
    """A client that is there.

    Args:
        connection: To it.
        voice: Its own way to the server, which limits what each source sends.

    Attributes:
        paths: The addresses that it listens to.
    """

    def __init__(self, connection: ServerConnection, voice: asyncio.DatagramTransport) -> None:
        """Listen to nothing."""
        self.paths: set[str] = set()
        self._connection, self._voice = connection, voice
        self._waiting: dict[str, bytes | str] = {}  # address → the latest; texts by themselves
        self._own: dict[str, deque[int]] = {}  # address → hashes of what it sent, and the server has not told since
        self._news = asyncio.Event()

    def ignore(self, path: str) -> None:
        """Listen to an address no more."""
        self.paths.discard(path)
        self._own.pop(path, None)

    def put(self, key: str, data: bytes | str) -> None:
        """Let something be sent as soon as the client reads; what waits under the same key is out of date."""
        self._waiting.pop(key, None)
        self._waiting[key] = data
        self._news.set()

    def say(self, datagram: bytes) -> None:
        """Pass an OSC packet of the client on to the server, which checks it as it checks everybody's."""
        self._voice.sendto(datagram)
        try:
            messages = parse_datagram(datagram) if self.paths else []
        except MessageError:
            return
        for message in messages:
            if message.address in self.paths and message.time is None:
                own = self._own.setdefault(message.address, deque(maxlen=OWN))
                if hash(message.args) not in list(own)[-1:]:
                    own.append(hash(message.args))

    def wants(self, address: str, args: Values) -> bool:
        """Whether to tell the client a value: not where it is its own, for a fader being drawn would be fought over.

        What the server tells may be older than what the client has sent last. Another's value ends that.
        """
        if address not in self.paths:
            return False
        own = self._own.pop(address, None)
        if own is None or hash(args) not in own:
            return True
        while own.popleft() != hash(args):
            pass
        if own:
            self._own[address] = own
        return address in self._waiting  # another's, which would be read as the newer

    async def send_all(self) -> None:
        """Send what comes, for ever; a client that has stopped reading is let go.

        Raises:
            TimeoutError: It has.
            ConnectionClosed: It is gone.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                data = self._waiting.pop(next(iter(self._waiting)))
                await asyncio.wait_for(self._connection.send(data), STALLED)
