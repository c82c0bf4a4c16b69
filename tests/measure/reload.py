"""Reloads and accidents, by the sound: how soon a new file is heard, and what is in the mix meanwhile.

    python -m tests.measure.reload --times 20

Two tiny voices are copied over one another while the mix is recorded. The time is taken from the moment the file is
complete to `/v/loaded`, which is sent when the new voice enters the mix (it is at full level 50 ms later); the
recording is searched for silence. Then the renderer is killed with SIGKILL and its return is timed.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from petrichor.supervisor import CALM
from tests.live_server import Listener, live_server
from tests.sound import longest_silence
from tests.tiny_voices import build_voices

RATE = 48000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    times = parser.parse_args().times
    tiny = build_voices(Path(tempfile.gettempdir()) / "petrichor-measure")
    data = {name: tiny[name].read_bytes() for name in ("bird", "stream")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "voices"
        folder.mkdir()
        (folder / "v.voice").write_bytes(data["bird"])
        with live_server(folder, Path(name) / "recordings") as server:
            server.client.send("/v/intensity", 1.0)
            heard, silences = [], []
            for index in range(times):
                start = time.monotonic()
                (folder / "v.voice").write_bytes(data[("stream", "bird")[index % 2]])
                sound = server.record(f"{index}.wav", lambda: server.client.wait("/v/loaded"))
                heard.append(time.monotonic() - start)
                silences.append(longest_silence(sound))
            _print("reload: from complete file to heard, s", heard)
            print(f"reload: longest silence in the mix, frames: {max(silences)}")
            back = []
            for _ in range(min(times, 10)):
                time.sleep(CALM + 0.5)  # a renderer that has played so long is replaced without a pause
                with Listener(server.stream_port) as listener:
                    listener.take(RATE // 4)
                    start = time.monotonic()
                    os.kill(server.renderers()[-1], signal.SIGKILL)
                    server.client.wait("/v/loaded")
                    back.append(time.monotonic() - start)
            _print("kill -9: until the voice is live again, s", back)


def _print(what: str, values: list[float]) -> None:
    median, worst = np.median(values), max(values)
    print(f"{what}: median {median:.3f}, largest {worst:.3f} of {len(values)} (load average {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
