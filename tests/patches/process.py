"""Programs under test: started in a session of their own, watched by what they print, ended for certain."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATCHES = Path(__file__).parents[2] / "patches"
PACKAGES = {
    "jackd": "jackd2",
    "jack_wait": "jackd2",
    "pd": "puredata-core",
    "scsynth": "supercollider-server",
    "sclang": "supercollider-language",
    "Xvfb": "xvfb",
}


def program(name: str) -> str:
    """Return the path of a program, or fail with the package that has it."""
    path = shutil.which(name)
    assert path, f"{name} is not installed: apt-get install {PACKAGES[name]}"
    return path


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """Return a port of 127.0.0.1 that nobody has just now, of UDP unless `kind` says otherwise."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], timeout: float, what: Callable[[], str] | str = "") -> None:
    """Return once `condition` holds; fail after `timeout` seconds, saying `what` is missing."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what if isinstance(what, str) else what()}")
        threading.Event().wait(0.01)


def runs(process: int) -> bool:
    """Whether a process is there and no zombie: who has lost its parent waits for process 1 to notice its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Process:
    """A running program and everything it printed.

    Args:
        command: Program and arguments.
        environment: Additions to this process's own.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [program(command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            start_new_session=True,  # so that one signal reaches whatever it starts itself
        )
        self._reader = threading.Thread(target=self._read, name=f"{command[0]} output")
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return "\n".join(self.lines)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_line(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Return the match of the first printed line that `pattern` is found in."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(match for line in list(self.lines) if (match := re.search(pattern, line)))
            return bool(found) or not (self.running or self._reader.is_alive())

        wait_for(look, timeout, lambda: f"{pattern!r} in the output:\n{self.output}")
        assert found, f"ended without {pattern!r}:\n{self.output}"
        return found[0]

    def wait_end(self, timeout: float = 30) -> None:
        """Return once the program has ended by itself and its output is complete."""
        wait_for(lambda: not self.running, timeout, lambda: f"the end of it:\n{self.output}")
        self._reader.join()

    def kill(self) -> None:
        """End the program as an accident does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the program and whatever it started."""
        for sign, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # children that outlived it
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
