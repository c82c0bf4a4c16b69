"""The query process: HTTP and WebSocket on one port, an OSC client towards the server. One thread, asyncio.

Reference: https://github.com/Vidvox/OSCQueryProposal
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import multiprocessing
import signal
import socket
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from petrichor import __version__
from petrichor.errors import MessageError
from petrichor.osc import LARGEST, encode, encode_bundle, parse_datagram
from petrichor.query.address_space import ATTRIBUTES, AddressSpace
from petrichor.query.advertisement import ANYWHERE, advertised
from petrichor.query.listener import PATHS, Listener
from petrichor.query.origin import refusal
from petrichor.query.query_process import Listening, QueryOptions, Refused
from petrichor.wire import QUEUE

log = logging.getLogger(__name__)
RENEWAL = 10.0  # seconds after which all values are asked for again: a datagram may be lost
SETTLED = 0.1  # seconds from the first news of voices until it is told what has come and gone
PARENT = 0.5  # seconds between two looks at whether the server is still there
MOST = 32  # WebSocket clients at once
NODES = ("ACCESS", "VALUE", "RANGE", "CLIPMODE", "UNIT", "DESCRIPTION")
EXTENSIONS = (*NODES, "LISTEN", "PATH_CHANGED", "PATH_ADDED", "PATH_REMOVED")


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
        host = "127.0.0.1" if options.host == ANYWHERE else options.host
        self._server = (host, options.osc_port)
        self._settling: asyncio.TimerHandle | None = None
        self._settled = 0  # the changes that were told
        self._stale = False  # a voice has another file now: of what it had, not all may be left
        self._key: int | None = None

    async def open(self) -> Server:
        """Join the server, and listen.

        Raises:
            OSError: The port cannot be bound.
        """
        self._link = await self._way(_Ear(self._hear))
        self._link.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        self.subscribe()
        return await serve(
            self._meet,
            self._options.host,
            self._options.port,
            family=socket.AF_INET,  # as the server's
            process_request=self._answer,
            max_size=LARGEST,
            compression=None,
        )

    def close(self) -> None:
        """Leave the server."""
        if self._settling is not None:
            self._settling.cancel()
        if self._link is not None:
            self._link.close()

    def subscribe(self) -> None:
        """Ask the server to be told of all changes, and of all values: `/pong` comes after the last."""
        if self._link is not None:
            key = () if self._key is None else (self._key,)
            self._link.sendto(encode_bundle(None, encode("/notify", 1, *key), encode("/ping")))

    def host_info(self, address: str, port: int) -> dict[str, Any]:
        """Return what HOST_INFO tells.

        Args:
            address: Of this machine, as the client reached it.
            port: TCP port.
        """
        return {
            "NAME": f"Petrichor {__version__}",
            "OSC_IP": address,
            "OSC_PORT": self._options.osc_port,
            "OSC_TRANSPORT": "UDP",
            "WS_IP": address,
            "WS_PORT": port,
            "EXTENSIONS": dict.fromkeys(EXTENSIONS, True),
        }

    async def _way(self, ear: asyncio.DatagramProtocol) -> asyncio.DatagramTransport:
        """Return a socket of its own towards the server."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: ear, remote_addr=self._server, family=socket.AF_INET
        )
        return transport

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
            if message.address.endswith("/loaded") and self.space.directions(message.address[1:].partition("/")[0]):
                self._stale = True  # new ones are told
            for address in self.space.hear(message):
                self._tell(address)
        if self._stale or self.space.changes != self._settled:
            self._settle_later()

    def _tell(self, address: str) -> None:
        args = self.space.value_of(address)
        wanted = [each for each in self._listeners if args is not None and each.wants(address, args)]
        data = encode(address, *(args or ())) if wanted else b""
        for listener in wanted:
            listener.put(address, data)

    def _settle_later(self) -> None:
        if self._settling is None:  # not put off by what comes meanwhile: in a morph something always does
            self._settling = asyncio.get_running_loop().call_later(SETTLED, self._settle)

    def _settle(self) -> None:
        """Tell which voices have come, gone, or become others."""
        self._settling, self._settled = None, self.space.changes
        if self._stale:
            self._stale = False
            self.subscribe()
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
        reason = refusal(request.headers, self._options.host)
        if reason:
            return _response(http.HTTPStatus.FORBIDDEN, {"ERROR": reason})
        if "websocket" in request.headers.get("Upgrade", "").lower():
            if len(self._listeners) < MOST:
                return None
            return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, {"ERROR": f"{MOST} clients are there already"})
        url = urlsplit(request.path)
        attribute = url.query.partition("&")[0].partition("=")[0]
        if attribute == "HOST_INFO":
            return _response(http.HTTPStatus.OK, self.host_info(*connection.local_address[:2]))
        return _response(*self._describe(unquote(url.path), attribute))

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
        voice = await self._way(asyncio.DatagramProtocol())
        listener = Listener(connection, voice)
        self._listeners.add(listener)
        sender = asyncio.create_task(listener.send_all())
        sender.add_done_callback(lambda task: _let_go(task, connection))
        try:
            async for data in connection:
                if isinstance(data, bytes):
                    listener.say(data)
                else:
                    self._obey(listener, data)
        except ConnectionClosed:
            pass
        finally:
            self._listeners.discard(listener)
            sender.cancel()
            voice.close()

    def _obey(self, listener: Listener, data: str) -> None:
        """Take one command of a client."""
        try:
            command = json.loads(data)
            kind, path = command["COMMAND"], str(command["DATA"])
        except (ValueError, TypeError, KeyError):
            listener.put("error", json.dumps({"ERROR": f"got {data[:80]!r}, expected COMMAND and DATA"}))
            return
        args = self.space.value_of(path)
        if kind == "IGNORE":
            listener.ignore(path)
        elif kind != "LISTEN":
            listener.put("error", json.dumps({"ERROR": f"got {str(kind)[:40]}, expected LISTEN or IGNORE"}))
        elif args is None:
            listener.put("error", json.dumps({"ERROR": f"{path[:200]} has no value"}))
        elif len(listener.paths) >= PATHS:
            listener.put("error", json.dumps({"ERROR": f"{PATHS} paths are listened to already"}))
        else:
            listener.paths.add(path)
            listener.put(path, encode(path, *args))  # what it is now: whoever listens shows that


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
        query.close()
        report.send(Refused(error.strerror or str(error)))
        return
    port = int(next(iter(server.sockets)).getsockname()[1])
    report.send(Listening(port, False))
    async with server, advertised(options.host, port, options.osc_port) as told:
        if told:
            report.send(Listening(port, True))
        ending = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)  # zeroconf has to take its leave
        parent, looks = multiprocessing.parent_process(), 0
        while parent is None or parent.is_alive():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ending.wait(), PARENT)
                return
            looks += 1
            if looks * PARENT % RENEWAL == 0:
                query.subscribe()


def _let_go(task: asyncio.Task[None], connection: ServerConnection) -> None:
    """Close the connection of a client that has stopped reading."""
    if not task.cancelled() and task.exception() is not None:
        connection.transport.abort()


def _response(status: http.HTTPStatus, body: object) -> Response:
    data = b"" if body is None else json.dumps(body).encode()
    headers = Headers([("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    return Response(status.value, status.phrase, headers, data)
