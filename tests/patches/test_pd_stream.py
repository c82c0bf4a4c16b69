"""The sound path into a real Pd: what the patch records is, sample for sample, what the server sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.patches.pure_data import PureData, read_recording, recording_patch
from tests.patches.stream_server import StreamServer, assert_exact, noise

FILL = 16384  # a third of a second: a test machine may be busy


def record(server: StreamServer, folder: Path, seconds: float, sources: list[str], rate: int = 48000) -> PureData:
    """Record until the server has played `seconds`; returns the Pd, ended."""
    with PureData(recording_patch(sources, folder), rate) as pd:
        server.wait(lambda _: server.position > seconds * 48000)
        pd.send("finish", 1)
        pd.wait_end()
    pd.check()
    return pd


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return noise()


def test_every_sample_arrives(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        pd = record(server, tmp_path, 6, [f"petrichor~ 127.0.0.1 {server.port} {FILL}"])
        (status,) = server.status()
    heard = read_recording(tmp_path / "0.wav")
    assert len(heard) > 4 * 48000
    assert status.underruns == 0
    assert_exact(heard, sound)
    assert "0: connected 1" in pd.lines
    assert "0: underruns 0" in pd.lines


def test_loss_is_repaired(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound, loss=0.03) as server:
        record(server, tmp_path, 6, [f"petrichor~ 127.0.0.1 {server.port} {FILL}"])
        (status,) = server.status()
        assert server.lost > 20
    assert status.resends > 10
    assert status.underruns == 0
    assert_exact(read_recording(tmp_path / "0.wav"), sound)


def test_two_at_once(tmp_path: Path, sound: np.ndarray) -> None:
    source = "petrichor~ 127.0.0.1 {} {}"
    with StreamServer(sound) as server:
        record(server, tmp_path, 4, [source.format(server.port, FILL), source.format(server.port, 8192)])
        assert len(server.status()) == 2
    for name in ("0.wav", "1.wav"):
        assert_exact(read_recording(tmp_path / name), sound)
