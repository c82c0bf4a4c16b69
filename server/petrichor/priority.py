"""Real-time priority for the threads that a missed deadline would be heard of, where the system allows it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

# Of SCHED_FIFO, all below JACK's own threads (10 by default). Whoever is nearer to the ear goes first; the control
# process goes last, so that no flood of messages delays the sound.
CARD, AUDIO, RENDERER, CONTROL = 8, 7, 6, 5


def use_realtime_priority(priority: int) -> str:
    """Give the calling thread real-time priority. Threads and processes that it starts later run at normal priority.

    Args:
        priority: Of SCHED_FIFO, 1…99.

    Returns:
        "" on success, else why not, and what would help.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "real-time priority is not to be had on this system"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        return f"no real-time priority ({error.strerror}); allow it with an rtprio limit, as for JACK"
    return ""


@contextlib.contextmanager
def realtime_priority(priority: int) -> Iterator[None]:
    """Give the calling thread real-time priority, where that is to be had, for the length of a `with`."""
    had = not use_realtime_priority(priority)
    try:
        yield
    finally:
        if had:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
