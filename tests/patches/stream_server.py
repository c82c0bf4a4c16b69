"""A small stream server for tests: the real `Subscribers` on a real UDP socket, playing seeded noise.

What it plays is known at every position, so a recording can be compared with it sample by sample.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Callable

import numpy as np

from petrichor.streams import Subscribers, SubscriberStatus

PERIOD = 1 << 21  # frames after which the noise repeats: 44 s at 48 kHz
TICK = 0.002  # s between two looks at what can be sent
MOST = 64  # datagrams read before what they ask for is sent


def noise(seed: int = 1) -> np.ndarray:
    """Return stereo noise of 24-bit-exact floats, different in every frame. Shape [PERIOD, 2], float32."""
    integers = np.random.default_rng(seed).integers(-(1 << 22), 1 << 22, (PERIOD, 2))
    return (integers / (1 << 23)).astype(np.float32)


class NoiseTimeline:
    """A timeline whose sound is known in advance: frame n is `sound[n % len(sound)]`."""

    def __init__(self, sound: np.ndarray) -> None:
        self.sound = sound
        self.position = 0

    @property
    def oldest(self) -> int:
        return max(0, self.position - (1 << 19))

    def read(self, start: int, frames: int) -> np.ndarray:
        assert self.oldest <= start <= start + frames <= self.position
        return self.sound.take(range(start, start + frames), axis=0, mode="wrap")


class StreamServer:
    """Serves `sound` until closed, on a thread of its own.

    Args:
        sound: Shape [frames, 2], float32.
        rate: Hz.
        port: UDP port on 127.0.0.1; 0 picks a free one, which `port` then tells.
        loss: Share of the blocks that are thrown away instead of sent, 0…1.
    """

    def __init__(self, sound: np.ndarray, rate: int = 48000, port: int = 0, loss: float = 0.0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._subscribers = Subscribers(rate)
        self._timeline = NoiseTimeline(sound)
        self._loss = loss
        self._dice = random.Random(1)
        self.lost = 0
        self._held_until = 0.0
        self._status: list[SubscriberStatus] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="stream server")

    def __enter__(self) -> StreamServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def status(self) -> list[SubscriberStatus]:
        """Return the subscribers as of the last turn of the loop."""
        return self._status

    def hold(self, seconds: float) -> None:
        """Send no sound for so long."""
        self._held_until = time.monotonic() + seconds

    def wait(self, condition: Callable[[list[SubscriberStatus]], bool], timeout: float = 30) -> None:
        """Return once `condition` holds for the subscribers' status."""
        end = time.monotonic() + timeout
        while not condition(self.status()):
            assert time.monotonic() < end, f"not reached in {timeout} s: {self.status()}"
            self._stop.wait(0.01)

    @property
    def position(self) -> int:
        """Frames played so far."""
        return self._timeline.position

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._receive()
            now = time.monotonic()
            self._subscribers.expire(now)
            self._timeline.position = max(self._timeline.position, self._subscribers.demand() or 0)
            for datagram, address in [] if now < self._held_until else self._subscribers.blocks(self._timeline, now):
                if self._dice.random() < self._loss:
                    self.lost += 1
                else:
                    self._socket.sendto(datagram, address)
            self._status = self._subscribers.status()

    def _receive(self) -> None:
        """Take in what has come; where nothing has, wait for it a little."""
        if not select.select([self._socket], [], [], TICK)[0]:
            return
        for _ in range(MOST):
            try:
                datagram, source = self._socket.recvfrom(4096, socket.MSG_DONTWAIT)
            except ConnectionRefusedError:
                continue  # somebody who was sent something has left
            except BlockingIOError:
                break
            position = self._timeline.position
            for answer, address in self._subscribers.receive(datagram, source, time.monotonic(), position):
                self._socket.sendto(answer, address)


def assert_exact(heard: np.ndarray, sound: np.ndarray, silent_blocks: int = 0) -> None:
    """Assert that a recording is one unbroken piece of `sound`, but for so many silent blocks of 64 frames.

    Args:
        heard: From the first frame of sound. Shape [frames, 2].
        sound: What was played, as for `StreamServer`.
        silent_blocks: Underruns to be expected.
    """
    blocks = heard[: len(heard) // 64 * 64].reshape(-1, 64, 2)
    silent = np.all(blocks == 0, axis=(1, 2))
    where = np.flatnonzero(silent)
    assert len(where) == silent_blocks, f"{len(where)} of {len(silent)} blocks are silent: {where[:5]} …"
    played = blocks[~silent].reshape(-1, 2)
    (start,) = np.flatnonzero(np.all(sound == played[0], axis=1))
    expected = sound.take(range(start, start + len(played)), axis=0, mode="wrap")
    differing = np.flatnonzero(np.any(played != expected, axis=1))
    assert not len(differing), f"{len(differing)} of {len(played)} frames differ, from frame {differing[0]} on"


def sine(frequency: int, rate: int) -> np.ndarray:
    """Return ten seconds of a stereo sine, in phase left and inverted right. Shape [frames, 2], float32."""
    wave = 0.5 * np.sin(2 * np.pi * frequency / rate * np.arange(10 * rate))
    return np.stack((wave, -wave), axis=1).astype(np.float32)


def assert_pure(heard: np.ndarray, frequency: int, rate: int) -> None:
    """Assert that a recording of `sine` is that sine and, 90 dB down, nothing else, inverted on the right.

    Args:
        heard: Shape [frames, 2].
        frequency: Hz.
        rate: Of the recording, Hz.
    """
    assert np.all(np.isfinite(heard))
    assert np.array_equal(heard[:, 0], -heard[:, 1])
    middle = heard[rate // 2 :, 0].astype(np.float64)
    assert len(middle) > rate
    turns = 2 * np.pi * frequency / rate * np.arange(len(middle))
    basis = np.stack((np.sin(turns), np.cos(turns)), axis=1)
    fit, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    rest = middle - basis @ fit
    assert abs(np.hypot(*fit) - 0.5) < 0.001
    assert np.sqrt(np.mean(rest**2)) < 0.5 * 10 ** (-90 / 20)
