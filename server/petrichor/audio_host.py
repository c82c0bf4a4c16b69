"""The control process's side of the audio process: started, told, listened to, replaced."""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

from petrichor.audio import AudioOptions, run_audio
from petrichor.bell import Bell
from petrichor.orders import Quit
from petrichor.segment import Segment

log = logging.getLogger(__name__)
HANG = 1.5  # seconds without a sign of life, after which the audio process is killed; it gives one ten times a second
MOST_ORDERS = 10_000  # that wait for the audio process; more is a process that is gone


class AudioHost:
    """The audio process.

    Args:
        options: See `AudioOptions`.
        segment: The shared memory.
        streams: Bound UDP socket of the stream subscribers; outlives every audio process.
        bells: For each slot the audio process's end.
        context: How processes are started.

    Attributes:
        wake: Bell that wakes the audio process; its other end is the process's.
        restarts: How often the process had to be replaced.
    """

    def __init__(
        self,
        options: AudioOptions,
        segment: Segment,
        streams: socket.socket,
        bells: list[Bell],
        context: BaseContext,
    ) -> None:
        """Start it."""
        self._options = options
        self._segment = segment
        self._streams = streams
        self._bells = bells
        self._context = context
        self._waiting: deque[object] = deque(maxlen=MOST_ORDERS)  # orders that found no room yet
        self.wake, self._theirs = Bell.pair()
        self.restarts = 0
        self._looked = 0.0
        self._since = time.monotonic()
        self._process, self._reports = self._start()

    @property
    def reports(self) -> Connection:
        """What to wait for: the process's reports; its end shows there too, as end of file."""
        return self._reports

    def order(self, order: object) -> None:
        """Send an order; where there is no room it waits."""
        self._waiting.append(order)
        self.flush()

    def flush(self) -> None:
        """Send the orders that wait, as far as there is room."""
        sent = False
        while self._waiting and self._segment.orders.put([self._waiting[0]]):
            self._waiting.popleft()
            sent = True
        if sent:
            self.wake.ring()

    def receive(self) -> object | None:
        """Return one report, or None where the process is gone: then `restart` it."""
        try:
            report: object = self._reports.recv()
        except (EOFError, OSError):
            return None
        return report

    def restart(self) -> None:
        """Start another process in the place of one that is gone; the mix goes on from where it was."""
        self._process.join()
        self._reports.close()
        self._segment.orders.clear()
        self._waiting.clear()
        self.restarts += 1
        self._process, self._reports = self._start()

    def look_after(self, now: float) -> None:
        """Kill the process if it hangs: its end then shows in its reports."""
        slept, self._looked = now - self._looked > HANG / 2, now
        beat = max(float(self._segment.meters["beat"]), self._since)
        if slept:  # this process was stopped itself, and so perhaps was that one
            self._since = now
        elif now - beat > HANG and self._process.is_alive():
            log.error("the audio process gave no sign of life for %.1f s", now - beat)
            self._process.kill()
        self.flush()

    def close(self) -> None:
        """Ask the process to end, and see that it does."""
        self.order(Quit())
        self._process.join(3.0)
        if self._process.is_alive():
            log.error("the audio process did not end by itself")
            self._process.kill()
            self._process.join()
        self._process.close()
        self._reports.close()
        self.wake.close()
        self._theirs.close()

    def _start(self) -> tuple[BaseProcess, Connection]:
        self._since = time.monotonic()
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(  # type: ignore[attr-defined]  # typeshed has it in each kind of context only
            target=run_audio,
            args=(self._options, self._streams, self._bells, self._theirs, theirs),
            name="petrichor-audio",
            daemon=True,
        )
        process.start()
        theirs.close()
        return process, ours
