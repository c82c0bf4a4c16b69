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
import time

from petrichor.clips import Clip, ClipMaker, ClipOrder

logger = logging.getLogger(__name__)

NICE = 5  # of the thread, where the system gives threads priorities of their own
AGAIN = 1.0  # seconds after which a clip that could not be made is tried again


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
        failed: list[ClipOrder] = []
        again = 0.0  # steady clock at which those are tried again
        while self._awake(again if failed else None):
            if time.monotonic() >= again:
                failed = []
            while order := next((o for o in self._orders if o not in done and o not in failed), None):
                try:
                    self._made.put(self._maker.make(order))
                    done = [*done[-31:], order]
                except Exception:  # the sound goes on from the clips there are
                    logger.exception("%s: clip failed", self._maker.voice.path.name)
                    failed, again = [*failed, order], time.monotonic() + AGAIN

    def _awake(self, until: float | None) -> bool:
        """Wait for orders, or for a time of the steady clock; say whether to go on."""
        try:
            return self._wake.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except queue.Empty:
            return True


def stand_back() -> None:
    """Let the calling thread, and it alone, go after the ones that have a deadline, where the system can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # forbidden in some containers; only a courtesy
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
