"""Time from a real sclang: what a Routine plays with a latency acts at its sample; status and clock are understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.bench.rig import PROBES, Rig
from tests.patches.supercollider import Sclang

RATE = 48000
STEPS = 8

CODE = """
p = Petrichor("127.0.0.1", {port});
fork {{
    p.gain = -60;
    p.clock({{ |offset| "offset %".format(offset.round(0.01)).postln }});
    0.5.wait;
    p.record("steps.wav");
    0.2.wait;
    p.latency = 0.2;
    {steps}.do {{ |n|
        p.gain = 0;
        0.1.wait;
        p.gain = -60;
        0.15.wait;
    }};
    p.bundle(0.3, ["/a/intensity", 0.5], ["/a/gain", -3]);
    p.bundle(30, ["/a/intensity", 0]);
    0.5.wait;
    p.latency = nil;
    p.status {{ |state| "waiting % clock %".format(state.waiting, state.clock).postln }};
    0.2.wait;
    p.clearSched;
    p.stopRecording;
    p.sync {{ p.status {{ |state| "then %".format(state.waiting).postln; p.free; 0.exit }} }};
}};
"""


@pytest.mark.parametrize("steps", [STEPS])
def test_a_routine_is_played_to_the_sample(steps: int) -> None:
    with Rig({"a": PROBES["probe-1"]}) as rig:
        rig.client.send("/a/intensity", 1.0)
        rig.client.send("/a/latent/0", 0.0)
        rig.client.settle()
        rig.client.heard.clear()
        with Sclang(CODE.format(port=rig.port, steps=steps)) as sclang:
            assert abs(float(sclang.wait_line(r"offset (\S+)")[1])) < 50, "of one machine's clock against itself"
            assert sclang.wait_line(r"waiting (\d+)")[1] == "1", "what was sent 30 s ahead"
            assert sclang.wait_line(r"then (\d+)")[1] == "0"
            sclang.wait_end()
            sclang.check()
        rig.client.wait("/done", lambda message: len(message.args) == 3)
        late = [message for message in rig.client.heard if message.address == "/late"]
        sound, _ = soundfile.read(Path(rig.recordings) / "steps.wav", dtype="float32")
    loud = np.flatnonzero(np.abs(sound).max(1) > 0)
    begins = [loud[0], *loud[np.flatnonzero(np.diff(loud) > RATE // 50) + 1]]
    assert len(begins) == steps
    assert np.abs(np.diff(begins) - RATE // 4).max() <= 1
    assert not late
