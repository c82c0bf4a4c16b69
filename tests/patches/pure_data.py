"""A real Pd without window and sound card, on its own clock."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from tests.patches.process import PATCHES, Process, free_port

# A missing object is told as "verbose(1): ... couldn't create", so no line is left out by its prefix.
FAULTS = ("couldn't create", "connection failed", "no method for", "bad arguments", "no such", "error:")

# Lets the test send one value to any receiver of the patch: "name value" by TCP, which loses none of a fast hand's.
_REMOTE = """#N canvas 0 0 300 200 12;
#X obj 10 10 loadbang;
#X obj 10 40 t b b;
#X msg 100 70 listen {port} 127.0.0.1;
#X obj 100 100 netreceive;
#X msg 100 130 \\; \\$1 \\$2;
#X msg 10 70 listening;
#X obj 10 100 print remote;
#X connect 0 0 1 0;
#X connect 1 0 5 0;
#X connect 1 1 2 0;
#X connect 2 0 3 0;
#X connect 3 0 4 0;
#X connect 5 0 6 0;
"""


class PureData(Process):
    """A Pd that has a patch open.

    Args:
        patch: A file, or the text of a patch.
        rate: Hz.
        options: More command-line options.
    """

    def __init__(self, patch: Path | str, rate: int = 48000, options: tuple[str, ...] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._port = free_port(socket.SOCK_STREAM)
        (folder / "remote.pd").write_text(_REMOTE.format(port=self._port))
        if isinstance(patch, str):
            (folder / "test.pd").write_text(patch)
            patch = folder / "test.pd"
        command = ["pd", "-nogui", "-nosound", "-nrt", "-noprefs", "-nomidi", "-stderr", "-r", str(rate)]
        command += ["-path", str(PATCHES / "pd"), *options]
        super().__init__([*command, "-open", str(folder / "remote.pd"), "-open", str(patch)])
        self._sender: socket.socket | None = None
        try:
            self.wait_line("remote: listening")
            self._sender = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.close()
            raise

    def send(self, receiver: str, value: float | str) -> None:
        """Send one value to a receiver of the patch."""
        assert self._sender
        self._sender.sendall(f"list {receiver} {value};\n".encode())

    def check(self) -> None:
        """Fail if Pd has complained of anything."""
        faults = [line for line in self.lines if any(fault in line for fault in FAULTS)]
        assert not faults, "\n".join(faults)

    def close(self) -> None:
        """End Pd and remove its patch."""
        if self._sender:
            self._sender.close()
        super().close()
        self._folder.cleanup()


def recording_patch(sources: list[str], folder: Path) -> str:
    """Return a patch that records stereo objects, each into `folder`/N.wav (32-bit float), from its start.

    Messages of an object's third outlet are printed as "N: ...". Sending 1 to `finish` closes the files and
    ends Pd. A number sent to `connect` (a port) or `fill` reaches every object as that message.
    """
    head = [
        "#N canvas 0 0 800 500 12;",
        "#X obj 10 10 loadbang;",
        "#X msg 10 40 \\; pd dsp 1;",
        "#X obj 200 10 r finish;",
        "#X obj 200 40 t b b;",
        "#X obj 200 100 delay 100;",
        "#X msg 200 130 \\; pd quit;",
        "#X msg 260 70 stop;",
        "#X obj 400 10 r connect;",
        "#X msg 400 40 connect 127.0.0.1 \\$1;",
        "#X obj 600 10 r fill;",
        "#X msg 600 40 fill \\$1;",
    ]
    wires = ["0 0 1 0", "2 0 3 0", "3 0 4 0", "4 0 5 0", "3 1 6 0", "7 0 8 0", "9 0 10 0"]
    objects = []
    for number, source in enumerate(sources):
        first = len(head) + len(objects) - 1  # the canvas line is no object
        objects += [
            f"#X obj 10 {200 + 100 * number} {source};",
            f"#X obj 10 {260 + 100 * number} writesf~ 2;",
            f"#X msg 300 {200 + 100 * number} open -bytes 4 {folder}/{number}.wav \\, start;",
            f"#X obj 300 {260 + 100 * number} print {number};",
        ]
        wires += [f"{first} 0 {first + 1} 0", f"{first} 1 {first + 1} 1", f"{first} 2 {first + 3} 0"]
        wires += [f"0 0 {first + 2} 0", f"{first + 2} 0 {first + 1} 0", f"6 0 {first + 1} 0"]
        wires += [f"8 0 {first} 0", f"10 0 {first} 0"]
    return "\n".join(head + objects + [f"#X connect {wire};" for wire in wires]) + "\n"


def read_recording(path: Path, fade: int = 0) -> np.ndarray:
    """Return what Pd recorded, from the first frame that is not silent. Shape [frames, 2], float32.

    Args:
        path: The recording.
        fade: Frames of a fade-in, from a first frame of silence, which are left out.
    """
    sound, _ = soundfile.read(path, dtype="float32", always_2d=True)
    heard = np.flatnonzero(np.any(sound != 0, axis=1))
    assert len(heard), f"{path.name}: {len(sound)} frames of silence"
    return sound[heard[0] + max(0, fade - 1) :]
