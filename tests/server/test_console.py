"""The console: its pictures drawn without a terminal, and a real server in a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from petrichor.bench.client import Client
from petrichor.bench.rig import PORTS, descendants
from petrichor.console_host import console
from petrichor.console_view import clean, draw, meter
from petrichor.picture import MOST_VOICES
from tests.live_server import Listener, left_behind, wait_until
from tests.patches.process import runs

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
PICTURE = {
    "where": "OSC on 127.0.0.1:9000, streams on 9001",
    "voices": [
        {"name": "bird", "state": "playing", "level": [-1.0, -20.0], "intensity": 0.25, "gain": -6.0, "mute": 0},
        {"name": "rain", "state": "failed", "level": [-120.0, -120.0], "intensity": None, "gain": None, "mute": None},
    ],
    "master": [-1.0, -20.0, -2.5],
    "gain": 0.0,
    "listeners": [["127.0.0.1:5005", 4096, 44100, 3]],
    "scene": "storm",
    "messages": ["127.0.0.1:7000  /bird/gain -6"],
    "subscribers": 1,
    "underruns": 3,
    "restarts": 0,
    "concealed": 12,
    "device": "",
    "recording": "takes/one.wav",
    "waiting": 2,
}


def drawn(picture: dict[str, object], lines: list[str], height: int = 30, width: int = 110) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, height=height).print(draw(picture, lines, height))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_picture_shows_what_matters() -> None:
    text = "\n".join(drawn(PICTURE, ["12:00:00 INFO rain: is heard"]))
    for part in (
        "OSC on 127.0.0.1:9000",
        "-20.0 dB  intensity 0.25   -6.0 dB",
        "rain    failed",
        "limiter -2.5 dB",
        "1 listen  underruns 3  restarts 0  concealed 12 ms  no sound card  scene storm  ● takes/one.wav",
        "127.0.0.1:5005  fill 4096 of 44100 Hz  underruns 3",
        "2 wait for their time",
        "/bird/gain -6",
        "12:00:00 INFO rain: is heard",
    ):
        assert part in text, text


@pytest.mark.parametrize("voices", [2, MOST_VOICES])
@pytest.mark.parametrize("height", [12, 16, 24, 60])
def test_a_picture_fits_the_terminal(height: int, voices: int) -> None:
    picture = {**PICTURE, "messages": ["x" * 300] * 8, "voices": PICTURE["voices"][:1] * voices}
    lines = drawn(picture, [f"line {i} " + "y" * 300 for i in range(500)], height)
    assert len(lines) <= height and lines[-1].startswith("line 499 ")
    assert drawn({}, ["at the start"])[-1] == "at the start"


def test_nothing_that_was_sent_steers_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\tc\u202e") == "a·[2Jb· c·"
    picture = {**PICTURE, "messages": ["/\x1b[2J"], "scene": "[red]\x1b]0;x"}
    assert "\x1b" not in "\n".join(drawn(picture, ["\x1b[2J [bold]markup[/bold]"]))
    assert "[bold]markup[/bold]" in "\n".join(drawn(picture, ["[bold]markup[/bold]"]))


def test_a_meter_is_as_long_as_the_level_is_high() -> None:
    bars = [meter(level, level).plain.count("█") for level in (-120.0, -60.0, -30.0, 0.0, 6.0)]
    assert bars == [0, 0, 12, 24, 24]


def test_without_a_terminal_there_is_none() -> None:
    with console(plain=False) as host:
        assert host is None, "pytest holds the outputs"


class Terminal:
    """`petrichor serve` in a pseudo-terminal; what it draws is read by a thread."""

    def __init__(self, voices: Path, *options: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
        command = [sys.executable, "-m", "petrichor", "serve", "--port", "0", "--device", "none", *options]
        # The shell's part: a session whose terminal this is, in the foreground.
        begin = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", begin, *command, "--voices", str(voices)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=voices.parent,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)
        self.drawn = b""
        self.reads = threading.Event()
        self.reads.set()
        self._over = False
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def text(self) -> str:
        """All that was drawn, without what steers the terminal."""
        return ESCAPES.sub("", self.drawn.decode(errors="replace"))

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reads.set()
        self._over = True
        self._thread.join()
        os.close(self._master)

    def _read(self) -> None:
        while not self._over:
            if self.reads.wait(0.1) and select.select([self._master], [], [], 0.05)[0]:
                try:
                    self.drawn += os.read(self._master, 65536)
                except OSError:  # nobody has the other end any more
                    return


@pytest.fixture
def voices(tmp_path: Path, voice_paths: dict[str, Path]) -> Path:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder / "drizzle.voice")
    shutil.copy(voice_paths["stream"], folder / "river.voice")
    return folder


@contextlib.contextmanager
def terminal(voices: Path, *options: str) -> Iterator[Terminal]:
    it = Terminal(voices, *options)
    try:
        yield it
    finally:
        it.close()


def test_a_server_draws_in_a_terminal_and_ctrl_c_ends_it(voices: Path) -> None:
    with terminal(voices) as it:
        wait_until(lambda: PORTS.search(it.text), "the ports")
        found = PORTS.search(it.text)
        assert found is not None
        port, stream_port = int(found[1]), int(found[2])
        client = Client(port)
        client.settle()
        with Listener(stream_port) as listener:
            listener.take(24_000)
            client.send("/drizzle/intensity", 0.875)
            client.send("/nobody/gain", 1)
            wait_until(lambda: re.search(r"drizzle +playing +\S+ +-\d+\.\d dB +intensity 0\.88", it.text), "a level")
            wait_until(lambda: re.search(r"river +playing +\S+ +-\d+\.\d dB +intensity 0\.50", it.text), "the other")
            wait_until(lambda: "1 listen" in it.text and "fill 2048 of 48000 Hz" in it.text, "the listener")
            wait_until(lambda: "/drizzle/intensity 0.875" in it.text, "the message")
            wait_until(lambda: "nothing is called 'nobody'" in it.text, "the log")
        client.close()
        assert not it.echoes()
        children = descendants(it.process.pid)
        assert "petrichor-conso" in children.values()
        assert it.drawn.startswith(b"\x1b[?1049h"), "nothing is printed beside the picture"
        it.press(b"\x03")
        assert it.process.wait(10) == 0
        wait_until(lambda: not any(map(runs, children)), "its processes to end")
        after = it.drawn.rpartition(b"\x1b[?1049l")[2].decode()
        assert "petrichor: OSC on" in after and "got SIGINT: ending" in after, "the log is left"
        assert it.echoes() and not left_behind(it.process.pid)


def test_a_terminal_that_is_stopped_holds_nobody_up(voices: Path) -> None:
    with terminal(voices) as it:
        wait_until(lambda: "intensity" in it.text, "a picture")
        found = PORTS.search(it.text)
        assert found is not None
        client = Client(int(found[1]))
        client.settle()
        it.reads.clear()
        for number in range(1500):  # far more log lines than a pipe holds, and far more to draw than a terminal holds
            client.send("/clearSched")
            if number % 100 == 0:
                client.settle()
        client.settle()
        it.reads.set()
        client.close()
        it.press(b"\x03")
        assert it.process.wait(10) == 0


def test_a_console_that_dies_leaves_the_server_and_plain_lines(voices: Path) -> None:
    with terminal(voices) as it:
        wait_until(lambda: "intensity" in it.text, "a picture")
        (number,) = (each for each, name in descendants(it.process.pid).items() if name == "petrichor-conso")
        os.kill(number, signal.SIGKILL)
        wait_until(lambda: "the console has ended; plain lines from here" in it.text, "plain lines")
        found = PORTS.search(it.text)
        assert found is not None
        client = Client(int(found[1]))
        client.ask("/nobody/gain", 1, reply="/fail")
        client.close()
        wait_until(lambda: "nothing is called 'nobody'" in it.text, "the log")
        it.press(b"\x03")
        assert it.process.wait(10) == 0


def test_plain_lines_where_they_are_wanted_and_where_the_terminal_cannot_draw(voices: Path) -> None:
    with terminal(voices, "--plain") as it:
        wait_until(lambda: "river.voice is heard" in it.text, "the log")
        assert b"\x1b" not in it.drawn
        it.press(b"\x03")
        assert it.process.wait(10) == 0


def test_the_server_imports_no_rich() -> None:
    code = "import sys, petrichor.server, petrichor.command_line; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "petrichor.picture" in loaded and not [name for name in loaded if name.split(".")[0] == "rich"]
