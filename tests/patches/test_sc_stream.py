"""The sound path into a real scsynth through the real classes in a real sclang."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.patches.jack import Jack
from tests.patches.process import free_port
from tests.patches.pure_data import read_recording
from tests.patches.stream_server import StreamServer, assert_exact, assert_pure, noise, sine
from tests.patches.supercollider import Sclang, Scsynth

FILL = 16384
RATE = 48000
FADE_IN, FADE_OUT = RATE // 100, RATE * 3 // 100  # frames

# Records `seconds` of the stream from before it starts, and says how it went. %NAME% is filled in.
_RECORD = """
s = Server.remote(\\test, NetAddr("127.0.0.1", %SCSYNTH%));
s.doWhenBooted {
    var buffer, petrichor, stream, recorder;
    buffer = Buffer.alloc(s, (s.sampleRate * %SECONDS%).asInteger, 2);
    SynthDef(\\recorder, { RecordBuf.ar(In.ar(%BUS%, 2), buffer, loop: 0, doneAction: 2) }).send(s);
    s.sync;
    petrichor = Petrichor("127.0.0.1", %CONTROL%, %STREAM%);
    stream = petrichor.play(s, %WHERE%fill: %FILL%);
    recorder = Synth.basicNew(\\recorder, s);
    OSCFunc({
        "underruns % connected %".format(stream.underruns, stream.connected).postln;
        fork {
            buffer.write("%PATH%", "wav", "float");
            s.sync;
            petrichor.free;
            s.sync;
            "RECORDED".postln;
            0.exit
        }
    }, '/n_end', s.addr, argTemplate: [recorder.nodeID]);
    s.sendBundle(nil, recorder.newMsg(s.defaultGroup, [], \\addAfter));
};
"""


# Renders the player alone: 4096 frames are written, then the server is told to have written only 2048; after some
# silence come 8192 frames of 0.5, in which it is told to end.
_PLAYER = """
var options = ServerOptions.new.numOutputBusChannels_(2).numInputBusChannels_(0), frames = 4096;
Score([
    [0.0, ["/d_recv", PetrichorStream.synthDef.asBytes], ["/b_alloc", 0, PetrichorStream.ring, 2],
        ["/b_fill", 0, 0, PetrichorStream.ring * 2, 0.5],
        ["/s_new", \\petrichorStream, 1000, 0, 0, \\buffer, 0, \\bus, 0, \\start, 512]],
    [0.01] ++ (0..7).collect {{ |part|
        ["/b_setn", 0, part * 1024, 1024] ++ Array.fill(1024, {{ |index| (part * 1024 + index + 1) / 16384 }})
    }} ++ [["/c_set", 0, frames]],
    [0.08, ["/c_set", 0, frames / 2]],
    [0.2, ["/c_set", 0, frames * 3]],
    [0.3, ["/n_set", 1000, \\gate, -1.03]],
    [0.5, ["/c_set", 0, frames * 3]]
]).recordNRT("{folder}/player.osc", "{folder}/player.wav", nil, 48000, "WAV", "float", options, "", 0.5, {{ 0.exit }});
"""


# Ends the sound in several ways, and says what is left: buffers here, synths in scsynth.
_ENDS = """
s = Server.remote(\\test, NetAddr("127.0.0.1", %SCSYNTH%));
p = Petrichor("127.0.0.1", %CONTROL%, %STREAM%);
p.play(s);
p.stop;
~await = { |condition| 200.do { condition.value.not.if { 0.02.wait } } };
~left = { s.bufferAllocator.blocks.size };
~say = { |what| s.sync; "% % %".format(what, ~left.(), s.numSynths).postln };
fork {
    ~await.({ s.serverRunning });
    0.5.wait;
    ~say.("before");
    p.play(s);
    ~await.({ p.streams[0].connected });
    p.stop;
    "fading %".format(~left.()).postln;
    ~await.({ ~left.() == 0 });
    1.wait;
    ~say.("stopped");
    p.play(s);
    ~await.({ p.streams[0].connected });
    s.freeAll;
    s.sync;
    p.stop;
    ~await.({ ~left.() == 0 });
    1.wait;
    ~say.("freed");
    0.exit
};
"""


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return noise()


def recorder(
    scsynth: Scsynth, port: int, path: Path, seconds: float, where: str = "", bus: int = 0, fill: int = FILL
) -> Sclang:
    """Return a sclang that plays the stream of `port` `where` in `scsynth` and records its `bus` into `path`."""
    code = _RECORD.replace("%WHERE%", where).replace("%BUS%", str(bus))
    values = {"CONTROL": port - 1, "STREAM": port, "SCSYNTH": scsynth.port, "FILL": fill, "PATH": path}
    for name, value in (values | {"SECONDS": seconds}).items():
        code = code.replace(f"%{name}%", str(value))
    return Sclang(code)


def record(server: StreamServer, path: Path, seconds: float, rate: int = 48000, where: str = "", bus: int = 0) -> str:
    """Play into a scsynth and record a bus of it; returns what sclang said."""
    with (
        Jack(rate) as jack,
        Scsynth(jack) as scsynth,
        recorder(scsynth, server.port, path, seconds, where, bus) as sclang,
    ):
        sclang.wait_line("RECORDED", 60)
        sclang.wait_end()
    sclang.check()
    return sclang.output


def test_every_sample_arrives(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        said = record(server, tmp_path / "sc.wav", 5)
        server.wait(lambda status: not status)  # petrichor.free unsubscribes
    assert "underruns 0 connected true" in said
    heard = read_recording(tmp_path / "sc.wav")
    assert len(heard) > 3 * 48000
    assert_exact(heard[FADE_IN:], sound)


def test_blocks_of_1024_frames(tmp_path: Path, sound: np.ndarray) -> None:
    """It asks for more every block then: every fourth would be too late for 4096 frames."""
    with (
        StreamServer(sound) as server,
        Jack() as jack,
        Scsynth(jack, block=1024) as scsynth,
        recorder(scsynth, server.port, tmp_path / "sc.wav", 4, fill=4096) as sclang,
    ):
        sclang.wait_line("RECORDED", 60)
        sclang.wait_end()
        sclang.check()
    assert "underruns 0 connected true" in sclang.output
    assert_exact(read_recording(tmp_path / "sc.wav")[FADE_IN:], sound)


def test_every_end_leaves_nothing(sound: np.ndarray) -> None:
    """Also where it was ended before scsynth was there, or the player was freed by somebody else."""
    with StreamServer(sound) as server, Jack() as jack, Scsynth(jack) as scsynth:
        code = _ENDS.replace("%SCSYNTH%", str(scsynth.port)).replace("%STREAM%", str(server.port))
        with Sclang(code.replace("%CONTROL%", str(server.port - 1))) as sclang:
            sclang.wait_end(60)
            sclang.check()
    said = [line for line in sclang.lines if line.startswith(("before", "fading", "stopped", "freed"))]
    assert said == ["before 0 0", "fading 1", "stopped 0 0", "freed 0 0"]


def test_another_rate_in_another_place(tmp_path: Path) -> None:
    """A scsynth at 44.1 kHz hears the same pitch, and nothing that was not sent; in a bus and a group of its own."""
    where = "out: Bus(\\audio, 8, 2, s), target: Group(s), addAction: \\addToTail, "
    with StreamServer(sine(1000, 48000)) as server:
        said = record(server, tmp_path / "sc.wav", 4, 44100, where, bus=8)
    assert "underruns 0 connected true" in said
    assert_pure(read_recording(tmp_path / "sc.wav"), 1000, 44100)


def test_starts_before_the_server_and_survives_its_restart(tmp_path: Path, sound: np.ndarray) -> None:
    port = free_port()
    path = tmp_path / "sc.wav"
    again = noise(2)
    with Jack() as jack, Scsynth(jack) as scsynth, recorder(scsynth, port, path, 8) as sclang:
        with StreamServer(sound, port=port) as server:
            server.wait(lambda _: server.position > 48000)
        with StreamServer(again, port=port):
            sclang.wait_line("RECORDED", 60)
            sclang.wait_end()
    heard = read_recording(path)
    (start,) = np.flatnonzero(np.all(heard == again[FADE_IN], axis=1))
    assert_exact(heard[start:], again)
    silent = FADE_IN + np.flatnonzero(np.all(heard[FADE_IN:start] == 0, axis=1))
    assert_exact(heard[FADE_IN : silent[0]], sound)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """What the player alone has played, cut at its silence."""
    folder = tmp_path_factory.mktemp("player")
    with Sclang(_PLAYER.format(folder=folder)) as sclang:
        sclang.wait_end()
        sclang.check()
    heard = read_recording(folder / "player.wav")
    loud = np.flatnonzero(heard.any(axis=1))
    cuts = np.flatnonzero(np.diff(loud) > 1)
    return np.split(heard[loud[0] : loud[-1] + 1], np.ravel([(loud[cuts] + 1, loud[cuts + 1])], order="F"))[::2]


def test_what_is_sent_again_does_not_let_the_player_run_past_the_end(rendered: list[np.ndarray]) -> None:
    first, _ = rendered
    written = (np.arange(1, 8193, dtype=np.float32) / 16384).reshape(-1, 2)
    assert 4095 <= len(first) <= 4096, "the first frame of a fade may be silent"
    np.testing.assert_array_equal(first[FADE_IN:], written[4096 - len(first) + FADE_IN :])


def test_it_fades_in_after_an_underrun_and_out_at_the_end(rendered: list[np.ndarray]) -> None:
    _, second = rendered
    steps = np.diff(np.abs(second).max(1))
    assert np.abs(steps).max() < 1.1 * 0.5 / FADE_IN
    assert np.all(steps[:FADE_IN] >= 0)
    falls = np.flatnonzero(steps < 0)
    assert falls[-1] - falls[0] == pytest.approx(FADE_OUT, abs=4)
    assert np.all(second[FADE_IN : falls[0]] == 0.5)
    assert abs(second[-1]).max() < 0.001, "it ends in silence"
