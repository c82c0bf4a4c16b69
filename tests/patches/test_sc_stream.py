"""The sound path into a real scsynth through the real classes in a real sclang."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.patches.jack import Jack
from tests.patches.pure_data import read_recording
from tests.patches.stream_server import StreamServer, assert_exact, noise
from tests.patches.supercollider import Sclang, Scsynth

FILL = 16384

# Records `seconds` of the stream from before it starts, and says how it went.
_RECORD = """
var path = "{path}", seconds = {seconds};
s = Server.remote(\\test, NetAddr("127.0.0.1", {scsynth}));
s.doWhenBooted {{
    var buffer, petrichor, stream, writer;
    buffer = Buffer.alloc(s, (s.sampleRate * seconds).asInteger, 2);
    SynthDef(\\recorder, {{ RecordBuf.ar(In.ar(0, 2), {buffer}, loop: 0, doneAction: 2) }}).send(s);
    s.sync;
    petrichor = Petrichor("127.0.0.1", {control}, {stream});
    stream = petrichor.play(s, fill: {fill});
    writer = Synth.basicNew(\\recorder, s);
    OSCFunc({{
        "underruns % connected % held %".format(stream.underruns, stream.connected, stream.held).postln;
        buffer.write(path, "wav", "float", completionMessage: ["/sync", 4242]);
        fork {{ s.sync; petrichor.free; s.sync; "RECORDED".postln; 0.exit }}
    }}, '/n_end', s.addr, argTemplate: [writer.nodeID]);
    s.sendBundle(nil, writer.newMsg(s.defaultGroup, [], \\addAfter));
    "RECORDING".postln
}};
"""


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return noise()


def record(server: StreamServer, folder: Path, seconds: float, rate: int = 48000) -> Sclang:
    """Play into a scsynth and record its output bus; returns the sclang, ended."""
    with Jack(rate) as jack, Scsynth(jack) as scsynth:
        values = {"path": folder / "sc.wav", "seconds": seconds, "fill": FILL, "buffer": "\\buffer.kr(0)"}
        ports = {"scsynth": scsynth.port, "control": server.port - 1, "stream": server.port}
        with Sclang(_RECORD.replace("{buffer}", "buffer").format(**values, **ports)) as sclang:
            sclang.wait_line("RECORDED", 60)
            sclang.wait_end()
    sclang.check()
    return sclang


def test_every_sample_arrives(tmp_path: Path, sound: np.ndarray) -> None:
    with StreamServer(sound) as server:
        sclang = record(server, tmp_path, 5)
    assert "underruns 0 connected true" in sclang.output
    heard = read_recording(tmp_path / "sc.wav")
    assert len(heard) > 3 * 48000
    assert_exact(heard, sound)
