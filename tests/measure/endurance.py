"""Underruns of a real Pd and a real scsynth over minutes, by the sound they recorded and by their own count.

    python -m tests.measure.endurance --minutes 10 [--fill 4096] [--players pd,sc]

The voices of the checkout play; messages arrive all the time. Pd's recording is compared with the server's own,
sample by sample: every silent stretch in it is an underrun, whatever a counter says.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from tests.live_server import LiveServer, live_server
from tests.patches.jack import Jack
from tests.patches.process import Process
from tests.patches.pure_data import PureData
from tests.patches.supercollider import Sclang, Scsynth

VOICES = Path(__file__).parents[2] / "voices"
FADE_IN = 512  # frames, a little more than 10 ms
CHUNK = 1 << 18  # frames compared at once

PD = """#N canvas 0 0 300 200 12;
#X obj 10 10 loadbang;
#X msg 10 40 \\; pd dsp 1;
#X obj 10 100 petrichor~ 127.0.0.1 {port} {fill};
#X obj 10 160 writesf~ 2;
#X msg 100 100 open -bytes 4 {path} \\, start;
#X obj 200 10 r finish;
#X obj 200 40 t b b;
#X obj 200 70 delay 100;
#X msg 200 100 \\; pd quit;
#X msg 260 70 stop;
#X obj 300 160 print petrichor;
#X connect 0 0 1 0;
#X connect 0 0 4 0;
#X connect 2 0 3 0;
#X connect 2 1 3 1;
#X connect 2 2 10 0;
#X connect 4 0 3 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
#X connect 7 0 8 0;
#X connect 6 1 9 0;
#X connect 9 0 3 0;
"""

SC = """
s = Server.remote(\\test, NetAddr("127.0.0.1", {scsynth}));
s.doWhenBooted {{
    p = Petrichor("127.0.0.1", {control}, {stream});
    x = p.play(s, fill: {fill});
    "PLAYING".postln;
    {seconds}.wait;
    "underruns % connected %".format(x.underruns, x.connected).postln;
    p.free; s.sync; 0.exit
}};
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--fill", type=int, default=4096)
    parser.add_argument("--players", default="pd,sc")
    parser.add_argument("--no-realtime", action="store_true")
    options = parser.parse_args()
    players = options.players.split(",")
    extra = ["--no-realtime"] if options.no_realtime else []
    with (
        tempfile.TemporaryDirectory() as name,
        live_server(VOICES, Path(name) / "recordings", "none", *extra) as server,
    ):
        folder = Path(name)
        server.client.ask("/record", "mix.wav", reply="/done")
        with ExitStack() as stack:
            running = [_start(player, stack, server, folder, options) for player in players]
            _play(server, 60 * options.minutes)
            lines = [_finish(player, process) for player, process in zip(players, running, strict=True)]
        server.client.ask("/record", reply="/done")
        concealed = server.client.ask("/status", reply="/status.reply").args[4]
        print(f"{options.minutes:g} minutes at fill {options.fill}, load average {os.getloadavg()[0]:.1f}")
        print("\n".join(lines))
        print(f"underruns reported to the server by subscribers still there: {concealed}")
        if "pd" in players:
            print(_compare(folder / "pd.wav", server.recordings / "mix.wav"))


def _start(player: str, stack: ExitStack, server: LiveServer, folder: Path, options: argparse.Namespace) -> Process:
    if player == "pd":
        return stack.enter_context(
            PureData(PD.format(port=server.stream_port, fill=options.fill, path=folder / "pd.wav"))  # type: ignore[arg-type]
        )
    jack = stack.enter_context(Jack(period=256))
    scsynth = stack.enter_context(Scsynth(jack))  # type: ignore[arg-type, type-var]
    values = {"scsynth": scsynth.port, "control": server.port, "stream": server.stream_port, "fill": options.fill}
    sclang = stack.enter_context(Sclang(SC.format(**values, seconds=60 * options.minutes)))  # type: ignore[arg-type]
    sclang.wait_line("PLAYING", 60)
    return sclang


def _play(server: LiveServer, seconds: float) -> None:
    """Turn the knobs now and then, as a performer does."""
    random = np.random.default_rng(0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        threading.Event().wait(0.1)
        voice = ("bird", "rain")[random.integers(2)]
        server.client.send(f"/{voice}/intensity", float(random.random()))
        if random.random() < 0.05:
            server.client.send(f"/{voice}/new")


def _finish(player: str, process: Process) -> str:
    if player == "pd":
        assert isinstance(process, PureData)
        process.send("finish", 1)
        process.wait_end(60)
        process.check()
        said = [line for line in process.lines if line.startswith("petrichor:")]
        return f"pd: its last words: {' | '.join(said[-2:])}"
    found = process.wait_line(r"underruns .*", 120)
    process.wait_end()
    return f"scsynth: {found[0]}"


def _compare(heard: Path, mixed: Path) -> str:
    """Say how Pd's recording differs from the server's."""
    with soundfile.SoundFile(heard) as pd, soundfile.SoundFile(mixed) as mix:
        sound = pd.read(dtype="float32")
        silent = np.abs(sound).max(1) == 0
        loud = np.flatnonzero(~silent)
        start = loud[0] + FADE_IN  # what is faded in is not the server's to the last bit
        body = silent[start : loud[-1]]
        blocks = int(np.add.reduceat(body, np.arange(0, len(body), 64)).__eq__(64).sum())
        exact = sound[start : loud[-1]][~body]
        position = _find(mix, exact[:256])
        mix.seek(position)
        original = mix.read(len(exact) + blocks * 64 + CHUNK, dtype="float32")
        original = original[np.abs(original).max(1) > 0]
        same = np.array_equal(original[: len(exact)], exact)
    verdict = "exact" if same else "DIFFER"
    return f"pd's recording: {len(body) / 48000:.1f} s, {blocks} silent blocks of 64, samples {verdict}"


def _find(mix: soundfile.SoundFile, piece: np.ndarray) -> int:
    start = mix.read(60 * 48000, dtype="float32")
    for index in np.flatnonzero((start[: len(start) - len(piece)] == piece[0]).all(1)):
        if np.array_equal(start[index : index + len(piece)], piece):
            return int(index)
    raise SystemExit("what Pd heard is not in the server's recording")


if __name__ == "__main__":
    main()
