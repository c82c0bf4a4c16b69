"""The sound card: PortAudio plays on a real JACK server without hardware, and what arrives there is compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import jack
import numpy as np
import pytest

from tests.live_server import Listener, live_server, wait_until
from tests.patches.jack import Jack
from tests.sound import find, sounding


@pytest.fixture
def jack_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jack]:
    with Jack() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def test_what_the_card_gets_is_the_mix(jack_server: Jack, voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder)
    client = jack.Client("ears", servername=jack_server.name)
    ears = [client.inports.register(name) for name in ("left", "right")]
    heard: list[np.ndarray] = []
    cards: list[np.ndarray] = []

    @client.set_process_callback
    def listen(frames: int) -> None:
        heard.append(np.stack([port.get_array() for port in ears], 1))

    with live_server(folder, tmp_path / "recordings", device="default") as server, client:
        wait_until(lambda: "playing on" in server.log, "the sound card")

        def connect_and_wait() -> None:
            outputs = client.get_ports("PortAudio", is_output=True, is_audio=True)
            assert len(outputs) == 2, outputs
            for source, ear in zip(outputs, ears, strict=True):
                client.connect(source, ear)
            start = len(heard)
            wait_until(lambda: len(heard) > start + 60, "sound on the card")
            cards.append(np.concatenate(heard))

        mix = server.record("mix.wav", connect_and_wait)
        card = sounding(cards[0])  # a busy machine may leave a period silent; nothing may be lost by it
        piece = card[-1024 * 20 : -1024 * 10]
        start = find(mix, piece[:256])
        np.testing.assert_array_equal(mix[start : start + len(piece)], piece)


def test_missing_card_is_said_and_streams_go_on(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder)
    with live_server(folder, tmp_path / "recordings", device="no such card") as server:
        wait_until(lambda: "sound device 'no such card'" in server.log, "the warning")
        with Listener(server.stream_port) as listener:
            assert np.abs(listener.take(4800)).max() > 0
