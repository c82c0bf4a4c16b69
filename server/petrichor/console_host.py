"""The server's side of the console: a process that draws, told a few times a second what there is to see.

The control process writes one small datagram and never waits for the console: where the terminal is stopped, pictures
are left out. Whatever the server's processes print (log lines, a library's complaint) goes through a pipe to the
console as well, so that nothing tears the picture.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)
INTERVAL = 0.2  # seconds between two pictures
PATIENCE = 3.0  # seconds that the console has to end: its terminal may be stopped
OUTPUTS = (1, 2)  # file descriptors of what is printed


class ConsoleHost:
    """A running console, which has this process's terminal until `close`."""

    def __init__(self) -> None:
        """Start it, and give it what is printed from now on."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        lines, printed = os.pipe()
        _flush()
        self._terminal = [os.dup(each) for each in OUTPUTS]
        try:
            command = [sys.executable, "-m", "petrichor.console", str(theirs.fileno()), str(lines)]
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(), lines), stdin=subprocess.DEVNULL)
            for each in OUTPUTS:
                os.dup2(printed, each)
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(lines)
            os.close(printed)

    def show(self, picture: Mapping[str, object]) -> None:
        """Tell what there is to see; without waiting, and for nothing where the console is behind."""
        if not self._terminal:
            return
        try:
            self._ours.send(json.dumps(picture).encode())
        except BlockingIOError:
            pass
        except OSError:
            self._give_back()
            log.warning("the console has ended; plain lines from here")

    def close(self) -> None:
        """End it, and take the terminal back. It prints the last lines before."""
        self._give_back()
        with contextlib.suppress(OSError):
            self._ours.settimeout(PATIENCE)
            self._ours.send(b"null")
        self._ours.close()
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _give_back(self) -> None:
        _flush()
        while self._terminal:
            terminal = self._terminal.pop()
            os.dup2(terminal, OUTPUTS[len(self._terminal)])
            os.close(terminal)


@contextlib.contextmanager
def console(plain: bool) -> Iterator[ConsoleHost | None]:
    """Give a console for the length of a `with`, or None: not in a terminal, not wanted, or no `rich` to draw it.

    Args:
        plain: Whether it is not wanted.
    """
    if plain or not _has_terminal() or importlib.util.find_spec("rich") is None:
        yield None
        return
    host = ConsoleHost()
    try:
        yield host
    finally:
        host.close()


def _has_terminal() -> bool:
    """Return whether this is the foreground program of a terminal that can draw."""
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown") or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.tcgetpgrp(OUTPUTS[0]) == os.getpgrp()  # a shell's "&" leaves the terminal to others
    except OSError:
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads any more, a stream that is closed
            stream.flush()
