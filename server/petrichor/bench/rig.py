"""A real `petrichor serve` in processes of its own, with a voice folder, for measuring."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from petrichor.bench.client import PATIENCE, Client
from petrichor.errors import PetrichorError
from petrichor.status import FIGURES
from petrichor.voice_file import SUFFIX

if TYPE_CHECKING:
    from typing_extensions import Self

PROBES = {name: Path(__file__).with_name(f"{name}.voice") for name in ("probe-1", "probe-2")}
PITCHES = {"probe-1": 1000.0, "probe-2": 1400.0}  # Hz at latent 0
PORTS = re.compile(r"OSC on \S+:(\d+), streams on (\d+)")


class Served:
    """A running server, started here.

    Args:
        voices: The voice folder.
        recordings: The recordings folder; the server's log goes beside it.
        options: More options of `petrichor serve`.

    Attributes:
        voices: The voice folder.
        recordings: The recordings folder.
        process: The control process, in a session of its own.
        client: A client that is notified.
        port: UDP port of control messages.
        stream_port: UDP port of sound streams.
        started: Steady clock just before the start.
    """

    def __init__(self, voices: Path, recordings: Path, options: Sequence[str] = ()) -> None:
        """Start it, and wait until every voice is in the mix."""
        self.voices = voices
        self.recordings = recordings
        self._log = recordings.parent / "server.log"
        command = [sys.executable, "-m", "petrichor", "serve", "--port", "0"]
        command += ["--voices", str(voices), "--recordings", str(recordings)]
        command += ["--no-query", "--presets", str(recordings.parent / "presets"), *options]
        with self._log.open("w") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self._meet()
        except BaseException:
            self.kill()
            raise

    def _meet(self) -> None:
        while (found := PORTS.search(self.log)) is None:
            if self.process.poll() is not None or time.monotonic() - self.started > PATIENCE:
                raise PetrichorError(f"the server did not start:\n{self.log}")
            time.sleep(0.002)
        self.port, self.stream_port = int(found[1]), int(found[2])
        self.client = Client(self.port)
        self.client.ask("/notify", 1, reply="/done")
        self.client.settle()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def close(self) -> None:
        """End it as a performer does, and whatever is left of it by force."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End it by force."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        if hasattr(self, "client"):
            self.client.close()

    def children(self) -> dict[int, str]:
        """Return the processes that the server has started, directly or not: number → name."""
        return descendants(self.process.pid)

    def named(self, name: str) -> list[int]:
        """Return the numbers of the processes that play a part ("audio", "card", or a voice's name), oldest first."""
        wanted = f"petrichor-{name}".encode()[:15].decode(errors="replace")
        return sorted((number for number, called in self.children().items() if called == wanted), key=_age_key)

    def status(self) -> dict[str, object]:
        """Return what `/status` tells, by name; "voices" is a list of (name, state, latent size)."""
        args = self.client.ask("/status", reply="/status.reply").args
        told = dict(zip(FIGURES, args, strict=False))
        voices = args[len(FIGURES) + 1 :]
        told["voices"] = list(zip(voices[::3], voices[1::3], voices[2::3], strict=True))
        return told


class Rig(Served):
    """A running server with a voice folder of its own: `with Rig({"a": PROBES["probe-1"]}) as rig: …`.

    Args:
        voices: Name → voice file, copied into the folder.
        options: More options of `petrichor serve`.
    """

    def __init__(self, voices: Mapping[str, Path], options: Sequence[str] = ()) -> None:
        """Start it, and wait until every voice is in the mix."""
        self._temporary = tempfile.TemporaryDirectory(prefix="petrichor-rig-")
        root = Path(self._temporary.name)
        folder = root / "voices"
        folder.mkdir()
        for name, path in voices.items():
            (folder / f"{name}.voice").write_bytes(path.read_bytes())
        super().__init__(folder, root / "recordings", ["--device", "none", "--max-rate", "0", *options])

    def kill(self) -> None:
        """End it by force, and remove its folder."""
        super().kill()
        self._temporary.cleanup()

    def check(self) -> None:
        """See that every voice plays, and that none had to be started again.

        Raises:
            PetrichorError: One does not, or had.
        """
        status = self.status()
        playing = {name: state for name, state, _ in status["voices"]}  # type: ignore[attr-defined]
        wanted = {path.name.removesuffix(SUFFIX) for path in self.voices.glob(f"*{SUFFIX}")}
        if set(playing) != wanted or set(playing.values()) != {"playing"} or status["restarts"]:
            raise PetrichorError(f"got {playing} and {status['restarts']} restarts, expected {sorted(wanted)} to play")

    def replace(self, name: str, path: Path) -> float:
        """Replace a voice file, and return the steady clock when it was complete."""
        temporary = self.voices / f".{name}.next"
        temporary.write_bytes(path.read_bytes())
        temporary.replace(self.voices / f"{name}.voice")
        return time.monotonic()

    def renderer(self, name: str) -> int:
        """Return the number of the process that plays a voice; the youngest, where one is being replaced."""
        found = self.named(name)
        if not found:
            raise PetrichorError(f"no process plays {name}")
        return found[-1]

    def memory(self) -> float:
        """Return the memory of all processes, in MB; pages that several share count once."""
        return sum(_proportional(process) for process in (self.process.pid, *self.children()))

    def processor_time(self) -> dict[int, float]:
        """Return the seconds of processor time that each process has taken."""
        return {process: processor_time(process) for process in (self.process.pid, *self.children())}


def descendants(process: int) -> dict[int, str]:
    """Return the processes that a process has started, directly or not: number → name, by number.

    Each is asked for its parent: the kernel's own lists of children leave out some while others end.
    """
    names: dict[int, str] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
        except OSError:  # it has just ended
            continue
        number = int(folder.name)
        names[number] = name
        children.setdefault(int(rest.split()[1]), []).append(number)
    found, waiting = [], [process]
    while waiting:
        started = children.get(waiting.pop(), [])
        found += started
        waiting += started
    return {number: names[number] for number in sorted(found)}


def processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has taken, 0 where it has ended; exact, unlike /proc/stat."""
    total = 0
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except OSError:
        pass
    return total / 1e9


def _proportional(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def _age_key(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
