"""OSCQuery from a real server, asked by clients that are not ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zeroconf
from pythonoscquery.osc_query_client import OSCQueryClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from petrichor.osc import encode, parse_datagram
from tests.live_server import TIMEOUT, LiveServer, live_server, tiny_server, wait_until
from tests.server.query_parts import is_value

PORT = re.compile(r"OSCQuery on http://127\.0\.0\.1:(\d+)")


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


def test_it_is_found_by_zeroconf_and_takes_its_leave(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    found: dict[int, str] = {}
    gone: list[str] = []

    class Seen(zeroconf.ServiceListener):
        def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
            info = zc.get_service_info(type_, name)
            if info is not None and info.port is not None:
                found[info.port] = name

        def update_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
            pass

        def remove_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
            gone.append(name)

    browser = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    try:
        with tiny_server(voice_paths, tmp_path, "--query") as server:
            wait_until(lambda: "OSCQuery is advertised" in server.log, "it to be advertised")
            zeroconf.ServiceBrowser(browser, "_oscjson._tcp.local.", Seen())
            wait_until(lambda: Queried(server).port in found, "it to be found")
            port = Queried(server).port
        wait_until(lambda: found[port] in gone, "it to be told that it is gone")
    finally:
        browser.close()
