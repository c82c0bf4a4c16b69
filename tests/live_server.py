"""A real `petrichor serve` in a process of its own, an OSC client and a listener, all over real UDP."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from petrichor.bench.client import PATIENCE
from petrichor.bench.rig import Served
from petrichor.osc import encode, parse_datagram
from tests.patches.process import runs, wait_for

TIMEOUT = PATIENCE


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once `condition()` is true; fail with `what` where it never is."""
    wait_for(condition, TIMEOUT, what)


class Listener:
    """A stream subscriber: pulls sound over UDP as fast as the server gives it.

    Args:
        port: The server's stream port on loopback.
        rate: Hz.
        fill: Frames that it asks for ahead of what it has taken.
    """

    def __init__(self, port: int, rate: int = 48000, fill: int = 2048) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(0.05)
        self._socket.send(encode("/subscribe", "f32", 2, 256, fill, rate))
        self._token = 0
        self._position = 0
        deadline = time.monotonic() + TIMEOUT
        while not self._token:
            assert time.monotonic() < deadline, "no /subscribed"
            self._receive()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.send(encode("/unsubscribe", self._token))
        self._socket.close()

    def take(self, frames: int) -> np.ndarray:
        """Return the next frames. Shape [frames or a few more, 2]"""
        blocks: list[np.ndarray] = []
        taken = 0
        deadline = time.monotonic() + TIMEOUT
        while taken < frames:
            assert time.monotonic() < deadline, f"got {taken} of {frames} frames in {TIMEOUT:.0f} s"
            self._pull()
            while (block := self._receive()) is not None:
                blocks.append(block)
                taken += len(block)
                if taken >= frames or taken % 1024 == 0:
                    break
        return np.concatenate(blocks)

    def report_underruns(self, count: int) -> None:
        """Pull once, telling of so many underruns (as a float: they may exceed an OSC int)."""
        position = self._position % (1 << 19)
        self._socket.send(encode("/pull", self._token, position, position, float(count)))

    def _pull(self) -> None:
        position = self._position % (1 << 19)
        self._socket.send(encode("/pull", self._token, position, position, 0))

    def _receive(self) -> np.ndarray | None:
        try:
            (message,) = parse_datagram(self._socket.recv(65536))
        except (TimeoutError, ConnectionRefusedError):
            return None
        if message.address == "/subscribed":
            self._token = int(message.args[0])  # type: ignore[call-overload]
            return None
        assert message.address == "/block", message
        if message.args[0] != self._position % (1 << 19):
            return None
        block = np.array(message.args[1:], np.float32).reshape(2, -1).T
        self._position += len(block)
        return block


class LiveServer(Served):
    """A running server with its voice folder.

    Args:
        voices: Folder of voice files.
        recordings: Folder for recordings.
        device: Sound device.
        *options: More options of `petrichor serve`.
    """

    def __init__(self, voices: Path, recordings: Path, device: str = "none", *options: str) -> None:
        super().__init__(voices, recordings, ["--device", device, *options])
        self.client.heard.clear()

    def renderers(self) -> list[int]:
        """Return the process numbers of its renderers, oldest first."""
        others = ("petrichor-audio", "petrichor-card")
        names = self.children().items()
        return [number for number, name in names if name.startswith("petrichor-") and name not in others]

    def record(self, name: str, during: Callable[[], object]) -> np.ndarray:
        """Record the mix while `during()` runs, and return it. Shape [frames, 2]"""
        self.client.ask("/record", name, reply="/done")
        during()
        self.client.ask("/record", reply="/done")
        sound, _ = soundfile.read(self.recordings / name, dtype="float32")
        return sound

    def stop(self) -> None:
        """End it as a performer does, and see that nothing is left."""
        children = self.children()
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        assert self.process.returncode == 0, self.log
        wait_until(lambda: not any(map(runs, children)), "its processes to end")
        assert not left_behind(self.process.pid)


def left_behind(server: int) -> list[Path]:
    """Return the shared memory and copies of voices that a server has not removed."""
    folders = (Path("/dev/shm"), Path(tempfile.gettempdir()))
    return [path for folder in folders for path in folder.glob(f"petrichor-{server}-*")]


@contextmanager
def tiny_server(voice_paths: Mapping[str, Path], folder: Path, *options: str) -> Iterator[LiveServer]:
    """A server with the tiny bird and rain, which keeps everything in `folder`, for the length of a `with`."""
    (folder / "voices").mkdir()
    for name in ("bird", "rain"):
        shutil.copy(voice_paths[name], folder / "voices")
    with live_server(folder / "voices", folder / "recordings", "none", *options) as server:
        yield server


@contextmanager
def live_server(voices: Path, recordings: Path, device: str = "none", *options: str) -> Iterator[LiveServer]:
    """A server for the length of a `with`, ended even where the test fails."""
    server = LiveServer(voices, recordings, device, *options)
    try:
        yield server
    except BaseException:
        server.client.close()
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        print(server.log)
        raise
    server.stop()
