"""A machine that stands still is told apart from a server that is late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from petrichor.bench.standstill import LEAST, PRIORITY, Standstills
from tests.live_server import wait_until


def test_a_core_that_stood_still_is_noted_and_one_that_did_not_is_not() -> None:
    with Standstills() as machine:
        if not machine.watched:
            refused = "import sys; from petrichor.priority import use_realtime_priority as use; sys.exit(not use(%d))"
            assert subprocess.run([sys.executable, "-c", refused % PRIORITY], check=False).returncode == 0
            assert not machine.between(0.0, time.monotonic())
            return
        before = time.monotonic()
        time.sleep(1.0)  # where the machine stands still meanwhile, that is noted, but is not all of it
        begin = time.monotonic()
        os.kill(machine.watchers[0], signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(machine.watchers[0], signal.SIGCONT)
        end = time.monotonic()
        wait_until(lambda: max(machine.between(begin, end), default=0.0) > 0.2, "it to be noted")
        assert len([each for each in machine.between(begin, end) if each > 0.28]) >= 1
        assert sum(machine.between(before, begin - 0.01)) < 0.5 * len(machine.watchers)
        assert all(each > LEAST for each in machine.between(before, end))
