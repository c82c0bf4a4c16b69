"""How soon a control sent by a patch is heard in that patch: a real Pd, and a real sclang with a real scsynth.

    python -m tests.measure.patch_latency --fill 512 --trials 40

The patch raises a probe's intensity from 0, marks that moment in a third channel, and records both. Counted are the
frames from the mark to the first sample that sounds: the patch's network, the server, the fill, everything.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from petrichor.bench.figures import Figure, percentiles, to_text
from petrichor.bench.listening import CHANGED
from petrichor.bench.rig import PROBES, Rig
from tests.patches.jack import Jack
from tests.patches.pure_data import PureData
from tests.patches.supercollider import Sclang, Scsynth

RATE = 48000
BLOCK = 64  # frames
PERIOD = 1.2  # seconds of a trial: half of it to fade away

PD = """#N canvas 0 0 700 400 12;
#X obj 10 10 loadbang;
#X msg 10 40 \\; pd dsp 1;
#X msg 120 40 open -bytes 4 {path} \\, start;
#X obj 300 10 petrichor~ 127.0.0.1 {stream} {fill};
#X obj 300 140 writesf~ 3;
#X obj 420 100 sig~ 0;
#X obj 10 100 delay 2500;
#X obj 10 130 metro {period};
#X obj 10 160 t b b;
#X msg 100 190 1;
#X obj 10 190 delay {half};
#X msg 10 220 0;
#X obj 10 260 t f f;
#X obj 10 290 list prepend intensity;
#X obj 10 315 list trim;
#X obj 10 340 petrichor.control a 127.0.0.1 {control};
#X obj 500 10 r finish;
#X obj 500 40 t b b;
#X msg 600 70 stop;
#X obj 500 70 delay 100;
#X msg 500 100 \\; pd quit;
#X connect 0 0 1 0;
#X connect 0 0 2 0;
#X connect 2 0 4 0;
#X connect 3 0 4 0;
#X connect 3 1 4 1;
#X connect 5 0 4 2;
#X connect 0 0 6 0;
#X connect 6 0 7 0;
#X connect 7 0 8 0;
#X connect 8 1 9 0;
#X connect 9 0 12 0;
#X connect 8 0 10 0;
#X connect 10 0 11 0;
#X connect 11 0 12 0;
#X connect 12 0 13 0;
#X connect 12 1 5 0;
#X connect 13 0 14 0;
#X connect 14 0 15 0;
#X connect 16 0 17 0;
#X connect 17 1 18 0;
#X connect 18 0 4 0;
#X connect 17 0 19 0;
#X connect 19 0 20 0;
"""

SC = """
s = Server.remote(\\test, NetAddr("127.0.0.1", {scsynth}));
s.doWhenBooted {{
    var buffer, mark, p;
    buffer = Buffer.alloc(s, (s.sampleRate * {seconds}).asInteger, 3);
    mark = Bus.control(s, 1).set(0);
    SynthDef(\\recorder, {{ RecordBuf.ar(In.ar(0, 2) ++ [K2A.ar(In.kr(mark.index))], buffer, loop: 0) }}).send(s);
    s.sync;
    p = Petrichor("127.0.0.1", {control}, {stream});
    p.play(s, fill: {fill});
    2.wait;
    s.sendBundle(nil, Synth.basicNew(\\recorder, s).newMsg(s.defaultGroup, [], \\addAfter));
    0.5.wait;
    {trials}.do {{
        p.voice(\\a).intensity = 1; s.sendMsg("/c_set", mark.index, 1);
        {half}.wait;
        p.voice(\\a).intensity = 0; s.sendMsg("/c_set", mark.index, 0);
        ({half} + 0.05.rand).wait;
    }};
    buffer.write("{path}", "wav", "float");
    s.sync;
    p.free;
    "RECORDED".postln;
    0.exit
}};
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--fill", type=int, default=512, help="frames that the patches hold (default: %(default)s)")
    parser.add_argument("--period", type=int, default=64, help="frames of JACK's period (default: %(default)s)")
    parser.add_argument("--ahead", type=int, default=256)
    parser.add_argument("--no-realtime", action="store_true", help="everything at normal priority")
    options = parser.parse_args()
    extra = ["--no-realtime"] if options.no_realtime else []
    with (
        tempfile.TemporaryDirectory() as folder,
        Rig({"a": PROBES["probe-1"]}, ["--ahead", str(options.ahead), *extra]) as rig,
    ):
        rig.client.send("/a/intensity", 0.0)
        for name, record in (("Pure Data", _record_pd), ("scsynth", _record_sc)):
            path = Path(folder) / f"{name[0]}.wav"
            record(rig, path, options)
            delays, silent = delays_of(path)
            print(to_text(figure(name, delays, silent, options)), flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


def figure(name: str, delays: list[float], silent: int, options: argparse.Namespace) -> Figure:
    """Return the delays as a figure."""
    limit = 50.0 if options.no_realtime else 25.0
    priority = "normal priority" if options.no_realtime else "real-time priority"
    notes = (f"{len(delays)} trials, fill {options.fill}, ahead {options.ahead}, {priority}; {silent} silent blocks",)
    what = f"control → heard inside {name}"
    return Figure(what, percentiles(delays), "ms", f"p99 ≤ {limit:.0f} ms", limit, "p99", notes=notes)


def delays_of(path: Path) -> tuple[list[float], int]:
    """Return the seconds from each mark to the sound, and how many stretches of `BLOCK` were silent in it."""
    sound, rate = soundfile.read(path, dtype="float32")
    marks = np.flatnonzero((sound[1:, 2] > 0) & (sound[:-1, 2] <= 0)) + 1  # in scsynth it rises within a block
    loud = np.abs(sound[:, :2]).max(1) > CHANGED
    delays, silent = [], 0
    for mark in marks[1:-1]:  # the first may find a stream that has just begun
        heard = np.flatnonzero(loud[mark : mark + int(PERIOD / 2 * rate)])
        if not len(heard) or loud[mark - BLOCK : mark].any():
            delays.append(math.inf)  # nothing came, or what was there before had not ended: no trial is left out
            continue
        delays.append(heard[0] / rate)
        places = np.flatnonzero(loud[mark + heard[0] : mark + int(PERIOD / 2 * rate)])
        silent += int(((np.diff(places) - 1) // BLOCK).sum())
    return delays, silent


def _record_pd(rig: Rig, path: Path, options: argparse.Namespace) -> None:
    values = {"path": path, "stream": rig.stream_port, "control": rig.port, "fill": options.fill}
    patch = PD.format(**values, period=1000 * PERIOD + 7, half=500 * PERIOD)
    priority = ("-sleepgrain", "1") if options.no_realtime else ("-rt", "-sleepgrain", "1")
    with PureData(patch, options=priority) as pd:
        time.sleep(3 + (options.trials + 2) * PERIOD)
        pd.send("finish", 1)
        pd.wait_end(60)
        pd.check()


def _record_sc(rig: Rig, path: Path, options: argparse.Namespace) -> None:
    seconds = 4 + (options.trials + 2) * (PERIOD + 0.05)
    with Jack(period=options.period, realtime=not options.no_realtime) as jack, Scsynth(jack) as scsynth:
        values = {"scsynth": scsynth.port, "control": rig.port, "stream": rig.stream_port, "fill": options.fill}
        with Sclang(
            SC.format(**values, path=path, trials=options.trials + 2, half=PERIOD / 2, seconds=seconds)
        ) as sclang:
            sclang.wait_line("RECORDED", 60 + 2 * seconds)
            sclang.wait_end()
            sclang.check()


if __name__ == "__main__":
    main()
