"""Screenshots of the real Pure Data and the real SuperCollider, playing, under Xvfb: for the README.

    python -m tests.measure.pictures [NAME …] [--out docs]

Starts `petrichor serve` with the voices that ship on its usual ports (which have to be free), opens a patch in a screen
of its own, and keeps what it shows after some seconds.
"""

from __future__ import annotations

import argparse
import os
import struct
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from matplotlib import image

from petrichor.bench.client import Client
from petrichor.bench.rig import Served
from petrichor.folders import default_voices
from tests.patches.process import PATCHES, Process

PATCHES_SHOWN = {  # picture → patch
    "pd-overview": "petrichor-help.pd",
    "pd-voice": "petrichor.voice-help.pd",
    "pd-latent": "petrichor.latent-help.pd",
    "pd-set": "petrichor-set.pd",
}
SCREEN = (1280, 1040)
CORNER = 30  # pixels: where patches open; beside it is Pd's own window
SETTLED = 8.0  # seconds until everything is drawn and moves
PORT = 9000


class Screen:
    """An X server without a screen: `with Screen() as screen: …`.

    Attributes:
        display: What programs find it by.
    """

    def __init__(self) -> None:
        """Start it."""
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._file = Path(folder) / "Xvfb_screen0"
        size = "{}x{}x24".format(*SCREEN)
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", size, "-fbdir", folder]
        self._process = self._stack.enter_context(Process(command))
        self.display = ":" + self._process.wait_line(r"^(\d+)$", 30)[1]

    def __enter__(self) -> Screen:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._stack.close()

    def picture(self) -> np.ndarray:
        """Return what it shows, without the empty screen around it. Shape [height, width, 3], uint8"""
        shown = read_xwd(self._file.read_bytes())
        there = shown.any(2)
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        return shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def read_xwd(data: bytes) -> np.ndarray:
    """Read an X window dump of 32 bits a pixel. Shape [height, width, 3], uint8

    Reference: XWDFile.h of the X Window System, version 7.
    """
    header = struct.unpack(">25I", data[:100])
    size, width, height, order, bits, line, colours = (header[n] for n in (0, 4, 5, 7, 11, 12, 19))
    if bits != 32:
        raise ValueError(f"got {bits} bits a pixel, expected 32")
    start = size + 12 * colours
    pixels = np.frombuffer(data[start : start + line * height], np.uint8).reshape(height, line // 4, 4)[:, :width]
    return pixels[..., 1:] if order else pixels[..., 2::-1]


def show_patch(screen: Screen, patch: str) -> np.ndarray:
    """Return a picture of a patch that plays."""
    command = ["pd", "-nosound", "-noprefs", "-nomidi", "-stderr", "-open", str(PATCHES / "pd" / patch)]
    with Process(command, {"DISPLAY": screen.display}) as pd:
        time.sleep(SETTLED)
        text = pd.output
        if "couldn't create" in text:
            raise RuntimeError(f"{patch}: {text[-500:]}")
        return screen.picture()[CORNER:, CORNER:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(PATCHES_SHOWN), help=f"of {', '.join(PATCHES_SHOWN)}")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        served = Served(default_voices(), Path(folder) / "recordings", ["--port", str(PORT), "--device", "none"])
        try:
            client = Client(PORT)
            client.send("/rain/intensity", 0.4)
            for name in options.names:
                with Screen() as screen:
                    path = options.out / f"{name}.png"
                    image.imsave(path, np.ascontiguousarray(show_patch(screen, PATCHES_SHOWN[name])))
                    print(path)
            client.close()
        finally:
            served.close()


if __name__ == "__main__":
    os.environ.pop("DISPLAY", None)
    main()
