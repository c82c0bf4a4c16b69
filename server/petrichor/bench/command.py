"""The command `petrichor bench`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from petrichor.bench import latency, reload
from petrichor.bench.capacity import measure_speed, measure_voices
from petrichor.bench.figures import Figure, machine, stolen, to_json, to_text
from petrichor.bench.rig import PROBES
from petrichor.bench.soak import Soak, SoakOptions
from petrichor.bench.start import measure_start
from petrichor.errors import OptionError
from petrichor.folders import default_voices
from petrichor.voice_file import SUFFIX, read_voice

PARTS = ("latency", "speed", "voices", "reload", "recovery", "start", "soak")
QUICK = 0.1  # of the trials
TAKEN = 0.001  # of the processors' time: what a virtual machine's host takes beyond that is told


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--only", help=f"what to measure, by commas, of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials: to see that all works")
    parser.add_argument("--minutes", type=float, default=2.0, help="of the soak (default: %(default)s)")
    parser.add_argument("--messages", type=float, default=1000.0, help="a second, in the soak (default: %(default)s)")
    parser.add_argument(
        "--reload", type=float, default=10.0, help="seconds between two reloads in the soak; 0: none (%(default)s)"
    )
    parser.add_argument(
        "--kill", type=float, default=60.0, help="seconds between two kill -9 in the soak; 0: none (%(default)s)"
    )
    parser.add_argument(
        "--fill",
        type=int,
        help=f"frames that listeners hold (default: latency {latency.FILL}, reload and recovery {reload.FILL}, "
        f"soak {SoakOptions.fill})",
    )
    parser.add_argument("--ahead", type=int, default=256, help="--ahead of the servers (default: %(default)s)")
    parser.set_defaults(run=run_bench)


def run_bench(options: argparse.Namespace) -> int:
    """Measure and print.

    Returns:
        0 where every figure is what it is to be, else 1.

    Raises:
        OptionError: An unknown part.
    """
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        raise OptionError(f"--only: got {', '.join(unknown)}, expected some of {', '.join(PARTS)}")
    about, before, began = machine(), stolen(), time.monotonic()
    if not options.json:
        print(f"{about['processor']}, {about['cores']} cores, load {about['load']:.1f}, {about['system']}", flush=True)
    figures = []
    with _ended_by_sigterm():
        for figure in _measure(parts, options):
            figures.append(figure)
            if not options.json:
                print(to_text(figure), flush=True)
    about["stolen"] = (stolen() - before) / ((os.cpu_count() or 1) * (time.monotonic() - began))
    if options.json:
        sys.stdout.write(to_json(figures, about) + "\n")
    elif about["stolen"] > TAKEN:
        print(f"(the host kept {100 * about['stolen']:.1f} % of the processors' time for others meanwhile)")
    return 0 if all(figure.reached is not False for figure in figures) else 1


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a measurement as Ctrl-C does, so that no server is left playing."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _measure(parts: list[str], options: argparse.Namespace) -> Iterator[Figure]:
    def times(count: int) -> int:
        """Return how many trials are made of so many."""
        return max(2, round(count * (QUICK if options.quick else 1)))

    folder = default_voices()
    voices = [path for name in ("bird", "rain") if (path := folder / f"{name}{SUFFIX}").is_file()]
    classic = sorted((folder / "classic").glob(f"*{SUFFIX}"))
    streams = [path for path in voices if read_voice(path).info.kind == "stream"]
    counts = [4] if options.quick else [8, 16, 32, 48]
    fill = options.fill
    held = fill or SoakOptions.fill
    soak = SoakOptions(options.minutes, options.messages, options.reload, options.kill, held, options.ahead)
    measures: dict[str, Callable[[], list[Figure]]] = {
        "latency": lambda: latency.measure_latency(times(200), fill or latency.FILL, options.ahead),
        "speed": lambda: measure_speed([PROBES["probe-1"], *voices, *classic], times(7), 0.1 if options.quick else 1.0),
        "voices": lambda: _voices([PROBES["probe-1"], *streams], counts, options.quick),
        "reload": lambda: reload.measure_reload(times(20), fill or reload.FILL),
        "recovery": lambda: (
            reload.measure_recovery(times(20), fill or reload.FILL)
            + reload.measure_audio_recovery(times(10), fill or reload.FILL)
        ),
        "start": lambda: measure_start(voices, times(10)),
        "soak": lambda: Soak(soak).run(),
    }
    for part in PARTS:
        if part in parts:
            yield from measures[part]()


def _voices(paths: list[Path], counts: list[int], quick: bool) -> list[Figure]:
    """Return how many of each stream voice sound at once."""
    figures = [figure for path in paths for figure in measure_voices(counts, path)]
    return _unjudged(figures) if quick else figures


def _unjudged(figures: list[Figure]) -> list[Figure]:
    """Return figures that are held against nothing: too little was tried for that."""
    return [dataclasses.replace(figure, reach="", limit=None) for figure in figures]
