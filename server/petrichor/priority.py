"""Real-time priority for the threads that a missed deadline would be heard of, where the system allows it."""

from __future__ import annotations

import os

PRIORITY = 5  # of SCHED_FIFO: below JACK's own threads (10 by default)


def use_realtime_priority() -> str:
    """Give the calling thread real-time priority. Threads that it starts later run at normal priority.

    Returns:
        "" on success, else why not, and what would help.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "real-time priority is not to be had on this system"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        return f"no real-time priority ({error.strerror}); allow it with an rtprio limit, as for JACK"
    return ""
