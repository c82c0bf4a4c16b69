"""How long a machine may stand still before it is heard: all its cores are taken away for a while, again and again.

    python -m tests.measure.standstills [--fill 4096] [--trials 10]

On every core a process of the highest priority does nothing but pass the time, as the host of a virtual machine does
that lends its cores elsewhere. A listener holds its fill meanwhile; what it has to leave silent afterwards is counted.
Needs real-time priority (as root, or by an rtprio limit of 99).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure, machine, to_json, to_text
from petrichor.bench.rig import PROBES, Rig
from petrichor.errors import PetrichorError
from petrichor.priority import use_realtime_priority

LENGTHS = (0.02, 0.04, 0.06, 0.07, 0.08, 0.1, 0.15)  # seconds
HIGHEST = 99  # of SCHED_FIFO
AHEAD = 0.05  # seconds until all are ready
AFTER = 0.5  # seconds in which what was missed has shown


def take_away(core: int, begin: float, end: float) -> None:
    """Keep a core from everybody else.

    Args:
        core: Its number.
        begin: When, by the steady clock.
        end: Until when.

    Raises:
        PetrichorError: There is no real-time priority.
    """
    os.sched_setaffinity(0, {core})
    time.sleep(max(0.0, begin - time.monotonic()))
    if refused := use_realtime_priority(HIGHEST):
        raise PetrichorError(refused)
    while time.monotonic() < end:
        pass


def stand_still(length: float) -> None:
    """Take all cores away for so many seconds.

    Raises:
        PetrichorError: That could not be done.
    """
    context = multiprocessing.get_context("fork")
    begin = time.monotonic() + AHEAD
    takers = [
        context.Process(target=take_away, args=(core, begin, begin + length))
        for core in sorted(os.sched_getaffinity(0))
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    if any(taker.exitcode for taker in takers):
        raise PetrichorError("the cores could not be taken away; expected real-time priority up to 99")


def measure(fill: int, trials: int) -> list[Figure]:
    """Return what is missed, by how long all stood still.

    Args:
        fill: Frames that the listener holds.
        trials: Of each length.
    """
    figures = []
    with Rig(PROBES, ["--query"]) as rig, Ears(EarsOptions(rig.stream_port, fill=fill)) as ears:
        time.sleep(2.0)
        for length in LENGTHS:
            missed = []
            before = int(str(rig.status()["concealed"]))
            for _ in range(trials):
                heard = ears.figure("underruns")
                stand_still(length)
                time.sleep(AFTER)
                missed.append(ears.figure("underruns") - heard)
            concealed = int(str(rig.status()["concealed"])) - before
            values = {"trials with a dropout": float(sum(map(bool, missed))), "blocks missed, most": max(missed)}
            what = f"all cores stood still for {1000 * length:.0f} ms, {trials} times"
            figures.append(Figure(what, {**values, "filled in, ms": float(concealed)}, ""))
    return figures


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fill", type=int, default=4096)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    about = {**machine(), "fill": options.fill}
    figures = measure(options.fill, options.trials)
    print(to_json(figures, about) if options.json else "\n".join(map(to_text, figures)))


if __name__ == "__main__":
    main()
