"""The whole path: a real `petrichor serve` heard and played from a real Pd and a real scsynth with a real sclang.

Each program performs the same little score by its own clock, with the bird muted between four scenes, and records
what it hears. So the scenes can be found in the recording by the silence around them, however busy the machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from petrichor.voice_file import Voice
from tests.live_server import LiveServer, live_server
from tests.patches.jack import Jack
from tests.patches.pure_data import PureData, read_recording, recording_patch
from tests.patches.supercollider import Sclang, Scsynth
from tests.sound import find, level, likeness, sounding
from tests.tiny_voices import BIRD, make_voice

FILL = 12288
RATE = 48000
GAP = 9600  # frames of silence that part two scenes: far more than an underrun
SCENES = [("seed 3", "intensity 0"), ("seed 3", "intensity 1"), ("seed 4", "intensity 1"), ("seed 3", "intensity 1")]
SCENE, PAUSE = 1.2, 0.6  # seconds


@pytest.fixture
def server(voices: dict[str, Voice], tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose one bird is muted; nothing else sounds. It sings alone, so that two scenes can be compared."""
    folder = tmp_path / "voices"
    folder.mkdir()
    alone = dataclasses.replace(BIRD, intensity={"mode": "layers", "layers": 1, "rest_seconds": 0.0})
    make_voice(folder / "bird.voice", alone, voices["bird"].generator)
    with live_server(folder, tmp_path / "recordings") as server:
        server.client.send("/bird/mute", 1)
        server.client.settle()
        yield server


def events() -> list[tuple[float, str]]:
    """Return the score: (seconds, message to the voice)."""
    score: list[tuple[float, str]] = []
    at = 1.5
    for settings in SCENES:
        score += [(at, setting) for setting in settings]
        score += [(at + 0.3, "mute 0"), (at + 0.3 + SCENE, "mute 1")]
        at += 0.3 + SCENE + PAUSE
    return score


def perform_in_pd(server: LiveServer, folder: Path) -> np.ndarray:
    """Play the score from Pd and return what Pd recorded. Shape [frames, 2]"""
    player = recording_patch([f"petrichor~ 127.0.0.1 {server.stream_port} {FILL}"], folder)
    score = events()
    boxes = ["#X obj 10 10 loadbang;", f"#X obj 10 400 petrichor.control bird 127.0.0.1 {server.port};"]
    wires = []
    for seconds, message in score:
        first = len(boxes)
        boxes += [f"#X obj 50 50 delay {1000 * seconds:.0f};", f"#X msg 50 80 {message};"]
        wires += [f"0 0 {first} 0", f"{first} 0 {first + 1} 0", f"{first + 1} 0 1 0"]
    boxes += [f"#X obj 90 50 delay {1000 * score[-1][0] + 1000:.0f};", "#X msg 90 80 \\; finish 1;"]
    wires += [f"0 0 {len(boxes) - 2} 0", f"{len(boxes) - 2} 0 {len(boxes) - 1} 0"]
    text = "\n".join(["#N canvas 0 0 400 300 12;", *boxes, *(f"#X connect {wire};" for wire in wires)])
    (folder / "score.pd").write_text(text + "\n")
    with PureData(player, options=("-open", str(folder / "score.pd"))) as pd:
        pd.wait_end(60)
        pd.check()
    return read_recording(folder / "0.wav")


SCLANG = """
s = Server.remote(\\test, NetAddr("127.0.0.1", %SCSYNTH%));
s.doWhenBooted {
    var buffer, petrichor, voice, score;
    buffer = Buffer.alloc(s, (s.sampleRate * %SECONDS%).asInteger, 2);
    SynthDef(\\recorder, { RecordBuf.ar(In.ar(0, 2), buffer, loop: 0) }).send(s);
    s.sync;
    petrichor = Petrichor("127.0.0.1", %CONTROL%, %STREAM%);
    petrichor.play(s, fill: %FILL%);
    voice = petrichor.voice(\\bird);
    s.sendBundle(nil, Synth.basicNew(\\recorder, s).newMsg(s.defaultGroup, [], \\addAfter));
    %SCORE%
    1.wait;
    buffer.write("%PATH%", "wav", "float");
    s.sync;
    petrichor.free;
    s.sync;
    "RECORDED".postln;
    0.exit
};
"""


def perform_in_supercollider(server: LiveServer, folder: Path) -> np.ndarray:
    """Play the score from sclang and return what scsynth recorded. Shape [frames, 2]"""
    lines, now = [], 0.0
    for seconds, message in events():
        parameter, value = message.split()
        lines.append(f"{seconds - now:.3f}.wait; voice.{parameter} = {value};")
        now = seconds
    values = {"CONTROL": server.port, "STREAM": server.stream_port, "FILL": FILL, "PATH": folder / "0.wav"}
    with Jack() as jack, Scsynth(jack) as scsynth:
        code = SCLANG
        for name, value in (values | {"SCSYNTH": scsynth.port, "SECONDS": now + 2, "SCORE": "\n".join(lines)}).items():
            code = code.replace(f"%{name}%", str(value))
        with Sclang(code) as sclang:
            sclang.wait_line("RECORDED", 90)
            sclang.wait_end()
            sclang.check()
    return read_recording(folder / "0.wav")


def scenes(sound: np.ndarray) -> list[np.ndarray]:
    """Cut a recording at its long silences; what is shorter than a scene is the end of the sound before them."""
    loud = np.flatnonzero(np.abs(sound).max(1) > 0)
    cuts = np.flatnonzero(np.diff(loud) > GAP)
    starts, ends = loud[np.concatenate(([0], cuts + 1))], loud[np.concatenate((cuts, [len(loud) - 1]))]
    return [sound[start:end] for start, end in zip(starts, ends, strict=True) if end - start > SCENE * RATE / 2]


@pytest.mark.parametrize("perform", [perform_in_pd, perform_in_supercollider])
def test_scenes_played_from_a_patch_are_heard_in_it(perform, server: LiveServer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    heard: list[np.ndarray] = []
    mix = server.record("mix.wav", lambda: heard.append(perform(server, tmp_path)))
    sound = heard[0]
    assert np.isfinite(sound).all()
    quiet, loud, other, again = scenes(sound)
    assert level(loud) > 1.4 * level(quiet) > 0
    middle = slice(RATE // 4, RATE)
    assert likeness(loud[middle], again[middle]) > 0.95
    assert likeness(loud[middle], other[middle]) < 0.85
    # What the patch heard is what the server mixed, to the last bit: an underrun may add silence, never lose sound.
    exact = sounding(sound[find(sound, quiet[:256]) :])
    mixed = sounding(mix[find(mix, quiet[:256]) :])
    np.testing.assert_array_equal(exact, mixed[: len(exact)])
    assert len(exact) > 3 * SCENE * RATE
