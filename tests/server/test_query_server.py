"""OSCQuery: its server in this process, towards a socket that is the real one's; names, advertisement, restarts."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from itertools import pairwise
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_here
from websockets.datastructures import Headers

from petrichor.osc import Message, encode, parse_datagram
from petrichor.query import listener as listener_module
from petrichor.query import query_host, query_server
from petrichor.query.advertisement import advertised
from petrichor.query.origin import refusal
from petrichor.query.query_host import QueryHost
from petrichor.query.query_process import Listening, QueryOptions
from petrichor.query.query_server import QueryServer
from petrichor.wire import QUEUE
from tests.live_server import TIMEOUT
from tests.server.query_parts import is_value


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("127.0.0.1:9002", None, True),
        ("localhost", "http://localhost:8080", True),
        ("[::1]:9002", "http://[::1]", True),
        ("192.168.1.5:9002", "http://192.168.1.5", True),
        ("studio.local:9002", "http://studio.local:9002", True),
        ("STUDIO:9002", "http://127.0.0.1", True),
        ("stage.example:9002", "http://stage.example:9002", True),
        (None, None, True),
        ("evil.example:9002", "http://evil.example:9002", False),
        ("evil.example:9002", None, False),
        ("127.0.0.1:9002", "http://evil.example", False),
        ("127.0.0.1:9002", "null", False),
        (None, "null", False),
        ("[", "http://[", False),
    ],
)
def test_only_names_of_this_machine_are_answered(
    host: str | None, origin: str | None, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another name leads to, its owner says, and a page from there would be of the same host."""
    monkeypatch.setattr(socket, "gethostname", lambda: "studio.lan")
    headers = Headers({name: value for name, value in (("Host", host), ("Origin", origin)) if value is not None})
    assert (refusal(headers, "stage.example") == "") == allowed


def serving(test: Callable[[QueryServer, int, socket.socket], Awaitable[None]], host: str = "127.0.0.1") -> None:
    """Run a query server in this process, towards a socket that stands for the server."""

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            query = QueryServer(QueryOptions(host, 0, server.getsockname()[1]))
            try:
                async with await query.open() as listening:
                    next(iter(listening.sockets)).setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                    await asyncio.wait_for(test(query, next(iter(listening.sockets)).getsockname()[1], server), TIMEOUT)
            finally:
                query.close()

    asyncio.run(run())


def tell(query: QueryServer, address: str, *args: object) -> None:
    query._hear(encode(address, *args))


async def until(client: AsyncConnection, want: Callable[[Any], bool]) -> list[Any]:
    """What comes up to the first that is wanted."""
    got: list[Any] = []
    while not got or not want(got[-1]):
        data = await client.recv()
        got.append(parse_datagram(data)[0] if isinstance(data, bytes) else json.loads(data))
    return got


async def listening_to(client: AsyncConnection, *paths: str) -> None:
    for path in paths:
        await client.send(json.dumps({"COMMAND": "LISTEN", "DATA": path}))
        await until(client, lambda got, path=path: isinstance(got, Message) and got.address == path)


def test_paths_are_told_while_values_move() -> None:
    """In a morph something is told every 50 ms."""

    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        async with connect_here(f"ws://127.0.0.1:{port}") as client:
            added = asyncio.create_task(until(client, lambda got: got == {"COMMAND": "PATH_ADDED", "DATA": "/rain"}))
            for number in range(1000):
                tell(query, "/rain/gain", -number / 100)
                if (await asyncio.wait([added], timeout=0.02))[0]:
                    break
            assert added.done()

    serving(test)


def test_loaded_voice_is_asked_for_only_what_it_may_have_lost() -> None:
    """Asked for `direction/* ?`, one without directions would answer `/fail`, and the server's log would warn."""

    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        async def asked() -> list[str]:
            datagram = await asyncio.get_running_loop().sock_recv(server, 65536)
            return [message.address for message in parse_datagram(datagram)]

        assert await asked() == ["/notify", "/ping"]
        tell(query, "/rain/gain", 0.0)
        tell(query, "/rain/loaded", "rain", "x", 3, 48000)
        tell(query, "/bird/direction/bright", 0.5)
        while query._settling is not None:
            await asyncio.sleep(0.01)
        with pytest.raises(BlockingIOError):
            server.recv(65536)
        tell(query, "/bird/loaded", "bird", "x", 3, 48000)
        assert await asked() == ["/notify", "/ping"]
        assert query.space.directions("bird") == ["bright"], "until that is answered"

    serving(test)


def test_much_may_wait_to_be_read() -> None:
    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        assert query._link is not None
        ours = query._link.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        assert ours == server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    serving(test)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
def test_host_info_tells_an_address_that_can_be_reached(host: str) -> None:
    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        async with connect_here(f"ws://127.0.0.1:{port}"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /?HOST_INFO HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            info = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
            writer.close()
            await writer.wait_closed()
            assert (info["OSC_IP"], info["WS_IP"], info["WS_PORT"]) == ("127.0.0.1", "127.0.0.1", port)

    serving(test, host)


def test_own_values_are_not_told_but_others_are() -> None:
    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        tell(query, "/rain/pan", 0.0)
        tell(query, "/rain/gain", 0.0)
        async with connect_here(f"ws://127.0.0.1:{port}") as one, connect_here(f"ws://127.0.0.1:{port}") as other:
            for client in (one, other):
                await listening_to(client, "/rain/pan", "/rain/gain")
            for value in (0.25, 0.5, 0.75):
                await one.send(encode("/rain/pan", value))
            server.settimeout(TIMEOUT)
            heard = [await asyncio.to_thread(server.recvfrom, 65536) for _ in range(4)]  # after the one that asks
            tell(query, "/rain/pan", 0.5)  # later than 0.75 was sent
            tell(query, "/rain/pan", 0.75)
            tell(query, "/rain/gain", -1.0)
            got = await until(one, is_value("/rain/gain", -1.0))
            assert not any(isinstance(each, Message) and each.address == "/rain/pan" for each in got)
            assert Message("/rain/pan", (0.75,)) in await until(other, is_value("/rain/gain", -1.0))
            tell(query, "/rain/pan", -0.5)
            tell(query, "/rain/pan", 0.75)
            await until(one, is_value("/rain/pan", 0.75))  # after another's
            await other.send(encode("/rain/pan", 0.0))
            heard.append(await asyncio.to_thread(server.recvfrom, 65536))
            sources = [source for _, source in heard[1:]]
            assert len(set(sources[:3])) == 1 and sources[3] != sources[0], "each has its own allowance"

    serving(test)


def test_client_may_not_listen_to_ever_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_server, "PATHS", 2)

    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        tell(query, "/rain/latent", 0.0, 0.5, 1.0)
        async with connect_here(f"ws://127.0.0.1:{port}") as client:
            await listening_to(client, "/rain/latent/0", "/rain/latent/1")
            await client.send(json.dumps({"COMMAND": "LISTEN", "DATA": "/rain/latent/2"}))
            assert "2 paths" in (await until(client, lambda got: isinstance(got, dict)))[-1]["ERROR"]
            await client.send(json.dumps({"COMMAND": "IGNORE", "DATA": "/rain/latent/0"}))
            await listening_to(client, "/rain/latent/2")

    serving(test)


def test_client_that_does_not_read_is_let_go_and_little_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "STALLED", 0.5)

    async def test(query: QueryServer, port: int, server: socket.socket) -> None:
        latent = [0.0] * 512
        tell(query, "/bird/latent", *latent)
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", port))
            handshake = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            handshake += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            await loop.sock_sendall(raw, handshake.encode() + masked({"COMMAND": "LISTEN", "DATA": "/bird/latent"}))
            while not any(each.paths for each in query._listeners):
                await asyncio.sleep(0)
            (slow,) = query._listeners
            async with connect_here(f"ws://127.0.0.1:{port}") as quick:
                await listening_to(quick, "/bird/latent")
                told = 0
                while slow in query._listeners:
                    told += 1
                    tell(query, "/bird/latent", float(told), *latent[1:])
                    assert (await until(quick, is_value("/bird/latent", float(told))))[-1]
                    assert len(slow._waiting) <= 2, "the latest, and that the voice has come"
                assert told > 10, "the quick one hears meanwhile"

    serving(test)


def masked(command: dict[str, str]) -> bytes:
    """A text frame of a client, with a mask that changes nothing."""
    text = json.dumps(command).encode()
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def told_of_advertising(host: str) -> bool:
    async def run() -> bool:
        async with advertised(host, 9002, 9000) as told:
            return told

    return asyncio.run(run())


def test_long_host_name_is_advertised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ö" * 60)
    assert told_of_advertising("127.0.0.1")


def test_host_name_that_is_not_found_is_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def fail(*_: object) -> None:
        threads.append(threading.current_thread())
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert not told_of_advertising("0.0.0.0")
    assert threads and threading.main_thread() not in threads, "a look-up may take seconds"


def test_process_that_dies_each_time_is_started_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []
    now = 1000.0

    class Ended:
        def join(self) -> None: ...

        close = join

    def start(*_: object) -> tuple[Any, Connection]:
        starts.append(now)
        ours, theirs = Pipe(duplex=False)
        theirs.send(Listening(9002, False))
        theirs.close()
        return Ended(), ours

    monkeypatch.setattr(query_host, "start_process", start)
    monkeypatch.setattr(query_host.time, "monotonic", lambda: now)
    host = QueryHost(QueryOptions("127.0.0.1", 0, 9000), get_context())
    while len(starts) < 7:
        host.look_after(now)
        while host.sources:
            host.attend()
        now += 0.125
    assert [b - a for a, b in pairwise(starts)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
