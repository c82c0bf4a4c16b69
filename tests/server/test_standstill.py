"""A machine that stands still is told apart from a server that is late."""

from __future__ import annotations

import os
import signal
import time

from petrichor.bench.standstill import LEAST, Standstills
from petrichor.priority import use_realtime_priority
from tests.live_server import wait_until


def test_a_core_that_stood_still_is_noted_and_one_that_did_not_is_not() -> None:
    with Standstills() as machine:
        if not machine.watched:
            assert use_realtime_priority(1), "it says that it cannot tell, and there is no real-time priority"
            assert not machine.between(0.0, time.monotonic())
            return
        begin = time.monotonic()
        os.kill(machine.watchers[0], signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(machine.watchers[0], signal.SIGCONT)
        end = time.monotonic()
        wait_until(lambda: max(machine.between(begin, end), default=0.0) > 0.2, "it to be noted")
        assert all(each > LEAST for each in machine.between(begin, end))
        assert not [each for each in machine.between(0.0, begin - 5.0) if each > 0.2]
