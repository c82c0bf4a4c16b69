"""The control process's side of the sound card's process: started, listened to, started again when the card is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from petrichor.bell import Bell
from petrichor.card import CardOptions, Lost, Missing, Opened, run_card
from petrichor.segment import Segment

AGAIN = 1.0  # seconds before a process that ended is started again


class CardHost:
    """The sound card's process, which is there as long as a card is wanted.

    Args:
        options: Which card, or None for none.
        segment: The shared memory.
        wake: Bell that wakes the audio process.
        context: How processes are started.
        tell: Told of changes: (name of the device that plays or "", its rate, why none plays or "").

    Attributes:
        device: The device that plays, or "".
        rate: Hz, of the device, or 0.
        known: Whether the process has said whether there is a device.
    """

    def __init__(
        self,
        options: CardOptions | None,
        segment: Segment,
        wake: Bell,
        context: BaseContext,
        tell: Callable[[str, int, str], None],
    ) -> None:
        """Start it."""
        self.device, self.rate = "", 0
        self.known = options is None
        self._options = options
        self._segment = segment
        self._wake = wake
        self._context = context
        self._tell = tell
        self._process: BaseProcess | None = None
        self._reports: Connection | None = None
        self._start_at: float | None = None
        self._stop, self._theirs = Bell.pair()
        if options is not None:
            self._start()

    @property
    def sources(self) -> list[Connection]:
        """What to wait for."""
        return [] if self._reports is None else [self._reports]

    @property
    def next_start(self) -> float | None:
        """Steady clock at the next start that waits, or None."""
        return self._start_at

    def attend(self) -> None:
        """Take one report of the process, or its end."""
        assert self._reports is not None, "one of `sources`"
        try:
            report: Any = self._reports.recv()
        except (EOFError, OSError):
            self._ended()
            return
        self.known = True
        if isinstance(report, Opened):
            self.device, self.rate = report.device, report.rate
            self._tell(self.device, self.rate, "")
        elif isinstance(report, (Missing, Lost)):
            self.device, self.rate = "", 0
            self._tell("", 0, report.reason)

    def look_after(self, now: float) -> None:
        """Start the process again when its time has come."""
        if self._start_at is not None and self._start_at <= now:
            self._start()

    def close(self) -> None:
        """End the process; one that hangs in a library is killed."""
        self._stop.ring()
        self._options = None
        if self._process is not None:
            self._process.join(1.0)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()
        if self._reports is not None:
            self._reports.close()
        self._stop.close()
        self._theirs.close()

    def _start(self) -> None:
        self._start_at = None
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(  # type: ignore[attr-defined]
            target=run_card, args=(self._options, self._wake, theirs, self._theirs), name="petrichor-card", daemon=True
        )
        with contextlib.closing(theirs):
            process.start()
        self._process, self._reports = process, ours

    def _ended(self) -> None:
        assert self._process is not None and self._reports is not None
        self._process.join()
        self._process.close()
        self._reports.close()
        self._process = self._reports = None
        self._segment.card["active"] = 0
        if self.device:
            self._tell("", 0, f"the process of the sound device {self.device!r} died")
            self.device, self.rate = "", 0
        self._start_at = time.monotonic() + AGAIN
