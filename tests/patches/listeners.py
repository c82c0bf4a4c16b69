"""Who listens to a server by OSCQuery: one reads what it is sent, another never does, until the end."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import struct
from collections.abc import Sequence

from websockets.sync.client import connect

from petrichor.osc import parse_datagram

SMALL = 2048  # bytes of a buffer that is soon full
QUIET = 0.05  # seconds without news, after which everything that was on its way is read
_UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
)
Values = dict[str, float]  # of addresses


class Listener:
    """A WebSocket client that reads.

    Args:
        port: Of OSCQuery.
        addresses: What it listens to.
    """

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self._latest: Values = {}
        self._resources = contextlib.ExitStack()
        self._client = self._resources.enter_context(connect(f"ws://127.0.0.1:{port}"))
        for address in addresses:
            self._client.send(_command(address))

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def heard(self) -> Values:
        """Read what has come, and return what was heard last of each address."""
        with contextlib.suppress(TimeoutError):
            while True:
                _keep(self._latest, self._client.recv(timeout=0.01))
        return self._latest


class SlowListener:
    """A WebSocket client that reads nothing before it is asked what it has heard, and has little room for it.

    Args:
        port: Of OSCQuery.
        addresses: What it listens to.
    """

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self._latest: Values = {}
        self._data = b""
        self._begun = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(_UPGRADE.format(base64.b64encode(os.urandom(16)).decode()).encode())
        for text in map(_command, addresses):
            head = struct.pack(">BBI", 0x81, 0x80 | len(text), 0)  # a whole text, masked by zeros: RFC 6455, 5.2
            self._socket.sendall(head + text.encode())

    def __enter__(self) -> SlowListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def heard(self) -> Values:
        """Read what there is, and return what was heard last of each address."""
        while select.select([self._socket], [], [], QUIET)[0]:
            piece = self._socket.recv(65536)
            assert piece, "it was let go"
            self._data += piece
        if not self._begun:
            answer, _, self._data = self._data.partition(b"\r\n\r\n")
            assert b" 101 " in answer, answer
            self._begun = True
        while self._data:
            kind, size = self._data[:2]
            assert size < 126, "values and what is told of voices are short"
            if kind == 0x82:
                _keep(self._latest, self._data[2 : 2 + size])
            self._data = self._data[2 + size :]
        return self._latest


def _command(address: str) -> str:
    return json.dumps({"COMMAND": "LISTEN", "DATA": address})


def _keep(values: Values, data: str | bytes) -> None:
    if isinstance(data, bytes):  # a text tells of voices that come and go
        (message,) = parse_datagram(data)
        values[message.address] = float(str(message.args[0]))
