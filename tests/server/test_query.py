"""OSCQuery: the described address space, by itself and from a real server, asked by clients that are not ours."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import zeroconf
from pythonoscquery.osc_query_client import OSCQueryClient
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_here
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from petrichor.controls import MasterState, VoiceState
from petrichor.osc import Message, encode, parse_datagram
from petrichor.parameters import TABLE
from petrichor.query import listener as listener_module
from petrichor.query import query_host, query_server
from petrichor.query.address_space import AddressSpace
from petrichor.query.advertisement import advertised
from petrichor.query.origin import refusal
from petrichor.query.query_host import QueryHost
from petrichor.query.query_process import Listening, QueryOptions
from petrichor.query.query_server import QueryServer
from petrichor.wire import QUEUE
from tests.live_server import TIMEOUT, LiveServer, live_server, tiny_server, wait_until

PORT = re.compile(r"OSCQuery on http://127\.0\.0\.1:(\d+)")


def space_of(*voices: VoiceState) -> AddressSpace:
    space = AddressSpace()
    space.hear(Message("/master/gain", MasterState().told["gain"]))
    for voice in voices:
        for name, args in voice.told.items():
            space.hear(Message(f"/{voice.name}/{name}", args))
    return space


def methods(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every node that can be sent to, by path."""
    found = {node["FULL_PATH"]: node} if "TYPE" in node else {}
    for child in node.get("CONTENTS", {}).values():
        found.update(methods(child))
    return found


def test_exactly_the_table_is_described_with_types_ranges_and_values() -> None:
    space = space_of(VoiceState("rain", 1, 2.0, directions=("bright",)))
    root = space.node("/")
    assert root is not None
    described = methods(root)
    addresses = {
        row.address.replace("/V/", "/rain/").replace("NAME", "bright").replace("/N", "/0"): row for row in TABLE
    }
    container = root["CONTENTS"]["rain"]["CONTENTS"]["latent"]
    assert container["DESCRIPTION"] == addresses.pop("/rain/latent").meaning, "a container of its coordinates"
    assert set(described) == set(addresses)
    for address, row in addresses.items():
        node = described[address]
        assert node["DESCRIPTION"] == row.meaning
        assert node["TYPE"] == (row.tags.replace("?", "").replace("*", "") or "N")
        if row.low is not None and "latent" not in address:
            assert node["RANGE"] == [{"MIN": row.low, "MAX": row.high}]
        assert ("VALUE" in node) == (node["ACCESS"] == 3)
    assert described["/rain/gain"]["UNIT"] == ["gain.db"] and described["/rain/glide"]["UNIT"] == ["time.ms"]
    assert described["/rain/new"]["ACCESS"] == 2


def test_latent_is_a_container_of_its_coordinates_and_can_be_listened_to() -> None:
    space = space_of(VoiceState("rain", 3, 2.0))
    node = space.node("/rain/latent")
    assert node is not None and "TYPE" not in node and set(node["CONTENTS"]) == {"0", "1", "2"}
    latent = space.values["/rain/latent"]
    assert [node["CONTENTS"][str(n)]["VALUE"] for n in range(3)] == [[value] for value in latent]
    assert space.hear(Message("/rain/latent", (*latent[:2], 0.125))) == ["/rain/latent", "/rain/latent/2"]
    assert space.value_of("/rain/latent/2") == (0.125,)
    assert space.value_of("/rain/latent/3") is None and space.value_of("/rain/new") is None


@pytest.mark.parametrize("path", ["/nobody", "/rain/colour", "/rain/latent/3", "/rain/gain/more", "//x"])
def test_what_is_not_there_has_no_node(path: str) -> None:
    assert space_of(VoiceState("rain", 3, 2.0)).node(path) is None


def test_shape_tells_voices_sizes_and_directions_apart() -> None:
    space = space_of(VoiceState("rain", 3, 2.0, directions=("bright",)), VoiceState("bird", 2, 2.0))
    before = space.shape()
    space.hear(Message("/rain/gain", (-3.0,)))
    assert space.shape() == before
    assert not space.changes - len(space.values)
    space.hear(Message("/rain/latent", (0.0,) * 4))
    assert space.shape()["rain"] != before["rain"] and space.changes == len(space.values) + 1
    space.hear(Message("/bird/unloaded", ("bird",)))
    assert space.voices == ["rain"]


def test_what_is_not_told_again_is_gone() -> None:
    """Without `/V/unloaded`, which may be lost, as may what is told of a file with fewer directions."""
    rain, bird = VoiceState("rain", 3, 2.0, directions=("bright",)), VoiceState("bird", 2, 2.0)
    space = space_of(rain, bird)
    space.hear(Message("/pong"))
    assert space.voices == ["rain", "bird"], "nobody was asked"
    space.hear(Message("/done", ("/notify",)))
    told = [("/master/gain", (0.0,)), *((f"/rain/{name}", args) for name, args in rain.told.items())]
    for address, args in told:
        if address != "/rain/direction/bright":
            assert not space.hear(Message(address, args)), "it is known"
    before = space.changes
    space.hear(Message("/pong"))
    assert space.changes > before and space.shape() == {"rain": (3,)}


def test_coordinate_has_one_spelling() -> None:
    space = space_of(VoiceState("rain", 3, 2.0))
    assert space.value_of("/rain/latent/0") is not None
    for index in ("00", "0" * 5000, "1" * 5000, "\u0661", "\u00b2", "-1", "+1", "1_0", " 1", ""):
        assert space.value_of(f"/rain/latent/{index}") is None


def test_of_a_leaf_only_the_leaf_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of(*(VoiceState(f"rain{number}", 128, 2.0) for number in range(8)))
    whole = space.node("/")
    assert whole is not None
    built: list[str] = []
    method = AddressSpace._method
    monkeypatch.setattr(
        AddressSpace, "_method", lambda self, address, row: built.append(address) or method(self, address, row)
    )
    for path in ("/rain3/gain", "/rain3/latent/17", "/preset/load"):
        built.clear()
        assert space.node(path) == methods(whole)[path] and built == [path]
    assert space.node("/rain3") == whole["CONTENTS"]["rain3"]
    assert space.node("/rain3/latent/") == whole["CONTENTS"]["rain3"]["CONTENTS"]["latent"]


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


class Queried:
    """A real server with its OSCQuery port."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        wait_until(lambda: PORT.search(server.log), "OSCQuery to listen")
        found = PORT.search(server.log)
        assert found is not None
        self.port = int(found[1])
        wait_until(lambda: self.status("/rain/pan") == 200 and self.status("/bird/pan") == 200, "both voices")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=TIMEOUT) as answer:
            assert answer.headers["Content-Type"] == "application/json"
            return json.loads(answer.read() or "null")

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=TIMEOUT) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def connect(self, **options: Any) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}", open_timeout=TIMEOUT, **options)


def listen(client: ClientConnection, path: str) -> None:
    client.send(json.dumps({"COMMAND": "LISTEN", "DATA": path}))


def heard(client: ClientConnection, want: Callable[[Any], bool]) -> Any:
    """The first message that is wanted: an OSC message, or a command."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        data = client.recv(timeout=deadline - time.monotonic())
        got = parse_datagram(data)[0] if isinstance(data, bytes) else json.loads(data)
        if want(got):
            return got


def is_value(address: str, *args: object) -> Callable[[Any], bool]:
    return lambda got: isinstance(got, Message) and (got.address, got.args[: len(args)]) == (address, args)


@pytest.fixture(scope="module")
def queried(voice_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queried]:
    with tiny_server(voice_paths, tmp_path_factory.mktemp("queried"), "--query") as server:
        yield Queried(server)


def test_http_answers_as_the_proposal_says(queried: Queried) -> None:
    assert queried.get("/?HOST_INFO")["OSC_PORT"] == queried.server.port
    assert queried.get("/rain/intensity")["VALUE"] == [0.5]
    assert queried.get("/rain/gain?RANGE") == {"RANGE": [{"MIN": -60.0, "MAX": 12.0}]}
    assert set(queried.get("/")["CONTENTS"]) > {"rain", "bird", "master", "preset", "record"}
    assert queried.get("/bird/direction")["CONTENTS"]["bright"]["VALUE"] == [0.0]
    assert queried.status("/nobody") == 404
    assert queried.status("/rain?NONSENSE") == 400
    assert queried.status("/rain/new?VALUE") == 204


def test_a_client_that_is_not_ours_reads_it(queried: Queried) -> None:
    service = zeroconf.ServiceInfo(
        "_oscjson._tcp.local.", "x._oscjson._tcp.local.", addresses=[socket.inet_aton("127.0.0.1")], port=queried.port
    )
    client = OSCQueryClient(service)
    host = client.get_host_info()
    assert host is not None and host.osc_port == queried.server.port
    # It takes no method without a value, which the proposal has, so not the whole tree.
    for path in ("/rain/latent", "/bird/direction", "/master"):
        container = client.query_node(path)
        assert container is not None and container.contents
    node = client.query_node("/rain/pan")
    assert node is not None and node.value == [0.0] and node.access.name == "READWRITE_VALUE"
    assert client.query_node("/nobody") is None


def test_listeners_hear_values_and_can_set_them(queried: Queried) -> None:
    with queried.connect() as one, queried.connect() as other:
        for client in (one, other):
            listen(client, "/rain/pan")
            heard(client, is_value("/rain/pan"))
        queried.server.client.send("/rain/pan", 0.25)
        for client in (one, other):
            heard(client, is_value("/rain/pan", 0.25))
        one.send(encode("/rain/pan", -0.5))
        heard(other, is_value("/rain/pan", -0.5))
        assert queried.server.client.ask("/rain/pan", "?", reply="/rain/pan").args == (-0.5,)
        listen(one, "/rain/latent/2")
        queried.server.client.send("/rain/latent/2", 0.125)
        heard(one, is_value("/rain/latent/2", 0.125))
        one.send(json.dumps({"COMMAND": "IGNORE", "DATA": "/rain/pan"}))
        queried.server.client.send("/rain/pan", 0.0)
        heard(other, is_value("/rain/pan", 0.0))
        one.send(json.dumps({"COMMAND": "LISTEN", "DATA": "/rain/new"}))
        assert "has no value" in heard(one, lambda got: isinstance(got, dict) and "ERROR" in got)["ERROR"]
        one.send("nonsense")
        assert "expected COMMAND" in heard(one, lambda got: isinstance(got, dict) and "ERROR" in got)["ERROR"]


def test_pages_of_other_hosts_are_refused(queried: Queried) -> None:
    with pytest.raises(InvalidStatus), queried.connect(origin="http://evil.example"):
        pass
    with queried.connect(origin=f"http://127.0.0.1:{queried.port}") as client:
        client.ping().wait(TIMEOUT)


def test_voices_that_come_go_and_change_are_told(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    with tiny_server(voice_paths, tmp_path, "--query") as server:
        queried = Queried(server)
        with queried.connect() as client:
            client.ping().wait(TIMEOUT)
            server.client.send("/drizzle/load", "rain")
            heard(client, lambda got: got == {"COMMAND": "PATH_ADDED", "DATA": "/drizzle"})
            assert queried.get("/drizzle/pan?VALUE") == {"VALUE": [0.0]}
            shutil.copy(voice_paths["stream"], server.voices / "rain.voice")  # 4 coordinates in place of 16
            heard(client, lambda got: got == {"COMMAND": "PATH_CHANGED", "DATA": "/rain"})
            assert set(queried.get("/rain/latent")["CONTENTS"]) == set("0123")
            server.client.send("/drizzle/unload")
            heard(client, lambda got: got == {"COMMAND": "PATH_REMOVED", "DATA": "/drizzle"})
            assert queried.status("/drizzle") == 404
        assert "direction" not in server.log, "nothing is asked that a voice without directions would refuse"
        (process,) = server.named("query")
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: len(PORT.findall(server.log)) == 2, "it to be started again")
        queried.port = int(PORT.findall(server.log)[1])
        wait_until(lambda: queried.status("/rain/pan") == 200, "it to know the voices")


def test_taken_port_is_told_and_the_server_goes_on(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--query", "--query-port", str(port))
        with live_server(folder, tmp_path / "recordings", "none", *options) as server:
            wait_until(lambda: f"OSCQuery: 127.0.0.1:{port} cannot be bound" in server.log, "it to be told")
            assert server.client.ask("/ping", reply="/pong")


def test_it_is_found_by_zeroconf(queried: Queried) -> None:
    wait_until(lambda: "OSCQuery is advertised" in queried.server.log, "it to be advertised")
    found = []

    class Seen(zeroconf.ServiceListener):
        def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
            info = zc.get_service_info(type_, name)
            found.extend([info.port] if info is not None and info.port is not None else [])

        def update_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
            pass

        remove_service = update_service

    browser = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    try:
        zeroconf.ServiceBrowser(browser, "_oscjson._tcp.local.", Seen())
        wait_until(lambda: queried.port in found, "it to be found")
    finally:
        browser.close()
