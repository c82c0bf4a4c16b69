"""The control process's side of the query process: started, started again when it dies. Nothing depends on it."""

from __future__ import annotations

import logging
import time
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

from petrichor.processes import LATEST, backoff, collect_process, end_process, start_process
from petrichor.query.query_process import Listening, QueryOptions, Refused, run_query

log = logging.getLogger(__name__)


class QueryHost:
    """The query process, which is there as long as it is wanted.

    Args:
        options: Where it listens, or None for no query process.
        context: How processes are started.

    Attributes:
        port: TCP port, as bound, or 0 as long as that is not known.
    """

    def __init__(self, options: QueryOptions | None, context: BaseContext) -> None:
        """Start it."""
        self.port = 0
        self._options, self._context = options, context
        self._process: BaseProcess | None = None
        self._reports: Connection | None = None
        self._failures, self._since = 0, 0.0
        self._start_at: float | None = 0.0 if options is not None else None

    @property
    def sources(self) -> list[Connection]:
        """What to wait for."""
        return [] if self._reports is None else [self._reports]

    def attend(self) -> None:
        """Take one report of the process, or its end."""
        assert self._reports is not None, "one of `sources`"
        try:
            report = self._reports.recv()
        except (EOFError, OSError):
            self._ended()
            return
        if isinstance(report, Listening):
            self.port = report.port
            host = self._options.host if self._options else ""
            log.info("OSCQuery %s http://%s:%d", "is advertised:" if report.advertised else "on", host, report.port)
        elif isinstance(report, Refused) and self._options is not None:
            log.warning("OSCQuery: %s:%d cannot be bound: %s", self._options.host, self._options.port, report.reason)

    def look_after(self, now: float) -> None:
        """Start the process, again if it died, when its time has come."""
        if self._start_at is None or self._start_at > now or self._options is None:
            return
        self._start_at, self._since = None, now
        try:
            self._process, self._reports = start_process(self._context, "query", run_query, self._options)
        except (OSError, EOFError) as error:
            log.error("no process for OSCQuery could be started (%s)", error)
            self._later(now)

    def close(self) -> None:
        """End the process."""
        self._options = self._start_at = None
        if self._process is not None and self._reports is not None:
            self._process.terminate()
            end_process(self._process, self._reports, 1.0)
        self._process = self._reports = None

    def _ended(self) -> None:
        assert self._process is not None and self._reports is not None
        collect_process(self._process, self._reports)
        self._process = self._reports = None
        now = time.monotonic()
        if now - self._since > LATEST:  # else it may do so each time, however well it began
            self._failures = 0
        self._later(now)

    def _later(self, now: float) -> None:
        self._failures += 1
        self._start_at = now + backoff(self._failures)
