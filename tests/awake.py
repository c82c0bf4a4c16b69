"""Keeps a lent machine's cores awake while tests want sound in real time.

The host of a virtual machine gives a core that sleeps to others, and gives it back late: two cores that slept for half
of each 20 ms lost up to 30 % of their time, and none where they always had something to do. So on each core runs what
gives way to anything else (SCHED_IDLE), as Linux does by itself on audio machines that are booted with `idle=poll`.
"""

from __future__ import annotations

import os
import subprocess
import sys

from petrichor.bench.figures import stolen

# A session is scheduled as a whole where Linux groups tasks by it, whatever the policies within: so it is of its own.
_SPIN = """
import os, sys
parent, core = map(int, sys.argv[1:])
os.sched_setaffinity(0, {core})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
try:
    with open("/proc/self/autogroup", "w") as group:
        group.write("19")
except OSError:
    pass
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


class Awake:
    """A process of idle priority on each core, if this is a machine whose host has kept time for itself."""

    def __init__(self) -> None:
        self._spinning: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start them. They end with this process, however it ends."""
        if stolen() and hasattr(os, "SCHED_IDLE"):
            arguments = [sys.executable, "-c", _SPIN, str(os.getpid())]
            self._spinning += [
                subprocess.Popen([*arguments, str(core)], start_new_session=True) for core in os.sched_getaffinity(0)
            ]

    def end(self) -> None:
        """Stop them."""
        for process in self._spinning:
            process.kill()
            process.wait()
        self._spinning.clear()
