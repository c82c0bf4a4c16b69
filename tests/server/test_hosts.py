"""The control process's side of the audio and the card's process: starts that fail, deaths at once, hangs."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from petrichor import audio_host, card_host
from petrichor.audio import AudioOptions
from petrichor.audio_host import QUICK, AudioHost
from petrichor.bell import Bell
from petrichor.card import CardOptions, Missing, Opened
from petrichor.card_host import AGAIN, HANG, CardHost
from petrichor.processes import LATEST, SOONEST, backoff
from petrichor.segment import Segment
from petrichor.server import Server


class Context:
    """Starts processes that are none: each is what the test makes of it.

    Attributes:
        problem: What the next starts fail with, or None.
        started: The processes, oldest first.
    """

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.started: list[Process] = []

    def Pipe(self, duplex: bool) -> tuple[Connection, Connection]:  # noqa: N802
        return Pipe(duplex)

    def Process(self, args: tuple[Any, ...], **_: object) -> Process:  # noqa: N802
        return Process(self, next(arg for arg in args if isinstance(arg, Connection)))


class Process:
    def __init__(self, context: Context, reports: Connection) -> None:
        self._context = context
        self._theirs = reports

    def start(self) -> None:
        if self._context.problem is not None:
            raise self._context.problem
        self.reports = Connection(_duplicate(self._theirs), readable=False)
        self._context.started.append(self)

    def kill(self) -> None:
        self.reports.close()

    def is_alive(self) -> bool:
        return not self.reports.closed

    def join(self, _timeout: float | None = None) -> None:
        self.reports.close()

    def close(self) -> None:
        pass


def _duplicate(connection: Connection) -> int:
    return socket.dup(connection.fileno())  # type: ignore[attr-defined]


class Clock:
    """A steady clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(audio_host, "time", clock)
    monkeypatch.setattr(card_host, "time", clock)
    return clock


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment() as segment:
        yield segment


@pytest.fixture
def audio(context: Context, segment: Segment, clock: Clock) -> Iterator[AudioHost]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as streams:
        host = AudioHost(AudioOptions(segment.name, 48000), segment, streams, [], context)  # type: ignore[arg-type]
        yield host
        host.close()


@pytest.fixture
def told() -> list[tuple[str, int, str]]:
    return []


@pytest.fixture
def card(context: Context, segment: Segment, clock: Clock, told: list[tuple[str, int, str]]) -> Iterator[CardHost]:
    near, far = Bell.pair()
    options = CardOptions(segment.name, "default", 48000, False)
    host = CardHost(options, segment, near, context, lambda *change: told.append(change))  # type: ignore[arg-type]
    yield host
    host.close()
    near.close()
    far.close()


def test_backoff_grows_and_has_an_end() -> None:
    assert [backoff(failures) for failures in (0, 1, 2, 3, 4, 5, 6, 5000)] == [0, 0.5, 1, 2, 4, 8, 8, 8]
    assert (SOONEST, LATEST) == (0.5, 8.0)


def test_audio_process_that_cannot_be_started_is_tried_again(
    audio: AudioHost, context: Context, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It says by its results when there is a new one, and what was ordered meanwhile is not told to it."""
    clock.now += 60.0
    context.problem = OSError(errno.EMFILE, "Too many open files")
    context.started[0].kill()
    assert audio.receive() is None
    assert audio.restart() is False
    assert audio.sources == []
    assert len(caplog.records) == 1
    for error, delay in ((EOFError(), 0.5), (OSError(errno.ENOMEM, "no memory"), 1.0), (EOFError(), 2.0)):
        context.problem = error
        clock.now += delay - 0.01
        assert audio.look_after(clock.now) is False
        clock.now += 0.02
        assert audio.look_after(clock.now) is False
    assert [record.message.rpartition(" in ")[2] for record in caplog.records] == ["0.5 s", "1 s", "2 s", "4 s"]
    audio.order("for nobody")
    context.problem = None
    clock.now += 8.0
    assert audio.look_after(clock.now) is True
    assert audio.restarts == 1
    assert len(audio.sources) == 1
    assert not audio._segment.orders.waiting
    assert audio.look_after(clock.now) is False


def test_audio_process_that_dies_at_once_waits_before_it_is_started_again(
    audio: AudioHost, context: Context, clock: Clock
) -> None:
    clock.now += 60.0
    context.started[-1].kill()
    assert audio.restart() is True, "one that had lived is replaced at once"
    for delay in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        clock.now += QUICK / 2
        context.started[-1].kill()
        assert audio.restart() is False
        clock.now += delay - 0.01
        assert audio.look_after(clock.now) is False
        clock.now += 0.02
        assert audio.look_after(clock.now) is True
    clock.now += 2 * QUICK
    context.started[-1].kill()
    assert audio.restart() is True
    assert audio.restarts == 8


def test_audio_host_closes_while_there_is_no_process(audio: AudioHost, context: Context, clock: Clock) -> None:
    context.problem = OSError(errno.EAGAIN, "no process")
    context.started[-1].kill()
    assert audio.restart() is False


def test_card_process_that_cannot_be_started_is_tried_again(
    card: CardHost, context: Context, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    context.started[-1].kill()
    card.attend()
    context.problem = OSError(errno.EMFILE, "Too many open files")
    clock.now += AGAIN
    for delay in (0.5, 1.0, 2.0):
        card.look_after(clock.now)
        assert card.sources == []
        clock.now += delay - 0.01
        card.look_after(clock.now)
        clock.now += 0.01
    assert len(caplog.records) == 3
    context.problem = None
    card.look_after(clock.now)
    assert len(card.sources) == 1
    context.started[-1].reports.send(Opened("a card", 48000))
    card.attend()
    assert card.device == "a card"


def test_card_process_that_hangs_while_it_opens_the_card_is_replaced(
    card: CardHost, context: Context, clock: Clock, segment: Segment, told: list[tuple[str, int, str]]
) -> None:
    """A look for the card, a callback and a report are signs of life; this process asleep is no sign of death."""
    first = context.started[-1]

    def wait(seconds: float) -> None:
        for _ in range(round(seconds)):
            clock.now += 1.0
            card.look_after(clock.now)

    wait(HANG - 1)
    first.reports.send(Missing("none there"))
    card.attend()
    wait(HANG - 1)
    segment.card["beat"] = clock.now
    wait(HANG - 1)
    clock.now += 3600.0
    wait(HANG - 1)
    assert first.is_alive()
    wait(3)
    assert not first.is_alive()
    card.attend()
    assert told == [("", 0, "none there")]
    wait(AGAIN + 1)
    assert len(context.started) == 2


@pytest.mark.parametrize("accident", ["dies", "hangs", "plays"])
def test_wait_for_a_device_has_an_end(
    accident: str, card: CardHost, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petrichor.server.DEVICE_PATIENCE", 0.3)
    server = Server.__new__(Server)
    server._card, server._running = card, True
    if accident == "dies":
        context.started[-1].kill()
    elif accident == "plays":
        context.started[-1].reports.send(Opened("a card", 48000))
    began = time.monotonic()
    assert server.wait_for_device() == ("a card" if accident == "plays" else "")
    assert time.monotonic() - began < 5.0


def test_first_start_that_fails_is_an_error_and_leaves_nothing_open(
    context: Context, segment: Segment, clock: Clock
) -> None:
    context.problem = OSError(errno.ENOMEM, "no memory")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as streams, pytest.raises(OSError, match="no memory"):
        AudioHost(AudioOptions(segment.name, 48000), segment, streams, [], context)  # type: ignore[arg-type]
