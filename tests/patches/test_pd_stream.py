"""The sound path into a real Pd: what the patch records is, sample for sample, what the server sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.patches.process import free_port, wait_for
from tests.patches.pure_data import PureData, read_recording, recording_patch
from tests.patches.stream_server import StreamServer, assert_exact, assert_pure, noise, sine

FILL = 16384  # a third of a second: a test machine may be busy


def record(server: StreamServer, folder: Path, seconds: float, sources: list[str], rate: int = 48000) -> PureData:
    """Record until the server has played `seconds`; returns the Pd, ended."""
    with PureData(recording_patch(sources, folder), rate) as pd:
        server.wait(lambda _: server.position > seconds * 48000)
        finish(pd)
    return pd


def finish(pd: PureData) -> None:
    pd.send("finish", 1)
    pd.wait_end()
    pd.check()


def petrichor(port: int, fill: int = FILL) -> str:
    return f"petrichor~ 127.0.0.1 {port} {fill}"


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return noise()


def test_every_sample_arrives(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        pd = record(server, tmp_path, 6, [petrichor(server.port)])
        (status,) = server.status()
    heard = read_recording(tmp_path / "0.wav")
    assert len(heard) > 4 * 48000
    assert (status.rate, status.fill, status.underruns) == (48000, FILL, 0)
    assert_exact(heard, sound)
    assert {"0: connected 1", "0: underruns 0"} < set(pd.lines)


def test_loss_is_repaired(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound, loss=0.03) as server:
        record(server, tmp_path, 6, [petrichor(server.port)])
        (status,) = server.status()
        assert server.lost > 20
    assert status.resends > 10
    assert status.underruns == 0
    assert_exact(read_recording(tmp_path / "0.wav"), sound)


def test_two_at_once(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        record(server, tmp_path, 4, [petrichor(server.port), petrichor(server.port, 12288)])
        assert len(server.status()) == 2
    for name in ("0.wav", "1.wav"):
        assert_exact(read_recording(tmp_path / name), sound)


def test_another_rate(tmp_path: Path) -> None:
    """A Pd at 44.1 kHz hears the same pitch, and nothing that was not sent."""
    with StreamServer(sine(1000, 48000)) as server:
        record(server, tmp_path, 5, [petrichor(server.port)], rate=44100)
        (status,) = server.status()
    assert (status.rate, status.underruns) == (44100, 0)
    assert_pure(read_recording(tmp_path / "0.wav"), 1000, 44100)


def test_starts_before_the_server_and_survives_its_restart(tmp_path: Path, sound: np.ndarray) -> None:
    port = free_port()
    with PureData(recording_patch([petrichor(port)], tmp_path)) as pd:
        pd.wait_line("0: connected 0")
        with StreamServer(sound, port=port) as server:
            server.wait(lambda _: server.position > 48000)
        wait_for(lambda: pd.lines[-3:].count("0: connected 0"), 30, "the loss is noticed")
        again = noise(2)
        with StreamServer(again, port=port) as server:
            server.wait(lambda _: server.position > 96000)
            finish(pd)
    heard = read_recording(tmp_path / "0.wav")
    (start,) = np.flatnonzero(np.all(heard == again[0], axis=1))
    assert_exact(heard[start:], again)
    first = heard[:start]
    silent = np.flatnonzero(np.all(first == 0, axis=1))
    assert_exact(first[: silent[0]], sound)


def test_messages_choose_server_and_fill(tmp_path: Path, sound: np.ndarray) -> None:
    """Without arguments petrichor~ takes its defaults; both can be changed while it runs."""
    with StreamServer(sound) as server, PureData(recording_patch(["petrichor~"], tmp_path)) as pd:
        pd.send("fill", FILL)
        pd.send("connect", server.port)
        server.wait(lambda status: bool(status) and server.position > 96000)
        (status,) = server.status()
        finish(pd)
    assert status.fill == FILL
    assert_exact(read_recording(tmp_path / "0.wav"), sound)


def test_inside_a_larger_block(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        patch = recording_patch([petrichor(server.port)], tmp_path) + "#X obj 700 400 block~ 512;\n"
        with PureData(patch) as pd:
            server.wait(lambda _: server.position > 144000)
            finish(pd)
    assert_exact(read_recording(tmp_path / "0.wav"), sound)
