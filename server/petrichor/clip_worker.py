"""The thread "clips", which makes clips ahead so that the block loop never waits.

The two talk through one immutable tuple of orders, replaced whole, and a queue of finished clips: neither waits for
the other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading

from petrichor.clips import Clip, ClipMaker, ClipOrder

logger = logging.getLogger(__name__)

NICE = 5  # of the thread, where the system gives threads priorities of their own


class ClipWorker:
    """The thread "clips": makes what was ordered, most urgent first."""

    def __init__(self, maker: ClipMaker) -> None:
        """Start the thread; from now on `maker` belongs to it."""
        self._maker = maker
        self._orders: tuple[ClipOrder, ...] = ()
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[Clip] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def post(self, orders: tuple[ClipOrder, ...]) -> None:
        """Replace all orders, most urgent first. Orders that were made already are not made again."""
        self._orders = orders
        self._wake.put(True)

    def take(self) -> Clip | None:
        """Return a finished clip, or None."""
        try:
            return self._made.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the thread and wait for it."""
        self._orders = ()
        self._wake.put(False)
        self._thread.join()

    def _run(self) -> None:
        stand_back()
        done: list[ClipOrder] = []
        while self._wake.get():
            while order := next((o for o in self._orders if o not in done), None):
                done = [*done[-31:], order]
                try:
                    self._made.put(self._maker.make(order))
                except Exception:  # the sound goes on from the clips there are
                    logger.exception("%s: clip failed", self._maker.voice.path.name)


def stand_back() -> None:
    """Let the calling thread, and it alone, go after the ones that have a deadline, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # forbidden in some containers; only a courtesy
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
