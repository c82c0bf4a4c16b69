"""A Pd and a sclang move the faders of one server, a thousand messages a second; others listen, and some never read.

Afterwards all show what the server has: Pd, sclang, who listens by OSCQuery, and in the end even who read nothing.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from petrichor.bench.client import Client
from petrichor.osc import encode
from tests.live_server import LiveServer, tiny_server
from tests.patches.faders import Fader, PdFaders, SclangFaders
from tests.patches.listeners import SMALL, Listener, SlowListener, Values
from tests.patches.process import wait_for

BOTH = (Fader("rain", "intensity", 0, 1), Fader("bird", "gain", -30, 3), Fader("rain", "latent/1", -1, 1))
PD = (*BOTH, Fader("rain", "pan", -1, 1), Fader("bird", "intensity", 1, 0), Fader("rain", "latent/3", 1, -1))
SCLANG = (*BOTH[::-1], Fader("rain", "gain", 0, -20), Fader("bird", "direction/bright", -2, 2))
FADERS = tuple(dict.fromkeys((*PD, *SCLANG)))
ADDRESSES = [fader.address for fader in FADERS]
COUNT = 1500  # messages of Pd and as many of sclang, at 500 a second each
RATE = 900  # messages a second that both send together, at least
TRIES = 5  # where the machine was too busy for that
PATIENCE = 5.0  # seconds; after ten OSCQuery asks for everything anew, which would mend what was wrong
ANSWER = 2.0  # seconds: far longer than an answer takes
CONCEALED = 1500  # ms, of more than 6 s of two voices: a busy machine may be late now and then


class Hand:
    """A notified client that shows what it has set, or was told since.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self.client = Client(port)
        self.client.ask("/notify", 1, reply="/done")
        self.client.settle()
        self.client.heard.clear()
        self._shown: dict[str, tuple[object, ...]] = {}

    def set(self, address: str, value: float) -> None:
        """Set a value."""
        self._shown[address] = (value,)
        self.client.send(address, value)

    def read(self, patience: float = 0.0) -> None:
        """Read what has come, or comes within so many seconds."""
        self.client.read(patience)
        self._shown |= {message.address: message.args for message in self.client.heard}
        self.client.heard.clear()

    def shows(self, address: str) -> tuple[object, ...]:
        """Read what has come, and return what it shows."""
        self.read()
        return self._shown[address]


@pytest.fixture(scope="module")
def server(voice_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with tiny_server(voice_paths, tmp_path_factory.mktemp("controlled"), "--query") as server:
        yield server


@pytest.fixture
def hands(server: LiveServer) -> Iterator[tuple[Hand, Hand, Hand]]:
    """Three clients: two that play, and one to see what was told."""
    one, other, witness = (Hand(server.port) for _ in range(3))
    with closing(one.client), closing(other.client), closing(witness.client):
        yield one, other, witness


@pytest.fixture
def query_port(server: LiveServer) -> int:
    """Of an OSCQuery that knows every fader."""
    pattern = r"OSCQuery on http://127\.0\.0\.1:(\d+)"
    wait_for(lambda: re.search(pattern, server.log), 30, "OSCQuery")
    found = re.search(pattern, server.log)
    assert found

    def complete() -> bool:
        with Listener(int(found[1]), ADDRESSES) as listener:
            return listener.heard().keys() == set(ADDRESSES)

    wait_for(complete, 30, "OSCQuery to know all values")
    return int(found[1])


@pytest.fixture
def deaf(server: LiveServer) -> Iterator[int]:
    """The port of a notified client that never reads, and soon has no room for more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        deaf.bind(("127.0.0.1", 0))
        deaf.sendto(encode("/notify", 1), ("127.0.0.1", server.port))
        yield deaf.getsockname()[1]


def sweep(pd: PdFaders, sclang: SclangFaders, client: Client, listener: Listener) -> tuple[float, float]:
    """Let both programs move their faders, again where the machine was too busy for their rate, while others go on.

    Args:
        pd: One.
        sclang: The other.
        client: Asks one question after another.
        listener: Reads.

    Returns:
        Messages a second, and the seconds that the slowest answer took.
    """
    rate = longest = 0.0
    for number in range(1, TRIES + 1):
        begun = time.monotonic()
        pd.sweep()
        sclang.sweep()
        while min(pd.swept, sclang.swept) < number:
            asked = time.monotonic()
            client.ask("/ping", reply="/pong")
            longest = max(longest, time.monotonic() - asked)
            listener.heard()
            assert asked - begun < 20, "the sweeps do not end"
        rate = 2 * COUNT / (time.monotonic() - begun)
        if rate >= RATE:
            break
    return rate, longest


def dropped(port: int) -> int:
    """Return the datagrams to a UDP port of this machine for which there was no room."""
    lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return next(int(fields[-1]) for fields in lines if int(fields[1][-4:], 16) == port)


def differences(client: Client, showing: dict[str, Callable[[], Values]]) -> str:
    """Return who shows what else than the server has: nothing where all agree."""
    held = {address: float(str(client.ask(address, "?", reply=address).args[0])) for address in ADDRESSES}
    return "\n".join(
        f"{who} shows {address} {values.get(address)}, the server has {value}"
        for who, values in [(who, shown()) for who, shown in showing.items()]
        for address, value in held.items()
        if values.get(address) != pytest.approx(value, abs=1e-4)
    )


def test_all_show_the_same_after_a_thousand_messages_a_second(server: LiveServer, query_port: int, deaf: int) -> None:
    with (
        PdFaders(server.port, FADERS, PD, COUNT) as pd,
        SclangFaders(server.port, FADERS, SCLANG, COUNT) as sclang,
        Listener(query_port, ADDRESSES) as listener,
        SlowListener(query_port, ADDRESSES) as slow,
        closing(Client(server.port)) as client,
    ):
        before = server.status()
        rate, longest = sweep(pd, sclang, client, listener)
        after = server.status()
        assert rate >= RATE
        assert (dropped(server.port), after["refused"], after["restarts"]) == (0, 0, 0), "every message was read"
        assert dropped(deaf) > 0, "it was told more than it has room for"
        assert longest < ANSWER
        assert after["concealed"] - before["concealed"] < CONCEALED  # type: ignore[operator]
        showing = {"Pd": pd.shown, "sclang": sclang.shown, "the listener": listener.heard}
        wait_for(lambda: not differences(client, showing), PATIENCE, lambda: differences(client, showing))
        late = {"who has read nothing": slow.heard}
        wait_for(lambda: not differences(client, late), PATIENCE, lambda: differences(client, late))
        pd.check()
        sclang.check()


def test_who_is_told_an_older_value_behind_his_own_shows_the_newer_in_the_end(hands: tuple[Hand, Hand, Hand]) -> None:
    """What crosses on the way: he sets a value before he reads what another has set."""
    one, other, witness = hands
    other.set("/rain/pan", 0.25)
    witness.client.wait("/rain/pan", lambda message: message.args == (0.25,))  # so the server has told it to all
    one.set("/rain/pan", -0.5)
    witness.client.wait("/rain/pan", lambda message: message.args == (-0.5,))
    wait_for(lambda: one.shows("/rain/pan") == (-0.5,), ANSWER, lambda: f"shows {one.shows('/rain/pan')}")


def test_who_sets_a_value_that_another_sets_back_at_once_shows_that(hands: tuple[Hand, Hand, Hand]) -> None:
    one, other, _ = hands
    for number in range(100):  # so that something is told every now and then: what comes meanwhile waits for that
        other.set("/rain/gain", -0.1 * number)
        if number % 20 == 10:
            one.set("/rain/mute", 1)
            other.set("/rain/mute", 0)
        one.read(0.005)
    wait_for(lambda: one.shows("/rain/mute") == (0,), ANSWER, "it to show that it is not muted")
