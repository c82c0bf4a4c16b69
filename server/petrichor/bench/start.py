"""How soon a server sounds after its start, and what memory and processor its processes take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure, percentiles
from petrichor.bench.listening import first_sound
from petrichor.bench.rig import PROBES, Rig

SECONDS = 4.0  # over which processor time is taken


def measure_start(voices: Sequence[Path], times: int) -> list[Figure]:
    """Start a server with two voices, again and again, and listen.

    Args:
        voices: The voice files; those of a machine without trained voices are the probes.
        times: How often.
    """
    files = {path.stem: path for path in voices} or {"a": PROBES["probe-1"], "b": PROBES["probe-2"]}
    delays, ready, memory, load = [], [], [], []
    for _ in range(times):
        with Rig(files, ["--query"]) as rig:  # all that a server has
            ready.append(time.monotonic() - rig.started)
            rig.check()
            with Ears(EarsOptions(rig.stream_port)) as ears:
                ears.wait_for(ears.options.rate // 10)
                found = first_sound(ears.came(0, ears.received))
                assert found is not None, "every voice is in the mix"
                delays.append(ears.arrival(found) - rig.started)
                before, began = rig.processor_time(), time.monotonic()
                time.sleep(SECONDS)
                spent = sum(after - before.get(process, 0.0) for process, after in rig.processor_time().items())
                load.append(spent / (time.monotonic() - began))
                memory.append(rig.memory())
    names = ", ".join(files)
    return [
        _figure("start → every voice is in the mix", ready, "s", "≤ 1.5 s", 1.5, f"voices: {names}"),
        _figure("start → first sound at a listener that subscribes then", delays, "s", "≤ 1.5 s", 1.5, ""),
        _figure("memory of all processes", memory, "MB", "≤ 250 MB", 250, "pages that several share count once"),
        _figure("processor, with a listener", load, "cores", "", None, ""),
    ]


def _figure(what: str, values: list[float], unit: str, reach: str, limit: float | None, note: str) -> Figure:
    return Figure(what, percentiles(values, 1.0), unit, reach, limit, "max", notes=(note,) if note else ())
