"""The console's process: reads pictures and printed lines, and draws them in the terminal.

A thread of its own empties the pipe of printed lines, so that whoever prints never waits for a terminal that is
stopped. Ctrl-C is the server's affair: this process ends when the server says so, or is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import termios
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from petrichor.console_view import clean, draw
from petrichor.processes import name_process

KEPT = 500  # lines, printed again at the end
LARGEST = 1 << 18  # bytes of a picture
LOOK = 0.5  # seconds between two looks at whether the server lives


class Lines:
    """What was printed, read from a pipe by a thread.

    Args:
        pipe: File descriptor, owned from now on.

    Attributes:
        last: The last lines.
    """

    def __init__(self, pipe: int) -> None:
        """Start reading."""
        self.last: deque[str] = deque(maxlen=KEPT)
        self._pipe = pipe
        self._over = False
        self._thread = threading.Thread(target=self._read, name="lines", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Take what is left in the pipe, and stop: children of the server may hold its other end a little longer."""
        self._over = True
        self._thread.join(LOOK + 0.5)

    def _read(self) -> None:
        rest = b""
        while True:
            if not select.select([self._pipe], [], [], 0.05)[0]:
                if self._over:
                    break
                continue
            data = os.read(self._pipe, 65536)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            self.last.extend(line.decode(errors="replace") for line in whole)
        if rest:
            self.last.append(rest.decode(errors="replace"))


def run(feed: socket.socket, lines: Lines, console: Console) -> None:
    """Draw until the server has ended, then print the last lines below where the terminal was.

    Args:
        feed: Where pictures come from.
        lines: What was printed.
        console: Where to draw.
    """
    server = os.getppid()
    with _no_echo(), Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        picture: dict[str, Any] | None = {}
        while picture is not None and os.getppid() == server:
            live.update(draw(picture, list(lines.last), console.height), refresh=True)
            if select.select([feed], [], [], LOOK)[0]:
                picture = _newest(feed)
    lines.drain()
    for line in lines.last:
        console.print(Text(clean(line)), soft_wrap=True)


def main() -> None:
    """Run as `python -m petrichor.console FEED LINES`, with the file descriptors that the server gives."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGTTOU):  # the last: another program has the terminal
        signal.signal(each, signal.SIG_IGN)
    name_process("console")
    with contextlib.suppress(OSError):
        os.nice(5)  # sound goes before pictures
    with socket.socket(fileno=int(sys.argv[1])) as feed:
        run(feed, Lines(int(sys.argv[2])), Console(highlight=False))


@contextlib.contextmanager
def _no_echo() -> Iterator[None]:
    """Let the terminal not show what is typed for the length of a `with`: not even ^C is to tear the picture."""
    before = termios.tcgetattr(sys.stdout)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    try:
        termios.tcsetattr(sys.stdout, termios.TCSANOW, quiet)
        yield
    finally:
        termios.tcsetattr(sys.stdout, termios.TCSADRAIN, before)


def _newest(feed: socket.socket) -> dict[str, Any] | None:
    """Return the newest picture that has come; None where the server says that it ends."""
    picture: dict[str, Any] | None = json.loads(feed.recv(LARGEST))
    while picture is not None and select.select([feed], [], [], 0)[0]:
        picture = json.loads(feed.recv(LARGEST))
    return picture


if __name__ == "__main__":
    main()
