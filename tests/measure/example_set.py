"""The example set of five scenes, played headless by a real Pd or a real sclang with a real scsynth, and recorded.

    python -m tests.measure.example_set pd --out set-pd.png
    python -m tests.measure.example_set supercollider --out set-sc.png

Prints underruns and levels, and draws the spectrogram and the level of what the server mixed. Exit status 1 where there
was an underrun.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile

mpl.use("Agg")

import matplotlib.pyplot as plt

from petrichor.bench.rig import Served
from petrichor.folders import default_voices
from tests.patches.jack import Jack
from tests.patches.process import PATCHES, Process
from tests.patches.pure_data import PureData
from tests.patches.supercollider import Sclang, Scsynth

SCENES = 5
SCLANG = """
s = Server.remote(\\test, NetAddr("127.0.0.1", %SCSYNTH%));
s.doWhenBooted {
    p = Petrichor("127.0.0.1", %CONTROL%, %STREAM%);
    p.play(s, fill: 16384);
    %PIECE%
    ~auto.(%SECONDS%);
    "BEGUN".postln;
    (%LENGTH%).wait;
    "OVER".postln;
    1000.wait;
};
"""


@contextmanager
def played_by_pd(served: Served, seconds: float) -> Iterator[Process]:
    """Let Pd play the set for as long as the `with` lasts."""
    text = (PATCHES / "pd" / "petrichor-set.pd").read_text()
    text = text.replace("127.0.0.1 9001", f"127.0.0.1 {served.stream_port}").replace("9000", str(served.port))
    with PureData(text, options=("-rt", "-send", f"scene seconds {seconds:g}", "-send", "scene auto 1")) as pd:
        yield pd
        pd.check()


@contextmanager
def played_by_supercollider(served: Served, seconds: float) -> Iterator[Process]:
    """Let sclang play the set through scsynth for as long as the `with` lasts."""
    text = (PATCHES / "supercollider" / "petrichor-set.scd").read_text()
    piece = re.findall(r"^\(\n(.*?)^\)$", text, re.MULTILINE | re.DOTALL)[1]
    with Jack() as jack, Scsynth(jack) as scsynth:
        code = SCLANG
        values = {"SCSYNTH": scsynth.port, "CONTROL": served.port, "STREAM": served.stream_port, "PIECE": piece}
        for name, value in {**values, "SECONDS": seconds, "LENGTH": SCENES * seconds}.items():
            code = code.replace(f"%{name}%", str(value))
        with Sclang(code) as sclang:
            sclang.wait_line("BEGUN", 60)
            yield sclang
            sclang.check()


def draw(sound: np.ndarray, rate: int, path: Path, title: str) -> None:
    """Draw the spectrogram and the level of a recording. Shape [frames, 2]"""
    mono = sound.mean(1)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(12, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    above.specgram(mono, NFFT=2048, Fs=rate, noverlap=0, cmap="magma", vmin=-140, vmax=-40)
    above.set(ylabel="Hz", ylim=(0, 20000), title=title)
    levels = levels_of(sound, rate)
    below.plot(np.arange(len(levels)) + 0.5, levels)
    below.set(ylabel="dBFS RMS", xlabel="s")
    figure.savefig(path, dpi=90)


def levels_of(sound: np.ndarray, rate: int) -> np.ndarray:
    """Return the level of each second, in dBFS."""
    seconds = sound[: len(sound) // rate * rate].reshape(-1, rate * sound.shape[1])
    return 10 * np.log10(np.maximum(np.square(seconds, dtype=np.float64).mean(1), 1e-12))


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("player", choices=("pd", "supercollider"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of a scene (default: %(default)g)")
    parser.add_argument("--out", type=Path, default=Path("set.png"), help="the picture (default: %(default)s)")
    options = parser.parse_args(arguments)
    play = played_by_pd if options.player == "pd" else played_by_supercollider
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        served = Served(default_voices(), recordings, ["--device", "none", "--query"])
        try:
            with play(served, options.seconds):
                time.sleep(2.0)
                before = served.status()
                served.client.ask("/record", "set.wav", reply="/done")
                time.sleep(SCENES * options.seconds)
                served.client.ask("/record", reply="/done")
                after = served.status()
        finally:
            served.close()
        sound, rate = soundfile.read(recordings / "set.wav", dtype="float32")
    missed = {name: int(str(after[name])) - int(str(before[name])) for name in ("underruns", "concealed", "restarts")}
    levels = levels_of(sound, rate)
    print(f"{options.player}: {len(sound) / rate:.0f} s, {missed}, listeners {after['subscribers']}")
    for number, scene in enumerate(np.array_split(levels, SCENES), 1):
        print(f"scene {number}: {np.median(scene):.1f} dBFS RMS ({scene.min():.1f} to {scene.max():.1f})")
    draw(sound, rate, options.out, f"five scenes, played from {options.player}")
    return 1 if any(missed.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
