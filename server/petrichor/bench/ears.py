"""A listener in a process of its own, at real-time pace, as a patch is: it pulls, holds a fill, plays what it holds.

Everything that came and everything that was played stays in shared memory for a while, with the times, so that
whoever measures can look at it afterwards.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import select
import socket
import time
from dataclasses import dataclass
from multiprocessing import shared_memory
from typing import Any

import numpy as np

from petrichor.bell import Bell
from petrichor.errors import PetrichorError
from petrichor.osc import encode, parse_datagram
from petrichor.priority import CARD, use_realtime_priority
from petrichor.processes import process_context
from petrichor.segment import PREFIX
from petrichor.stream_protocol import MODULUS

BLOCK = 128  # frames of a datagram, and between two pulls
FRAMES = 1 << 21  # kept: 44 s at 48 kHz
BLOCKS = FRAMES // BLOCK
PATIENCE = 30.0  # seconds for the server to answer at all
AGAIN = 0.1  # seconds between two subscriptions until one is answered
EARS = np.dtype(
    [
        ("start", np.float64),  # steady clock at which frame 0 was played; NaN before
        ("ticks", np.int64),  # blocks played so far, silent ones counted in
        ("received", np.int64),  # frames that have come, in order
        ("underruns", np.int64),  # blocks that were not there when they were due
        ("late", np.float64),  # seconds that this process itself was late, at most
        ("lost", np.int64),  # times that the server had forgotten it
        ("arrivals", np.float64, (BLOCKS,)),  # steady clock, by block received
        ("played", np.float64, (BLOCKS,)),  # steady clock at which it was due to be played, by block received
        ("came", np.float32, (FRAMES, 2)),  # by frame received
        ("heard", np.float32, (FRAMES, 2)),  # by frame played
    ]
)


@dataclass(frozen=True)
class EarsOptions:
    """How to listen.

    Attributes:
        port: Stream port on loopback.
        rate: Hz.
        fill: Frames held ahead of what is played.
    """

    port: int
    rate: int = 48000
    fill: int = 1024


class Ears:
    """The listener, seen from who measures: `with Ears(options) as ears: …`.

    Args:
        options: How to listen.

    Attributes:
        process: Number of the listener's process.
        begun: Steady clock when it was started.

    Raises:
        PetrichorError: The server does not answer.
    """

    def __init__(self, options: EarsOptions) -> None:
        """Start listening."""
        self.options = options
        name = f"{PREFIX}{os.getpid()}-ears-{time.time_ns() & 0xFFFFFF:x}"
        self._memory = shared_memory.SharedMemory(name, create=True, size=EARS.itemsize)
        self._figures: np.ndarray = np.ndarray((1,), EARS, self._memory.buf)
        self._figures["start"] = math.nan
        self._stop, theirs = Bell.pair()
        context = process_context()
        self._process = context.Process(target=_listen, args=(options, name, theirs), name="ears", daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        self.process = int(self._process.pid)
        theirs.close()
        self.begun = time.monotonic()
        while math.isnan(self._figures["start"][0]):
            if time.monotonic() - self.begun > PATIENCE or not self._process.is_alive():
                self.close()
                raise PetrichorError(f"no sound from port {options.port} in {PATIENCE:.0f} s")
            time.sleep(0.005)

    def __enter__(self) -> Ears:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._stop.ring()
        self._process.join(2.0)
        self._process.kill()
        self._process.join()
        self._stop.close()
        del self._figures
        self._memory.close()
        self._memory.unlink()

    def figure(self, name: str) -> float:
        """Return one of the figures; see `EARS`."""
        return float(self._figures[name][0])

    @property
    def received(self) -> int:
        """Frames that have come."""
        return int(self._figures["received"][0])

    @property
    def played(self) -> int:
        """Frames that were played."""
        return int(self._figures["ticks"][0]) * BLOCK

    def came(self, start: int, end: int) -> np.ndarray:
        """Return what came, from one frame received to another. Shape [frames, 2]"""
        return _stretch(self._figures["came"][0], start, end)

    def heard(self, start: int, end: int) -> np.ndarray:
        """Return what was played, from one frame played to another, with the silence of underruns. Shape [frames, 2]"""
        return _stretch(self._figures["heard"][0], start, end)

    def arrival(self, frame: int) -> float:
        """Return the steady clock when a frame received came."""
        return float(self._figures["arrivals"][0][frame // BLOCK % BLOCKS])

    def due(self, frame: int) -> float:
        """Return the steady clock when a frame received is played; NaN before."""
        at = float(self._figures["played"][0][frame // BLOCK % BLOCKS])
        return at + frame % BLOCK / self.options.rate

    def longest_gap(self, begin: float, end: float) -> float:
        """Return the longest time in which nothing came, in seconds, of those that end in a time of the steady clock.

        Blocks of one pull come at once: a listener that pulls with every block it plays gets some each 3 ms.
        """
        arrivals = np.sort(self._figures["arrivals"][0])
        first, last = np.searchsorted(arrivals, (begin, end))
        return float(np.diff(arrivals[max(0, first - 1) : last]).max(initial=0.0))

    def frame_at(self, moment: float) -> int:
        """Return the frame that is played at a time of the steady clock."""
        return round((moment - self.figure("start")) * self.options.rate)

    def wait_for(self, frame: int) -> None:
        """Wait until so many frames have come."""
        while self.received < frame:
            time.sleep(0.002)

    def wait_played(self, frame: int) -> None:
        """Wait until so many frames were played."""
        while self.played < frame:
            time.sleep(0.002)


def _stretch(ring: np.ndarray, start: int, end: int) -> np.ndarray:
    assert 0 <= start <= end <= start + FRAMES
    first, last = start % FRAMES, (end - 1) % FRAMES + 1
    if start == end:
        return np.zeros((0, 2), np.float32)
    return ring[first:last].copy() if first < last else np.concatenate((ring[first:], ring[:last]))


class _Listener:
    """The process's own side."""

    def __init__(self, options: EarsOptions, figures: np.ndarray, stop: Bell) -> None:
        self._options = options
        self._figures = figures
        self._stop = stop
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.connect(("127.0.0.1", options.port))
        self._socket.setblocking(False)
        self._token = 0
        self._base = 0  # frames received before this subscription
        self._next = 0  # frame of the subscription that is waited for
        self._read = 0  # frames of the subscription that were played
        self._gaps = 0

    def run(self) -> None:
        """Listen until told to stop."""
        self._subscribe()
        primed = False
        due = math.inf
        tick = 0
        while not self._stop.wait(0.0):
            now = time.monotonic()
            patience = 0.02 if not primed else max(0.0, due - now)
            sources: list[Any] = [self._socket, self._stop]
            select.select(sources, [], [], patience)
            now = time.monotonic()
            self._receive(now)
            if not primed and self._next - self._read >= 0.75 * self._options.fill:
                primed, due = True, now
                self._figures["start"][0] = now
            while primed and now >= due:
                self._figures["late"][0] = max(self._figures["late"][0], now - due)
                self._play(tick, due)
                tick += 1
                due = self._figures["start"][0] + tick * BLOCK / self._options.rate
            self._pull()

    def _subscribe(self) -> None:
        asked = -math.inf
        while not self._token and not self._stop.gone:
            if time.monotonic() - asked > AGAIN:
                asked = time.monotonic()
                own = self._options
                self._send(encode("/subscribe", "f32", 2, BLOCK, own.fill, own.rate))
            if select.select([self._socket], [], [], AGAIN)[0]:
                self._receive(time.monotonic())

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError:
            pass  # no server yet

    def _pull(self) -> None:
        read, held = self._read % MODULUS, self._next % MODULUS
        self._send(encode("/pull", self._token, read, held, int(self._figures["underruns"][0]), self._gaps))

    def _receive(self, now: float) -> None:
        for _ in range(64):
            try:
                datagram = self._socket.recv(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if datagram.startswith(b"/block\0"):
                self._take(datagram, now)
                continue
            (message,) = parse_datagram(datagram)
            if message.address == "/subscribed":
                self._token = int(message.args[0])  # type: ignore[call-overload]
                self._base, self._next, self._read, self._gaps = int(self._figures["received"][0]), 0, 0, 0
            elif message.address == "/expired":
                self._figures["lost"] += 1
                self._token = 0
                self._subscribe()

    def _take(self, datagram: bytes, now: float) -> None:
        values = np.frombuffer(datagram[-4 * (2 * BLOCK + 1) :], ">f4")
        position = int(np.frombuffer(datagram[-4 * (2 * BLOCK + 1) :], ">i4", 1)[0])
        if position != self._next % MODULUS:
            ahead = (position - self._next) % MODULUS
            self._gaps += ahead < MODULUS // 2
            return
        frame = self._base + self._next
        start = frame % FRAMES
        figures = self._figures
        figures["came"][0][start : start + BLOCK] = values[1:].reshape(2, BLOCK).T
        figures["arrivals"][0][frame // BLOCK % BLOCKS] = now
        figures["played"][0][frame // BLOCK % BLOCKS] = math.nan
        self._next += BLOCK
        figures["received"][0] = frame + BLOCK

    def _play(self, tick: int, due: float) -> None:
        figures = self._figures
        out = figures["heard"][0][tick * BLOCK % FRAMES :][:BLOCK]
        if self._next - self._read >= BLOCK:
            frame = self._base + self._read
            out[:] = figures["came"][0][frame % FRAMES :][:BLOCK]
            figures["played"][0][frame // BLOCK % BLOCKS] = due
            self._read += BLOCK
        else:
            out[:] = 0.0
            figures["underruns"] += 1
        figures["ticks"][0] = tick + 1


def _listen(options: EarsOptions, name: str, stop: Bell) -> None:
    use_realtime_priority(CARD)  # as a patch run with real-time priority; without it, its own lateness is reported
    memory = shared_memory.SharedMemory(name)
    figures: np.ndarray = np.ndarray((1,), EARS, memory.buf)
    listener = _Listener(options, figures, stop)
    parent = multiprocessing.parent_process()
    try:
        if parent is None or parent.is_alive():
            listener.run()
    finally:
        os._exit(0)  # the views of the memory need no farewell
