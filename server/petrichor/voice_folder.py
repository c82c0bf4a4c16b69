"""The voice folder: says which voice files have appeared or changed, once each is whole.

watchdog's thread only notes paths; the control process asks for what has settled. A scan every second catches
what events miss (network folders, a folder that vanished and returned).
"""

from __future__ import annotations

import logging
import os
import queue
import re
import stat
import time
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from petrichor.bell import Bell
from petrichor.errors import MessageError
from petrichor.printable import printable
from petrichor.voice_file import SUFFIX

log = logging.getLogger(__name__)
SETTLE_CLOSED = 0.02  # seconds after a writer closed the file or moved it into place
SETTLE_OPEN = 0.5  # seconds without a change for a file whose writer may still have it open
SCAN = 1.0  # seconds between scans

FORBIDDEN = re.compile(r"[\s#*,/?\[\]{}\x00-\x1f\udc80-\udcff]")  # in OSC addresses; the last: not UTF-8

LONGEST_NAME = 64
RESERVED = frozenset(
    {"master", "preset", "scene", "device", "audio"}
)  # what the server's own addresses and answers begin with

Signature = tuple[int, int, int]  # modification time, size, inode


class VoiceFolder:
    """Watches one folder for voice files.

    Args:
        path: The folder.
        bell: Rung from watchdog's thread when something happened.
    """

    def __init__(self, path: Path, bell: Bell) -> None:
        """Start watching."""
        self.path = path
        self._bell = bell
        self._seen: dict[Path, Signature] = {}
        self._pending: dict[Path, float] = {}  # path → monotonic time at which it counts as settled
        self._found: dict[Path, Signature] = {}  # of those that no event told of: how they were when last looked at
        self._events: queue.SimpleQueue[tuple[Path, float]] = queue.SimpleQueue()
        self._gone: list[Path] = []
        self._misnamed: set[Path] = set()  # that was said
        self._next_scan = 0.0
        self._identity: tuple[int, int] | None = None  # of the folder that is watched
        self._observer = Observer()
        self._observer.start()
        self._watch()

    def files(self) -> list[Path]:
        """Return the voice files that are there now, by name."""
        try:
            entries = sorted(self.path.glob(f"*{SUFFIX}"))
        except OSError:
            return []
        for path in entries:
            fault = name_fault(path.name.removesuffix(SUFFIX))
            if fault and path not in self._misnamed and not path.name.startswith("."):
                self._misnamed.add(path)
                log.warning("%s is not played: %s", printable(path.name), fault)
        self._misnamed.intersection_update(entries)
        return [path for path in entries if _is_voice(path)]

    def find(self, address: str, name: str) -> Path:
        """Return the path of a voice file of this folder.

        Args:
            address: The OSC address that asks, for the error.
            name: File name, with or without `.voice`.

        Raises:
            MessageError: The name leaves the folder, or there is no such file.
        """
        plain = name.removesuffix(SUFFIX)
        if not plain or plain != Path(plain).name or plain.startswith("."):
            raise MessageError(address, f"got {name!r:.60}, expected the name of a file in {self.path}")
        path = self.path / (plain + SUFFIX)
        if len(os.fsencode(path.name)) > 255 or not _is_voice(path):
            there = ", ".join(p.name.removesuffix(SUFFIX) for p in self.files()) or "none"
            raise MessageError(address, f"there is no voice {plain!r:.60} in {self.path}; there: {there}")
        return path

    def check_name(self, address: str, name: str) -> None:
        """Check that a voice can be called by a name.

        Raises:
            MessageError: It cannot stand in an OSC address, is too long, or means something else.
        """
        fault = name_fault(name)
        if fault:
            raise MessageError(address, fault)

    def note(self, path: Path) -> None:
        """Take the file's present state as known: only a later change will be reported."""
        signature = _signature(path)
        if signature is not None:
            self._seen[path] = signature

    def changed(self, now: float | None = None) -> list[Path]:
        """Return the files that have appeared or changed and settled since the last call.

        Args:
            now: Monotonic seconds; None takes the present.
        """
        now = time.monotonic() if now is None else now
        while not self._events.empty():
            path, settle = self._events.get()
            self._pending[path] = now + settle
            self._found.pop(path, None)  # events tell when it grows
        if now >= self._next_scan:
            self._next_scan = now + SCAN
            self._scan(now)
        return [path for path in list(self._pending) if self._settled(path, now)]

    def gone(self) -> list[Path]:
        """Return the files, once known, that have been found missing since the last call."""
        gone, self._gone = self._gone, []
        return gone

    @property
    def next_look(self) -> float:
        """Monotonic time at which `changed` should be asked again."""
        return min([self._next_scan, *self._pending.values()])

    def close(self) -> None:
        """Stop watching."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _watch(self) -> None:
        """Watch the folder that is at the path now: it may have been moved away and another put in its place."""
        identity = _identity(self.path)
        if identity == self._identity:
            return
        self._identity = identity
        try:
            self._observer.unschedule_all()
            if identity is None:
                log.warning("%s is gone: its voices play on", self.path)
            else:
                self._observer.schedule(_Handler(self._events, self._bell), str(self.path), recursive=False)
        except OSError as error:  # of events there are not enough, or none: some network folders, some containers
            log.warning("%s cannot be watched (%s): scanned every %.0f s", self.path, error, SCAN)

    def _scan(self, now: float) -> None:
        """Look for what events have missed."""
        self._watch()
        files = self.files()
        for path in files:
            if path in self._pending:
                continue
            signature = _signature(path)
            if signature is not None and signature != self._seen.get(path):
                self._pending[path], self._found[path] = now + SETTLE_OPEN, signature
        for path in set(self._seen).difference(files):
            del self._seen[path]
            self._gone.append(path)

    def _settled(self, path: Path, now: float) -> bool:
        if self._pending[path] > now:
            return False
        signature = _signature(path)
        if signature is not None and self._found.get(path, signature) != signature:  # still being written
            self._pending[path], self._found[path] = now + SETTLE_OPEN, signature
            return False
        del self._pending[path]
        self._found.pop(path, None)
        if signature is None or signature == self._seen.get(path):
            return False  # it went away again, or nothing is new
        self._seen[path] = signature
        return True


class _Handler(FileSystemEventHandler):
    """Notes paths; runs on watchdog's thread."""

    def __init__(self, events: queue.SimpleQueue[tuple[Path, float]], bell: Bell) -> None:
        self._events = events
        self._bell = bell

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note a change of a voice file."""
        settle = {"closed": SETTLE_CLOSED, "moved": SETTLE_CLOSED, "created": SETTLE_OPEN, "modified": SETTLE_OPEN}
        if event.event_type not in settle:
            return
        path = Path(os.fsdecode(event.dest_path if event.event_type == "moved" else event.src_path))
        if _named_voice(path):
            self._events.put((path, settle[event.event_type]))
            self._bell.ring()


def name_fault(name: str) -> str:
    """Return why no voice can be called so, or "": the name becomes part of OSC addresses."""
    if name in RESERVED:
        return f"got the name {name!r}, expected none of {', '.join(sorted(RESERVED))}: they mean something else"
    if not name or len(name) > LONGEST_NAME or name.startswith(".") or FORBIDDEN.search(name):
        return (
            f"got the name {name!r:.60}, expected 1 to {LONGEST_NAME} letters, no space and none of # * , / ? [ ] {{ }}"
        )
    return ""


def _named_voice(path: Path) -> bool:
    return path.name.endswith(SUFFIX) and not name_fault(path.name.removesuffix(SUFFIX))


def _is_voice(path: Path) -> bool:
    try:
        return _named_voice(path) and path.is_file()
    except OSError:  # a link into a folder that is shut, a stale file of a network folder: it is none, others may be
        return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _signature(path: Path) -> Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
