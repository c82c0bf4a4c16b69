"""What arrives at the sound card: a JACK client connected to everything that PortAudio plays, in a process of its own.

A client whose JACK server dies can take its process with it, so it never lives in the process of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.patches.jack import Jack

PATIENCE = 30.0  # seconds for the outputs to appear


def hear_card(server: Jack, seconds: float) -> tuple[np.ndarray, int]:
    """Return what is played on a card for so many seconds of its own time, and its rate.

    Args:
        server: The JACK server that is the card.
        seconds: How long.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heard.npz"
        command = [sys.executable, "-m", "tests.patches.card_ears", server.name, str(seconds), str(path)]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, cwd=root, env=os.environ | server.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with np.load(path) as found:
            return found["sound"], int(found["rate"])


def main(server: str, seconds: float, path: Path) -> None:
    """Listen, and write what was heard."""
    import jack

    client = jack.Client("ears", servername=server)
    ears = [client.inports.register(name) for name in ("left", "right")]
    heard: list[np.ndarray] = []
    client.set_process_callback(lambda frames: heard.append(np.stack([ear.get_array() for ear in ears], 1)))
    with client:
        end = time.monotonic() + PATIENCE
        while len(outputs := client.get_ports("PortAudio", is_output=True, is_audio=True)) < 2:
            assert time.monotonic() < end, "PortAudio plays nothing"
            time.sleep(0.01)
        for source, ear in zip(outputs, ears, strict=True):
            client.connect(source, ear)
        heard.clear()
        frames = round(seconds * client.samplerate)
        while sum(map(len, list(heard))) < frames:
            assert time.monotonic() < end + 10 * seconds, "the card's clock stands still"
            time.sleep(0.01)
        np.savez(path, sound=np.concatenate(list(heard))[:frames], rate=client.samplerate)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
