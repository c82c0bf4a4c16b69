"""A process that is kept from its core is told apart from one that sleeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from petrichor.bench.waits import Wait, Waits

TURN = "import os, time\nos.sched_setaffinity(0, {CORE})\nprint(flush=True)\n"
BUSY = "while True: pass"


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="this kernel does not count it")
def test_queue_of_a_core_is_seen_and_sleep_is_not() -> None:
    """Two that never rest share a core with one that sleeps: each of the two waits while the other runs."""
    core = str(min(os.sched_getaffinity(0)))
    scripts = {"one": BUSY, "other": BUSY, "sleeper": "time.sleep(60)"}
    programs = {
        name: subprocess.Popen([sys.executable, "-c", TURN.replace("CORE", core) + script], stdout=subprocess.PIPE)
        for name, script in scripts.items()
    }
    try:
        for program in programs.values():
            assert program.stdout is not None
            program.stdout.readline()
        names = {program.pid: name for name, program in programs.items()}
        waits, begin = Waits(), time.monotonic()
        for _ in range(11):
            waits.look(names, time.monotonic())
            time.sleep(0.1)
        end = time.monotonic()
        found = waits.between(begin, end)
    finally:
        for program in programs.values():
            program.kill()
            program.communicate()
    assert {*found} == {*scripts, "host (all cores)"}
    assert 0 <= found["host (all cores)"].queued <= 2 * (end - begin) * len(os.sched_getaffinity(0))
    assert found["one"].queued + found["other"].queued > 0.5 * (end - begin)
    assert found["one"].ran > 0.02 and found["other"].ran > 0.02
    assert found["sleeper"].ran < 0.1 * found["one"].ran
    assert waits.between(0.0, begin - 1.0) == {}


def test_a_process_that_is_gone_is_left_out() -> None:
    waits = Waits()
    for _ in range(2):
        waits.look({1 << 30: "nobody"}, time.monotonic())
    assert "nobody" not in waits.between(0.0, time.monotonic())
    assert Wait(1.0, 2.0, 3) - Wait(0.5, 0.5, 1) + Wait(0.5, 0.5, 1) == Wait(1.0, 2.0, 3)
