"""The control process's side of the sound card's process: started, listened to, started again when the card is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from petrichor.bell import Bell
from petrichor.card import CardOptions, Lost, Missing, Opened, run_card
from petrichor.processes import backoff, collect_process, end_process, start_process
from petrichor.segment import Segment

log = logging.getLogger(__name__)
AGAIN = 1.0  # seconds before a process that ended is started again
HANG = 10.0  # seconds without a report, a look for the card or a callback, after which the process is killed


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
        self._failures = 0  # starts that failed in a row
        self._looked = self._since = 0.0
        self._stop, self._theirs = Bell.pair()
        if options is not None:
            self._start(time.monotonic())

    @property
    def sources(self) -> list[Connection]:
        """What to wait for."""
        return [] if self._reports is None else [self._reports]

    def attend(self) -> None:
        """Take one report of the process, or its end."""
        assert self._reports is not None, "one of `sources`"
        try:
            report: Any = self._reports.recv()
        except (EOFError, OSError):
            self._ended()
            return
        self.known, self._since = True, time.monotonic()
        if isinstance(report, Opened):
            self.device, self.rate = report.device, report.rate
            self._tell(self.device, self.rate, "")
        elif isinstance(report, (Missing, Lost)):
            self.device, self.rate = "", 0
            self._tell("", 0, report.reason)

    def look_after(self, now: float) -> None:
        """Start the process again when its time has come; kill it if it hangs: its end then shows in its reports."""
        slept, self._looked = now - self._looked > HANG / 2, now
        if self._start_at is not None and self._start_at <= now:
            self._start(now)
        elif slept:  # this process was stopped itself, and so perhaps was that one
            self._since = now
        elif self._process is not None and now - max(float(self._segment.card["beat"]), self._since) > HANG:
            log.error("the process of the sound device gave no sign of life for %g s and is replaced", HANG)
            self._process.kill()
            self._since = now

    def close(self) -> None:
        """End the process; one that hangs in a library is killed."""
        self._stop.ring()
        self._options = None
        if self._process is not None and self._reports is not None:
            end_process(self._process, self._reports, 1.0)
        self._stop.close()
        self._theirs.close()

    def _start(self, now: float) -> None:
        """Start the process; what fails is tried again later."""
        try:
            self._process, self._reports = start_process(
                self._context, "card", run_card, self._options, self._wake, self._theirs
            )
        except (OSError, EOFError) as error:  # no memory, no process or no descriptor to be had
            self._failures += 1
            delay = backoff(self._failures)
            self._start_at = now + delay
            log.error("no process for the sound device could be started (%s); tried again in %g s", error, delay)
            return
        self._start_at, self._failures, self._since = None, 0, now

    def _ended(self) -> None:
        assert self._process is not None and self._reports is not None
        collect_process(self._process, self._reports)
        self._process = self._reports = None
        self._segment.card["active"] = 0
        if self.device:
            self._tell("", 0, f"the process of the sound device {self.device!r} died")
            self.device, self.rate = "", 0
        self._start_at = time.monotonic() + AGAIN
