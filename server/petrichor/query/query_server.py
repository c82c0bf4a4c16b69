"""The query process: HTTP and WebSocket on one port, an OSC client towards the server. One thread, asyncio.

A WebSocket client that reads slowly has each address's latest value waiting at most once; it slows nobody. A page of
another host is refused, for a browser would let it play this server.

Reference: https://github.com/Vidvox/OSCQueryProposal
"""

from __future__ import annotations

import asyncio
import http
import json
import logging
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from petrichor import __version__
from petrichor.errors import MessageError
from petrichor.osc import LARGEST, encode, parse_datagram
from petrichor.query.address_space import ATTRIBUTES, AddressSpace
from petrichor.query.advertisement import advertised
from petrichor.query.query_process import Listening, QueryOptions, Refused

log = logging.getLogger(__name__)
RENEWAL = 10.0  # seconds after which all values are asked for again: a datagram may be lost
SETTLED = 0.1  # seconds without news of voices, after which it is told what has come and gone
PARENT = 0.5  # seconds between two looks at whether the server is still there
MOST = 32  # WebSocket clients at once
STALLED = 10.0  # seconds that a client may leave what it is sent unread
NODES = ("ACCESS", "VALUE", "RANGE", "CLIPMODE", "UNIT", "DESCRIPTION")
EXTENSIONS = (*NODES, "LISTEN", "PATH_CHANGED", "PATH_ADDED", "PATH_REMOVED")
LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")


class Listener:
    """One WebSocket client: what it listens to, and what waits to be sent to it."""

    def __init__(self, connection: ServerConnection) -> None:
        """Listen to nothing."""
        self.paths: set[str] = set()
        self._connection = connection
        self._waiting: dict[str, bytes | str] = {}  # address → the latest; texts by themselves
        self._news = asyncio.Event()

    def put(self, key: str, data: bytes | str) -> None:
        """Let something be sent as soon as the client reads; what waits under the same key is out of date."""
        self._waiting.pop(key, None)
        self._waiting[key] = data
        self._news.set()

    async def send_all(self) -> None:
        """Send what comes, for ever; a client that has stopped reading is let go."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                data = self._waiting.pop(next(iter(self._waiting)))
                await asyncio.wait_for(self._connection.send(data), STALLED)


class QueryServer:
    """Answers queries.

    Args:
        options: See `QueryOptions`.
    """

    def __init__(self, options: QueryOptions) -> None:
        """Know nothing yet."""
        self.space = AddressSpace()
        self._options = options
        self._listeners: set[Listener] = set()
        self._shape: dict[str, tuple[object, ...]] = {}
        self._link: asyncio.DatagramTransport | None = None
        self._voice: asyncio.DatagramTransport | None = None  # what clients send goes out by another socket
        self._settling: asyncio.TimerHandle | None = None
        self._key: int | None = None

    async def open(self) -> Server:
        """Join the server, and listen.

        Raises:
            OSError: The port cannot be bound.
        """
        loop = asyncio.get_running_loop()
        host = "127.0.0.1" if self._options.host == "0.0.0.0" else self._options.host
        server = (host, self._options.osc_port)
        self._link, _ = await loop.create_datagram_endpoint(lambda: _Ear(self._hear), remote_addr=server)
        self._voice, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=server)
        self.subscribe()
        return await serve(
            self._meet,
            self._options.host,
            self._options.port,
            process_request=self._answer,
            max_size=LARGEST,
            compression=None,
        )

    def subscribe(self) -> None:
        """Ask the server to be told of all values and changes."""
        if self._link is not None:
            key = () if self._key is None else (self._key,)
            self._link.sendto(encode("/notify", 1, *key))

    def host_info(self, port: int) -> dict[str, Any]:
        """Return what HOST_INFO tells."""
        return {
            "NAME": f"Petrichor {__version__}",
            "OSC_IP": self._options.host,
            "OSC_PORT": self._options.osc_port,
            "OSC_TRANSPORT": "UDP",
            "WS_IP": self._options.host,
            "WS_PORT": port,
            "EXTENSIONS": dict.fromkeys(EXTENSIONS, True),
        }

    def _hear(self, datagram: bytes) -> None:
        """Take what the server tells."""
        try:
            messages = parse_datagram(datagram)
        except MessageError:
            return
        for message in messages:
            if message.address == "/key" and message.args:
                self._key = int(str(message.args[0]))
                self.subscribe()
                continue
            if message.address.endswith("/loaded") and self._link is not None:
                self._link.sendto(encode(message.address.removesuffix("loaded") + "direction/*", "?"))
            for address in self.space.hear(message):
                self._tell(address)
            if not message.address.endswith("/level"):
                self._settle_later()

    def _tell(self, address: str) -> None:
        args = self.space.value_of(address)
        for listener in self._listeners:
            if address in listener.paths and args is not None:
                listener.put(address, encode(address, *args))

    def _settle_later(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLED, self._settle)

    def _settle(self) -> None:
        """Tell which voices have come, gone, or become others."""
        before, self._shape = self._shape, self.space.shape()
        for name in {**before, **self._shape}:
            command = "PATH_REMOVED" if name not in self._shape else "PATH_ADDED" if name not in before else ""
            if not command and before[name] != self._shape[name]:
                command = "PATH_CHANGED"
            if command:
                text = json.dumps({"COMMAND": command, "DATA": f"/{name}"})
                for listener in self._listeners:
                    listener.put(f"{command} {name}", text)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request by HTTP; None where it asks for a WebSocket, and may."""
        if "websocket" in request.headers.get("Upgrade", "").lower():
            return self._refusal(request.headers)
        url = urlsplit(request.path)
        attribute = url.query.partition("&")[0].partition("=")[0]
        if attribute == "HOST_INFO":
            return _response(http.HTTPStatus.OK, self.host_info(connection.local_address[1]))
        return _response(*self._describe(unquote(url.path), attribute))

    def _refusal(self, headers: Headers) -> Response | None:
        origin = headers.get("Origin")
        if origin is not None and not _same_host(origin, headers.get("Host", "")):
            return _response(http.HTTPStatus.FORBIDDEN, {"ERROR": f"pages of {origin} may not play this server"})
        if len(self._listeners) >= MOST:
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, {"ERROR": f"{MOST} clients are there already"})
        return None

    def _describe(self, path: str, attribute: str) -> tuple[http.HTTPStatus, object]:
        """Return the status and the body for a node, or for one attribute of it."""
        node = self.space.node(path)
        if node is None:
            return http.HTTPStatus.NOT_FOUND, {"ERROR": f"there is nothing at {path[:200]}"}
        if attribute and attribute not in ATTRIBUTES:
            expected = ", ".join((*ATTRIBUTES, "HOST_INFO"))
            return http.HTTPStatus.BAD_REQUEST, {"ERROR": f"got {attribute[:40]}, expected {expected}"}
        if attribute and attribute not in node:
            return http.HTTPStatus.NO_CONTENT, None
        return http.HTTPStatus.OK, {attribute: node[attribute]} if attribute else node

    async def _meet(self, connection: ServerConnection) -> None:
        """Serve one WebSocket client until it goes."""
        listener = Listener(connection)
        self._listeners.add(listener)
        sender = asyncio.create_task(listener.send_all())
        sender.add_done_callback(lambda task: _let_go(task, connection))
        try:
            async for data in connection:
                self._obey(listener, data)
        except ConnectionClosed:
            pass
        finally:
            self._listeners.discard(listener)
            sender.cancel()

    def _obey(self, listener: Listener, data: str | bytes) -> None:
        """Take one message of a client: a command, or an OSC packet for the server."""
        if isinstance(data, bytes):
            if self._voice is not None:
                self._voice.sendto(data)  # the server checks it as it checks everybody's
            return
        try:
            command = json.loads(data)
            kind, path = command["COMMAND"], str(command["DATA"])
        except (ValueError, TypeError, KeyError):
            listener.put("error", json.dumps({"ERROR": f"got {data[:80]!r}, expected COMMAND and DATA"}))
            return
        args = self.space.value_of(path)
        if kind == "LISTEN" and args is not None:
            listener.paths.add(path)
            listener.put(path, encode(path, *args))  # what it is now: whoever listens shows that
        elif kind == "IGNORE":
            listener.paths.discard(path)
        else:
            reason = (
                f"{path[:200]} has no value" if kind == "LISTEN" else f"got {str(kind)[:40]}, expected LISTEN or IGNORE"
            )
            listener.put("error", json.dumps({"ERROR": reason}))


class _Ear(asyncio.DatagramProtocol):
    """Gives every datagram to a function."""

    def __init__(self, hear: Any) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """See `asyncio.DatagramProtocol`."""
        self._hear(data)

    def error_received(self, exc: Exception) -> None:
        """See `asyncio.DatagramProtocol`: the server may not be there yet; it is asked again."""


async def serve_queries(options: QueryOptions, report: Connection) -> None:
    """Serve until the server is gone.

    Args:
        options: See `QueryOptions`.
        report: Where `Listening` or `Refused` is sent.
    """
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # it would tell of every request that is none
    query = QueryServer(options)
    try:
        server = await query.open()
    except OSError as error:
        report.send(Refused(error.strerror or str(error)))
        return
    port = int(next(iter(server.sockets)).getsockname()[1])
    report.send(Listening(port, False))
    async with server, advertised(options.host, port, options.osc_port) as told:
        if told:
            report.send(Listening(port, True))
        parent, looks = multiprocessing.parent_process(), 0
        while parent is None or parent.is_alive():
            await asyncio.sleep(PARENT)
            looks += 1
            if looks * PARENT % RENEWAL == 0:
                query.subscribe()


def _let_go(task: asyncio.Task[None], connection: ServerConnection) -> None:
    """Close the connection of a client that has stopped reading."""
    if not task.cancelled() and task.exception() is not None:
        connection.transport.abort()


def _same_host(origin: str, host: str) -> bool:
    """Whether a page comes from this machine, or from the host that it asks."""
    theirs = urlsplit(origin).hostname or ""
    return theirs in LOCAL or theirs == urlsplit(f"//{host}").hostname


def _response(status: http.HTTPStatus, body: object) -> Response:
    data = b"" if body is None else json.dumps(body).encode()
    headers = Headers([("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    return Response(status.value, status.phrase, headers, data)
