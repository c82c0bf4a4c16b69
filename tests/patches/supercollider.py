"""A real scsynth on a private JACK, and a real sclang without a window."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.patches.jack import Jack
from tests.patches.process import PATCHES, Process, free_port, wait_for

_STATUS = b"/status\0,\0\0\0"
_QUIT = b"/quit\0\0\0,\0\0\0"


class Scsynth(Process):
    """A running scsynth.

    Args:
        jack: The JACK server it plays on, at that server's rate.
        block: Frames of a control block.

    Attributes:
        port: Its UDP port on 127.0.0.1.
    """

    def __init__(self, jack: Jack, block: int = 64) -> None:
        self.port = free_port()
        options = ["-i", "2", "-o", "2", "-R", "0", "-D", "0", "-l", "8", "-z", str(block)]
        options += ["-H", f"{jack.name}:scsynth-{self.port}"]
        super().__init__(["scsynth", "-u", str(self.port), *options], jack.environment)
        try:
            wait_for(self._answers, 30, lambda: f"scsynth answering:\n{self.output}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it as its owner would, so that it removes its shared memory."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as owner, contextlib.suppress(OSError, AssertionError):
            owner.connect(("127.0.0.1", self.port))
            owner.send(_QUIT)
            wait_for(lambda: not self.running, 5)
        super().close()
        Path(f"/dev/shm/SuperColliderServer_{self.port}").unlink(missing_ok=True)  # where it had to be killed

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect(("127.0.0.1", self.port))
            try:
                probe.send(_STATUS)
                return bool(probe.recv(1024))
            except (TimeoutError, ConnectionRefusedError):
                return False


class Sclang(Process):
    """A sclang that has the Petrichor classes and runs a text; `0.exit` in it ends the program.

    Args:
        code: What it runs.
        folders: What it includes, of patches/supercollider.

    Attributes:
        port: Its UDP port on 127.0.0.1.
    """

    def __init__(self, code: str, folders: Sequence[str] = ("classes",)) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        os.chmod(folder, 0o700)
        self.port = free_port()
        (folder / "code.scd").write_text(code)
        paths = "".join(f"    - {PATCHES / 'supercollider' / each}\n" for each in folders)
        (folder / "sclang_conf.yaml").write_text(f"includePaths:\n{paths}")
        environment = {
            "QT_QPA_PLATFORM": "offscreen",
            "QTWEBENGINE_DISABLE_SANDBOX": "1",
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),  # nobody's extensions or startup file
            "XDG_DATA_HOME": str(folder),
        }
        command = ["sclang", "-D", "-u", str(self.port), "-l", str(folder / "sclang_conf.yaml")]
        super().__init__([*command, str(folder / "code.scd")], environment)

    def check(self) -> None:
        """Fail if sclang has complained of anything."""
        faults = ("ERROR:", "WARNING:", "FAILURE IN SERVER")
        assert not any(fault in line for line in self.lines for fault in faults), self.output

    def close(self) -> None:
        """End sclang and remove its folder."""
        super().close()
        self._folder.cleanup()
