"""The sound path into a real Pd: what the patch records is, sample for sample, what the server sent."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from tests.patches.process import free_port, wait_for
from tests.patches.pure_data import PureData, read_recording, recording_patch
from tests.patches.stream_server import PERIOD, StreamServer, assert_exact, assert_pure, noise, sine

FILL = 16384  # a third of a second: a test machine may be busy
SOURCE = 11  # number of the first object in a recording patch
FADE = 448  # frames in which a start fades in: the whole blocks of 64 within 10 ms


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
    heard = read_recording(tmp_path / "0.wav", FADE)
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
    assert_exact(read_recording(tmp_path / "0.wav", FADE), sound)


def test_two_at_once(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        record(server, tmp_path, 4, [petrichor(server.port), petrichor(server.port, 12288)])
        both = server.status()
    assert [(each.underruns, each.jumps) for each in both] == [(0, 0), (0, 0)], both
    for name in ("0.wav", "1.wav"):
        assert_exact(read_recording(tmp_path / name, FADE), sound)


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
    heard = read_recording(tmp_path / "0.wav", FADE)
    (start,) = np.flatnonzero(np.all(heard == again[FADE], axis=1))
    assert_exact(heard[start:], again)
    first = heard[:start]
    silent = np.flatnonzero(np.all(first == 0, axis=1))
    assert_exact(first[: silent[0]], sound)


def test_sound_that_goes_on_after_a_silence_fades_in(tmp_path: Path) -> None:
    with (
        StreamServer(np.full((PERIOD, 2), 0.5, np.float32)) as server,
        PureData(recording_patch([petrichor(server.port)], tmp_path)) as pd,
    ):
        server.wait(lambda _: server.position > 48000)
        server.hold(0.7)
        server.wait(lambda status: status[0].underruns > 0)
        missed = server.position
        server.wait(lambda _: server.position > missed + 48000)
        finish(pd)
    heard = read_recording(tmp_path / "0.wav", FADE)[:, 0]
    silent = np.flatnonzero(heard == 0)
    assert len(silent) > 0.1 * 48000
    assert heard[silent[0] - 1] == 0.5, "the samples were the server's"
    back = heard[silent[-1] + 1 :]
    assert np.diff(back).max() < 0.002 and back[0] < 0.002
    assert (back[480:] == 0.5).all()


def test_it_asks_again_from_the_port_it_has(tmp_path: Path) -> None:
    """A new socket would look the server's name up, and Pd would wait for that, twice a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(30)
        with PureData(recording_patch([petrichor(silent.getsockname()[1])], tmp_path)) as pd:
            asked = [silent.recvfrom(512) for _ in range(4)]
            finish(pd)
    assert all(datagram.startswith(b"/subscribe") for datagram, _ in asked)
    assert len({source for _, source in asked}) == 1


def test_an_unknown_name_is_not_looked_up_at_every_try(tmp_path: Path) -> None:
    with PureData(recording_patch(["petrichor~ no..name 9001"], tmp_path)) as pd:
        wait_for(lambda: pd.lines.count("0: connected 0") > 12, 30, "three seconds, in which it tries six times")
        assert sum("bad host" in line for line in pd.lines) == 1


def test_messages_choose_server_and_fill(tmp_path: Path, sound: np.ndarray) -> None:
    """Without arguments petrichor~ takes its defaults; both can be changed while it runs."""
    with StreamServer(sound) as server, PureData(recording_patch(["petrichor~"], tmp_path)) as pd:
        pd.send("fill", FILL)
        pd.send("connect", server.port)
        server.wait(lambda status: bool(status) and server.position > 96000)
        (status,) = server.status()
        finish(pd)
    assert status.fill == FILL
    assert_exact(read_recording(tmp_path / "0.wav", FADE), sound)


def test_fill_and_server_are_changed_while_it_plays(tmp_path: Path, sound: np.ndarray) -> None:
    """The old subscription ends at once, in a fade; the next one starts in another."""
    other_sound = noise(2)
    with (
        StreamServer(sound) as server,
        StreamServer(other_sound) as other,
        PureData(recording_patch([petrichor(server.port, 12288)], tmp_path)) as pd,
    ):
        server.wait(lambda _: server.position > 48000)
        pd.send("fill", FILL)
        server.wait(lambda status: [each.fill for each in status] == [FILL])
        before = server.position
        server.wait(lambda _: server.position > before + 48000)
        pd.send("connect", other.port)
        other.wait(lambda _: other.position > 96000)
        finish(pd)
    pieces = parted(read_recording(tmp_path / "0.wav"))
    assert len(pieces) == 3
    for piece, played in zip(pieces, (sound, sound, other_sound), strict=True):
        assert np.abs(piece[:64]).max() < 0.1
        assert_exact(piece[FADE - 1 : -1024], played)
    for piece in pieces[:2]:
        assert np.abs(piece[-64:]).max() < 0.1


def parted(heard: np.ndarray) -> list[np.ndarray]:
    """Return what is parted by a block of silence or more."""
    loud = np.flatnonzero(np.any(heard != 0, axis=1))
    cuts = np.flatnonzero(np.diff(loud) > 64)
    starts, ends = loud[[0, *(cuts + 1)]], loud[[*cuts, -1]] + 1
    return [heard[start:end] for start, end in zip(starts, ends, strict=True)]


_DSP = """#N canvas 0 0 300 200 12;
#X obj 10 10 r dsp;
#X msg 10 40 \\; pd dsp \\$1;
#X obj 110 10 r rate;
#X msg 110 40 \\; pd audio-dialog 0 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 \\$1 50 0 64;
#X connect 0 0 1 0;
#X connect 2 0 3 0;
"""


@pytest.fixture
def switches(tmp_path: Path) -> tuple[str, str]:
    """Options of a Pd whose DSP can be switched, and its sample rate: by `dsp` and `rate`."""
    (tmp_path / "switches.pd").write_text(_DSP)
    return "-open", str(tmp_path / "switches.pd")


def test_what_waits_while_dsp_is_off_is_not_played_later(
    tmp_path: Path, sound: np.ndarray, switches: tuple[str, str]
) -> None:
    """What is heard once DSP is on again is recorded into a file of its own: it starts anew, and goes on."""
    with StreamServer(sound) as server:
        patch = recording_patch([petrichor(server.port)], tmp_path)
        first = sum(line.startswith(("#X obj", "#X msg")) for line in patch.splitlines())
        patch += "#X obj 700 200 r again;\n#X obj 700 260 writesf~ 2;\n"
        patch += f"#X msg 700 230 open -bytes 4 {tmp_path}/again.wav \\, start;\n"
        wires = (f"{first} 0 {first + 2} 0", f"{first + 2} 0 {first + 1} 0", f"6 0 {first + 1} 0")
        wires += tuple(f"{SOURCE} {side} {first + 1} {side}" for side in (0, 1))
        patch += "".join(f"#X connect {wire};\n" for wire in wires)
        with PureData(patch, options=switches) as pd:
            server.wait(lambda _: server.position > 48000)
            pd.send("dsp", 0)
            server.wait(lambda status: not status)  # silent for three seconds
            before = server.position
            pd.send("again", 1)
            pd.send("dsp", 1)
            server.wait(lambda _: server.position > before + 48000)
            finish(pd)
    heard = read_recording(tmp_path / "again.wav")
    assert np.abs(heard[:64]).max() < 0.1
    assert_exact(heard[FADE - 1 :], sound)


def test_another_rate_while_it_plays(tmp_path: Path, switches: tuple[str, str]) -> None:
    with (
        StreamServer(sine(1000, 48000)) as server,
        PureData(recording_patch([petrichor(server.port)], tmp_path), options=switches) as pd,
    ):
        server.wait(lambda status: [each.rate for each in status] == [48000])
        pd.send("rate", 44100)
        server.wait(lambda status: [each.rate for each in status] == [44100])
        finish(pd)


def in_blocks_of(size: int, server: StreamServer, folder: Path, fill: int, seconds: int) -> np.ndarray:
    patch = recording_patch([petrichor(server.port, fill)], folder) + f"#X obj 700 400 block~ {size};\n"
    with PureData(patch) as pd:
        server.wait(lambda _: server.position > seconds * 48000)
        finish(pd)
    return read_recording(folder / "0.wav", max(FADE, size))


def test_inside_a_larger_block(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        heard = in_blocks_of(512, server, tmp_path, FILL, 3)
    assert_exact(heard, sound)


@pytest.mark.parametrize(("size", "fill"), [(4096, 4096), (2048, 4096), (1024, 512)])
def test_the_fill_is_three_blocks_at_least(size: int, fill: int, tmp_path: Path, sound: np.ndarray) -> None:
    """So little that a busy machine may be late, but not for a whole second."""
    with StreamServer(sound) as server:
        heard = in_blocks_of(size, server, tmp_path, fill, 4)
        (status,) = server.status()
    assert status.fill == 3 * size
    assert longest_exact(heard, sound) > 48000


def longest_exact(heard: np.ndarray, sound: np.ndarray) -> int:
    """Return how many frames of a recording are, in one piece, those of `sound`."""
    known, keys = (frames.astype(np.float64) @ (1, 1 << 24) for frames in (sound, heard))  # a frame as one number
    order = np.argsort(known)
    places = order[np.searchsorted(known, keys, sorter=order).clip(max=len(known) - 1)]
    goes_on = (np.diff(places) == 1) & (known[places[:-1]] == keys[:-1])
    return int(np.diff(np.flatnonzero(np.r_[True, ~goes_on, True])).max())
