"""The control process's side of the audio process: started, told, listened to, replaced."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

from petrichor.audio import AudioOptions, run_audio
from petrichor.bell import Bell
from petrichor.orders import Place, Quit
from petrichor.processes import backoff, collect_process, end_process, start_process
from petrichor.segment import Segment

log = logging.getLogger(__name__)
HANG = 1.5  # seconds without a sign of life, after which the audio process is killed; it gives one ten times a second
QUICK = 1.0  # seconds: a process that dies within them died of its start, and the next one waits
FALL = 0.1  # seconds in which the mix goes to silence
LAST = 1 << 62  # position of the mix that is never reached: no cue comes after it
MOST_ORDERS = 100_000  # that wait for it: twice what 1000 messages a second to 32 voices give until it is killed


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

    Raises:
        OSError: The first process cannot be started.
        EOFError: As well.
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
        self._started = self._since = time.monotonic()
        self._failures = 0  # in a row: starts that failed, and processes that died at once
        self._start_at: float | None = None
        self._process: BaseProcess | None = None
        self._reports: Connection | None = None
        try:
            self._start()
        except BaseException:
            self.wake.close()
            self._theirs.close()
            raise

    @property
    def sources(self) -> list[Connection]:
        """What to wait for: the process's reports; its end shows there too, as end of file."""
        return [] if self._reports is None else [self._reports]

    def order(self, order: object) -> None:
        """Send an order; where there is no room it waits."""
        self._waiting.append(order)
        self.flush()

    def flush(self) -> None:
        """Send the orders that wait, as far as there is room."""
        sent = False
        while self._waiting:
            try:
                if not self._segment.orders.put([self._waiting[0]]):
                    break
                sent = True
            except ValueError as error:  # our own mistake: it must not hold up the others
                log.error("%.60r is not sent: %s", self._waiting[0], error)
            self._waiting.popleft()
        if sent:
            self.wake.ring()

    def receive(self) -> object | None:
        """Return one report, or None where the process is gone: then `restart` it."""
        assert self._reports is not None, "one of `sources`"
        try:
            report: object = self._reports.recv()
        except (EOFError, OSError):
            return None
        return report

    def restart(self) -> bool:
        """Start another process in the place of one that is gone; the mix goes on from where it was.

        Returns:
            Whether it runs, and knows of no voice yet; where not, `look_after` starts it.
        """
        assert self._process is not None and self._reports is not None, "it has run"
        collect_process(self._process, self._reports)
        self._process = self._reports = None
        now = time.monotonic()
        self._failures = self._failures + 1 if now - self._started < QUICK else 0
        self._start_at = now + backoff(self._failures)
        return self._start_again(now)

    def look_after(self, now: float) -> bool:
        """Kill the process if it hangs: its end then shows in its reports. Start the one that waits for its time.

        Returns:
            Whether one was started, see `restart`.
        """
        slept, self._looked = now - self._looked > HANG / 2, now
        if self._process is None:
            return self._start_again(now)
        beat = max(float(self._segment.meters["beat"]), self._since)
        if slept:  # this process was stopped itself, and so perhaps was that one
            self._since = now
        elif now - beat > HANG and self._process.is_alive():
            log.error("the audio process gave no sign of life for %.1f s", now - beat)
            self._process.kill()
        self.flush()
        return False

    def fall_silent(self) -> None:
        """Let the mix glide to silence, whatever cues are to come, and wait until it has."""
        self.order(Place(None, {"gain": -math.inf}, LAST))
        time.sleep(FALL)

    def close(self) -> None:
        """Ask the process to end, and see that it does."""
        if self._process is not None and self._reports is not None:
            self.order(Quit())
            if not end_process(self._process, self._reports, 3.0):
                log.error("the audio process did not end by itself")
        self.wake.close()
        self._theirs.close()

    def _start_again(self, now: float) -> bool:
        """Start the process if its time has come, and say whether it runs; what fails is tried again later."""
        if self._start_at is None or now < self._start_at:
            return False
        self._segment.orders.clear()  # also of what was ordered while nobody was there: all is told anew
        self._waiting.clear()
        try:
            self._start()
        except (OSError, EOFError) as error:  # no memory, no process or no descriptor to be had
            self._failures += 1
            delay = backoff(self._failures)
            self._start_at = now + delay
            log.error("no audio process could be started (%s); tried again in %g s", error, delay)
            return False
        self.restarts += 1
        return True

    def _start(self) -> None:
        own = (self._options, self._streams, self._bells, self._theirs)
        self._process, self._reports = start_process(self._context, "audio", run_audio, *own)
        self._start_at = None
        self._started = self._since = time.monotonic()
