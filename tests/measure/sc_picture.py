"""A picture of SuperCollider's window for Petrichor, taken by sclang itself: for the README.

    python -m tests.measure.sc_picture [--out docs/supercollider-window.png]

Starts `petrichor serve` with the voices that ship on free ports, opens the window with some values set, and lets sclang
write what it shows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from petrichor.bench.rig import Served
from petrichor.folders import default_voices
from tests.patches.supercollider import Sclang

CODE = """
p = Petrichor("127.0.0.1", %PORT%);
p.notify;
fork({
    var window = p.gui;
    2.wait;
    p.rain.intensity = 0.7;
    p.rain.gain = -6;
    p.rain.pan = -0.3;
    p.rain.glide = 2000;
    p.rain.drift = 0.3;
    p.rain.direction(\\brightness, 0.8);
    p.rain.direction(\\density, 0.6);
    p.bird.intensity = 0.3;
    p.bird.gain = 3;
    p.bird.pan = 0.4;
    p.savePreset("moment");
    3.wait;
    window.write("%PATH%");
    "WRITTEN".postln;
    0.exit
}, AppClock);
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/supercollider-window.png"))
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        Served(default_voices(), Path(folder) / "recordings", ["--device", "none"]) as served,
        Sclang(CODE.replace("%PORT%", str(served.port)).replace("%PATH%", str(options.out.absolute()))) as sclang,
    ):
        sclang.wait_line("^WRITTEN", 60)
        sclang.wait_end()
        sclang.check()
    print(options.out)


if __name__ == "__main__":
    main()
