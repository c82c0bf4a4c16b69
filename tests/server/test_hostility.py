"""The running server under attack, in short; `tests/measure/hostility.py` does the same by the million."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from petrichor.bench.client import Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.rig import PROBES, Rig
from petrichor.clients import Clients
from petrichor.errors import MessageError
from petrichor.guard import PAUSES
from petrichor.osc import Address, encode
from petrichor.wire import Wire
from tests.measure.hostility import attack, level_heard, set_right, try_voices

FLOOD = """
import select, socket, sys
from petrichor.osc import encode, parse_datagram
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.setblocking(False)
datagrams = [encode("/a/intensity", 0.5), encode("/a/nothing", 1), b"nonsense"]
told = set()
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for datagram in datagrams * 100:
        try:
            sock.send(datagram)
        except OSError:
            pass
    while select.select([sock], [], [], 0)[0]:
        told.add(str(parse_datagram(sock.recv(4096))[0].args[-1]))
print(*told, sep="\\n")
"""
FAR = ("192.0.2.7", 57120)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig({"a": PROBES["probe-1"]}) as rig:
        set_right(rig)
        rig.client.heard.clear()
        yield rig


def test_mutated_datagrams_leave_it_answering_and_sounding(rig: Rig) -> None:
    with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
        told = attack(rig, 6000)
        assert ears.figure("lost") == 0
    assert told["/fail"] > 0
    assert told["/pong"] > 0
    set_right(rig)
    assert level_heard(rig) == pytest.approx(0.25, abs=0.005)
    assert rig.status()["restarts"] == 0


def test_mutated_voice_files_are_refused_or_play_finitely(rig: Rig, voice_paths: dict[str, Path]) -> None:
    answers = try_voices(rig, 40, [PROBES["probe-2"], *voice_paths.values()])
    assert answers["/b/failed"] > 10 and answers["/b/loaded"] > 3
    assert answers["unfit"] == 0
    rig.client.send("/b/unload")
    set_right(rig)
    assert level_heard(rig) == pytest.approx(0.25, abs=0.005)


def ping(client: Client, patience: float) -> bool:
    """Whether the server answers in time."""
    client.heard.clear()
    client.send("/ping")
    client.read(patience)
    return any(message.address == "/pong" for message in client.heard)


def test_a_flood_of_one_sender_delays_no_other_and_is_told() -> None:
    """As fast as one process can send, lawful messages and nonsense; another is answered all the while.

    What the flood pushes out of the socket's queue is lost, as UDP has it: a few questions in a hundred may have to be
    asked again.
    """
    with Rig({"a": PROBES["probe-1"]}, ["--max-rate", "1000"]) as rig:
        flooder = subprocess.Popen(
            [sys.executable, "-c", FLOOD, str(rig.port)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        with flooder:
            assert flooder.stdout is not None
            flooder.stdout.readline()  # it has begun
            answers = []
            for _ in range(100):
                answers.append(ping(rig.client, 1.0))
                time.sleep(0.03)
            told = flooder.communicate("enough")[0]
        # Each time that it listens to the flooder again, some are lost until it has had enough; but nobody is shut out.
        assert sum(answers) > 60
        assert max((len(list(run)) for answered, run in itertools.groupby(answers) if not answered), default=0) <= 5
        assert "came too fast" in told
        assert int(str(rig.status()["refused"])) > 500
        assert rig.log.count("WARNING") < 200


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a flood may push out the pulls of patches")
def test_a_flood_of_the_stream_port_is_not_heard_by_listeners(rig: Rig) -> None:
    with Ears(EarsOptions(rig.stream_port, fill=32768)) as ears:
        time.sleep(1.0)
        with subprocess.Popen(
            [sys.executable, "-c", FLOOD, str(rig.stream_port)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        ) as flooder:
            time.sleep(4.0)
            flooder.communicate("enough")
        assert ears.figure("lost") == 0
        assert ears.figure("underruns") < 0.05 * ears.figure("ticks")
    assert rig.status()["restarts"] == 0
    assert level_heard(rig) == pytest.approx(0.25, abs=0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a flood is read and refused")
def test_who_sends_more_than_can_be_read_is_not_read_for_a_while() -> None:
    wire = Wire("127.0.0.1", 0, 1000, Clients())
    with closing(wire), closing(Client(wire.port)) as flooder, closing(Client(wire.port)) as other:
        deadline = time.monotonic() + 10
        while "can be read" not in str(flooder.heard):
            assert time.monotonic() < deadline
            for _ in range(300):
                flooder.send("/ping")
            list(wire.receive())  # up to 256 at once
            flooder.read()
        for _ in range(20):  # what had come before
            list(wire.receive())
        flooder.send("/from/flooder")
        other.send("/from/other")
        assert [messages[0].address for messages, _ in wire.receive()] == ["/from/other"]
        wire.look_after(time.monotonic() + PAUSES[0])
        other.send("/from/other")
        flooder.send("/from/flooder")
        assert len(list(wire.receive())) == 1  # it has used up what it may send, and is heard again
        assert wire.guard.refused > 0


class Recorder:
    """A socket that sends nothing and remembers it."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []

    def sendto(self, datagram: bytes, address: Address) -> None:
        self.sent.append((datagram, address))

    def close(self) -> None:
        pass


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire("127.0.0.1", 0, 1000, Clients())
    wire._socket.close()
    wire._socket = Recorder()  # type: ignore[assignment]
    yield wire


def sent(wire: Wire) -> list[tuple[bytes, Address]]:
    return wire._socket.sent  # type: ignore[attr-defined, no-any-return]


def test_strangers_are_sent_nothing_larger_than_what_they_sent(wire: Wire) -> None:
    request = encode("/ping")
    wire._asking = (FAR, len(request))
    wire.send(FAR, "/pong")
    assert len(sent(wire)) == 1
    wire.send(FAR, "/status.reply", "0.1.0", 48000)
    wire.refuse(MessageError("/ping", "a long reason, which a forged address should not be sent"), FAR)
    assert len(sent(wire)) == 1
    wire.send(FAR, "/pong")
    assert len(sent(wire)) == 1, "nor all replies together"
    wire._asking = None
    wire.send(FAR, "/pong")  # later, unasked
    assert len(sent(wire)) == 1
    wire.send(("127.0.0.1", 9), "/status.reply", "0.1.0", 48000)  # this machine cannot be forged from outside
    assert len(sent(wire)) == 2


def test_key_is_no_larger_than_the_request_for_it(wire: Wire) -> None:
    wire._asking = (FAR, len(encode("/notify", 1)))
    wire.send(FAR, "/key", wire._clients.key_of(FAR))
    assert len(sent(wire)) == 1


def test_strangers_who_have_sent_back_their_key_are_told_everything(wire: Wire) -> None:
    wire.announce("/bird/loaded", "bird")
    assert not sent(wire)
    assert wire._clients.add(FAR, 0.0, wire._clients.key_of(FAR))
    wire.announce("/bird/loaded", "bird")
    wire.announce_bundle([("/master/level", -3.0, -6.0, 0.0)] * 10)
    assert [address for _, address in sent(wire)] == [FAR, FAR]


def test_wider_binding_is_warned_of_and_loopback_is_not(tmp_path: Path) -> None:
    said = {}
    for host in ("0.0.0.0", "127.0.0.1"):
        command = [sys.executable, "-m", "petrichor", "serve", "--host", host, "--port", "0", "--device", "none"]
        process = subprocess.Popen(
            [*command, "--voices", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "streams on" in line:
                break
        process.terminate()
        lines += process.communicate(timeout=30)[0].splitlines()
        said[host] = "\n".join(lines)
    assert "whoever can reach this machine there can play it" in said["0.0.0.0"]
    assert "WARNING" not in said["127.0.0.1"]


BAD_MESSAGES: list[tuple[object, ...]] = [
    ("/a/load", "../probe-1"),
    ("/a/load", "/etc/passwd"),
    ("/a/load", "sub/dir"),
    ("/../load", "a"),
    ("/a/load", "a\n"),
    ("/record", "../../tmp/x.wav"),
    ("/record", "/tmp/x.wav"),
    ("/record", ".hidden.wav"),
    ("/record", "x" * 5000),
    ("/a/latent", b"\xff" * 32),
    ("/a/latent", b"\x7f\x80\0\0" * 8),
    ("/a/gain", float("inf")),
    ("/a/intensity", float("nan")),
    ("/a/seed", "seven"),
    ("/sync",),
    ("/notify", "yes"),
    ("/notify",),
]


def test_every_bad_message_gets_its_reason_and_changes_nothing(rig: Rig) -> None:
    client = Client(rig.port)
    for message in BAD_MESSAGES:
        client.send(*message)  # type: ignore[arg-type]
        fail = client.wait("/fail")
        assert fail.args[0] == message[0]
        assert len(str(fail.args[1])) > 10
    client.close()
    assert level_heard(rig) == pytest.approx(0.25, abs=0.005)


def test_largest_datagrams_are_read(rig: Rig) -> None:
    rig.client.send_raw(encode("/a/latent", b"\0" * 65460))
    assert "blob of 65460 bytes" in str(rig.client.wait("/fail").args[1])
    floats = encode("/a/latent", *([0.0] * 8000))
    rig.client.send_raw(floats)
    assert "got 8000 values" in str(rig.client.wait("/fail").args[1])
