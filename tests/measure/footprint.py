"""How soon a server sounds, and how much memory and processor its processes take.

    python -m tests.measure.footprint --times 5

The time runs from the start of `petrichor serve` to `/synced`, when every voice of the checkout is in the mix.
Memory is the proportional share of every process (pages that are shared count once), processor time is of one core.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.live_server import Listener, LiveServer, live_server

VOICES = Path(__file__).parents[2] / "voices"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    starts, memory, load = [], [], []
    for _ in range(parser.parse_args().times):
        with tempfile.TemporaryDirectory() as name:
            begin = time.monotonic()
            with live_server(VOICES, Path(name) / "recordings") as server:
                starts.append(time.monotonic() - begin)
                with Listener(server.stream_port) as listener:
                    before, begin = _processor(server), time.monotonic()
                    while time.monotonic() < begin + 5:  # a listener at real-time pace
                        listener.take(4800)
                        time.sleep(0.08)
                    load.append((_processor(server) - before) / (time.monotonic() - begin))
                memory.append(sum(_memory(process) for process in [server.process.pid, *server.children()]))
    _print("start to all voices heard, s", starts)
    _print("memory of all processes, MB", memory)
    _print("processor, cores", load)


def _print(what: str, values: list[float]) -> None:
    print(f"{what}: median {np.median(values):.2f}, largest {max(values):.2f} (load average {os.getloadavg()[0]:.1f})")


def _memory(process: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1000


def _processor(server: LiveServer) -> float:
    """Return the seconds of processor time that the server's processes have taken."""
    ticks = 0
    for process in [server.process.pid, *server.children()]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
