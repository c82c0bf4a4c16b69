"""The audio process's loop, turn by turn: how far it mixes, what it hears, what it says of recordings."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from petrichor import audio
from petrichor.audio import RESYNC, AudioOptions, AudioProcess
from petrichor.bell import Bell
from petrichor.orders import Record, Recording
from petrichor.osc import encode, parse_datagram
from petrichor.pace import FASTEST, FILLING, Pace
from petrichor.segment import Segment

RATE = 48000


@pytest.fixture
def process() -> Iterator[AudioProcess]:
    """One without a process of its own, a loop or a voice."""
    reports, theirs = Pipe(duplex=False)
    hear, ring = Bell.pair()
    streams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    streams.bind(("127.0.0.1", 0))
    streams.setblocking(False)
    with Segment() as segment:
        process = AudioProcess(AudioOptions(segment.name, RATE), streams, [], hear, theirs)
        yield process
        process._close()
    for each in (reports, theirs, hear, ring):
        each.close()


@pytest.fixture
def sender(process: AudioProcess) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(process._socket.getsockname())
        sock.settimeout(5)
        yield sock


def test_backlog_of_the_idle_mix_is_left_and_not_caught_up(process: AudioProcess) -> None:
    process._advance(100.0)
    process._advance(100.125)
    assert process._timeline.position == RATE // 8
    late = 100.125 + RESYNC + 5.0
    process._advance(late)
    assert process._timeline.position == RATE // 8
    process._advance(late + 0.125)
    assert process._timeline.position == RATE // 4


def test_recording_without_a_thread_fails_and_the_loop_goes_on(
    process: AudioProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    process._obey(Record(tmp_path / "take.wav", 7))
    told = Recording(str(tmp_path / "take.wav"), 7, "take.wav: can't start new thread")
    assert process._recordings.get(timeout=1) == told
    assert process._recorder is None
    monkeypatch.undo()
    process._obey(Record(tmp_path / "next.wav", 8))
    assert process._recordings.get(timeout=5).error == ""


def test_flood_of_one_source_is_not_read_and_others_are(
    process: AudioProcess, sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    process._guard.rate = 10  # twenty at once
    parsed: list[bytes] = []
    receive = process._subscribers.receive

    def count(datagram: bytes, *rest: object) -> list[tuple[bytes, tuple[str, int]]]:
        parsed.append(datagram)
        return receive(datagram, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(process._subscribers, "receive", count)
    for _ in range(audio.DATAGRAMS + 16):
        sender.send(b"garbage!")
    process._receive(100.0)
    assert len(parsed) == 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.connect(process._socket.getsockname())
        other.settimeout(5)
        other.send(encode("/subscribe", "f32", 2, 128, 2048, RATE))
        process._receive(100.0)
        assert parse_datagram(other.recv(1024))[0].address == "/subscribed"
    assert len(parsed) == 21
    assert process._guard.refused == audio.DATAGRAMS + 16 - 20


class Cheat:
    """Subscribes with the largest fill and says at once that it has played what it was sent."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.subscribe(2048, RATE)

    def subscribe(self, fill: int, rate: int) -> None:
        self._socket.send(encode("/subscribe", "f32", 2, 128, fill, rate))
        self._token = 0
        self._position = 0

    def turn(self) -> None:
        self._socket.setblocking(False)
        while True:
            try:
                (message,) = parse_datagram(self._socket.recv(65536))
            except BlockingIOError:
                break
            if message.address == "/subscribed":
                self._token = int(message.args[0])  # type: ignore[call-overload]
            elif message.args[0] == self._position % (1 << 19):
                self._position += 128
        position = self._position % (1 << 19)
        if self._token:
            self._socket.send(encode("/pull", self._token, position, position, 0))


@pytest.mark.parametrize("again", [False, True])
def test_listener_that_lies_cannot_drive_the_mix(process: AudioProcess, sender: socket.socket, again: bool) -> None:
    """It confirms at once, or subscribes anew with the largest fill each second, for 20 s."""
    process._block = 4096
    cheat = Cheat(sender)
    for turn in range(2000):
        now = 100.0 + 0.01 * turn
        if again and turn % 100 == 0:
            cheat.subscribe(65536, 8000)
        process._receive(now)
        process._advance(now)
        cheat.turn()
    assert process._timeline.position <= (FILLING + 20.0 * FASTEST) * RATE
    assert process._timeline.position >= 20.0 * RATE


def test_pace_lets_the_largest_fill_and_a_fast_clock_pass() -> None:
    """A listener of the largest fill, whose clock is half a percent fast, for three hours; and after it a new one."""
    pace, position, fill = Pace(RATE), 0, 65536 * RATE // 8000
    for turn in range(3 * 3600 * 10):
        wanted = int(fill + 0.1 * turn * RATE * 1.005)
        limit = pace.limit(position, 100.0 + 0.1 * turn)
        assert wanted <= limit
        position = max(position, wanted)
    assert pace.limit(position, 100.0 + 3 * 3600) - position > fill


def test_pace_is_not_saved_up_and_a_long_stall_is_forgiven() -> None:
    pace = Pace(RATE)
    assert pace.limit(0, 100.0) == int(FILLING * RATE)
    assert pace.limit(0, 5000.0) == int(FILLING * RATE)
    assert pace.limit(int(FILLING * RATE), 5000.0) == int(FILLING * RATE)
    assert pace.limit(int(50 * RATE), 5001.0) == 50 * RATE, "others drove it on: a card, or the system's clock"
    assert np.isclose(pace.limit(int(50 * RATE), 5002.0), (50 + FASTEST) * RATE, atol=1)
