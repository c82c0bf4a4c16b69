"""The SuperCollider classes from within: their own UnitTest, patterns on the wire, and the piece of five scenes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.patches.process import PATCHES
from tests.patches.supercollider import Sclang
from tests.patches.table_server import TableServer

BEAT = 0.05  # s between two events
LATENCY = 0.2  # s
FALLS = "0.5, 0.25, 0.75, 0.125, 1.0, 0.0"

_UNIT_TESTS = """
fork({{
    UnitTest.passVerbosity = UnitTest.brief;
    TestPetrichor.port = {port};
    TestPetrichor.run;
    "% failed, % passed".format(UnitTest.failures.size, UnitTest.passes.size).postln;
    0.exit
}}, AppClock);
"""

_PATTERN = """
p = Petrichor("127.0.0.1", {port});
s.latency = {latency};
Pbind(
    \\type, \\petrichor, \\voice, [p.rain, p.bird], \\intensity, Pseq([{falls}]),
    'direction/brightness', [0.5, -0.5], \\seed, 7, \\dur, 1
).play(TempoClock(1 / {beat}));
SystemClock.sched(({beat} * 6) + 0.3, {{ p.sync({{ 0.exit }}) }});
"""

# A fader of the window, while controls are sent ahead.
_FADER = """
p = Petrichor("127.0.0.1", {port});
fork({{
    var strip = PetrichorStrip(p.rain);
    p.latency = 0.2;
    p.rain.pan = 0.5;
    strip.put(\\gain, -20);
    p.sync({{ p.free; 0.exit }})
}}, AppClock);
"""

_RECORDING = """
p = Petrichor("127.0.0.1", {port});
p.record("take.wav", 2.5);
fork {{
    while {{ p.recording.isNil }} {{ 0.01.wait }};
    p.free;
    Petrichor("127.0.0.1", {port}).sync({{ 0.exit }})
}};
"""

# p.gain marks where one part of what is sent ends and the next begins.
_PIECE = """
p = Petrichor("127.0.0.1", {port});
p.play(Server(\\nowhere, NetAddr("127.0.0.1", 57999)));
{block}
~way = ~lead;
~lead = {{ |voice, gain| voice.gain = gain }};
fork {{
    0.3.wait;
    6.do {{ ~next.(); p.gain = ~scene - 10; 0.1.wait }};
    p.rain.gain = -60;
    ~way.(p.rain, 0, 0.5);
    0.7.wait;
    p.gain = -20;
    ~lead = ~way;
    p.rain.changed(\\returned);
    0.7.wait;
    p.gain = -22;
    p.rain.told(\\glide, [0.0]);
    p.rain.changed(\\returned);
    0.7.wait;
    p.gain = -21;
    ~auto.(0.1);
    0.7.wait;
    "auto %".format(~scene).postln;
    p.free;
    0.exit
}};
"""


def test_the_classes_own_tests() -> None:
    code = _UNIT_TESTS
    with TableServer() as server, Sclang(code.format(port=server.port), [".", "ignore/tests"]) as sclang:
        failed, passed = sclang.wait_line(r"^(\d+) failed, (\d+) passed$").groups()
        sclang.wait_end()
    assert failed == "0", sclang.output
    assert int(passed) > 100
    assert "ERROR:" not in sclang.output, sclang.output


def test_events_are_exact_bundles() -> None:
    with TableServer() as server:
        with Sclang(_PATTERN.format(port=server.port, latency=LATENCY, beat=BEAT, falls=FALLS)) as sclang:
            sclang.wait_end()
            sclang.check()
        rain, bird, seeds = server.of("/rain/intensity"), server.of("/bird/intensity"), server.of("/rain/seed")
    assert [each.arguments[0] for each in rain] == [float(each) for each in FALLS.split(", ")]
    assert [each.datagram for each in rain] == [each.datagram for each in bird], "an event is one bundle"
    assert [each.datagram for each in seeds] == [each.datagram for each in rain], "the seed too"
    assert [each.arguments for each in server.of("/bird/direction/brightness")] == [(-0.5,)] * len(rain)
    assert not server.of("/rain/pan"), "an event's parent has a pan that nobody asked for"
    times = np.array([each.time for each in rain])
    assert np.abs(np.diff(times) - BEAT).max() < 1e-5, "as far apart as their beats"
    leads = np.array([each.time - each.came for each in rain])
    assert 0 < np.median(leads) < LATENCY + 0.02, "sent ahead by the latency"


def test_a_fader_sends_nothing_ahead() -> None:
    with TableServer() as server:
        with Sclang(_FADER.format(port=server.port)) as sclang:
            sclang.wait_end()
            sclang.check()
        (pan,), (gain,) = server.of("/rain/pan"), server.of("/rain/gain")
    assert pan.time - pan.came > LATENCY / 2
    assert gain.time - gain.came < LATENCY / 4


def test_the_end_ends_a_recording() -> None:
    with TableServer() as server:
        with Sclang(_RECORDING.format(port=server.port)) as sclang:
            sclang.wait_end()
            sclang.check()
        assert [each.arguments for each in server.of("/record")] == [("take.wav", 2.5), ()]
    assert not server.recording


def test_the_piece() -> None:
    text = (PATCHES / "supercollider" / "petrichor-set.scd").read_text()
    block = re.search(r"^// 2\..*?^(\(\n.*?^\))$", text, re.MULTILINE | re.DOTALL)
    assert block
    with TableServer() as server, Sclang(_PIECE.format(port=server.port, block=block[1][1:-1])) as sclang:
        sclang.wait_end()
        sclang.check()
    assert [line[0] for line in sclang.lines if re.match(r"\d\. ", line)] == list("123451" + "12345")
    assert "auto 4" in sclang.lines
    first, *scenes, again, way, heard, back, auto = parts(server)
    assert [dict(part) for part in (first, *scenes)] == pd_scenes()
    assert again == first, "after the last scene the first"
    amplitudes = 10 ** (np.array([value for _, value in way[1:]]) / 20)
    assert amplitudes == pytest.approx(np.linspace(0.2008, 1, 5), rel=1e-3), "gains go a straight way in amplitude"
    assert not heard, "a voice that was only not heard for a while stays as it is"
    assert {address.split("/")[1] for address, _ in back} == {"rain"}, "a voice that returned is brought there again"
    assert dict(back) == {address: value for address, value in first if "rain" in address}
    assert [value for address, value in back if address == "/rain/glide"] == [0, 1000], (
        "at once; then glide is the scene's"
    )
    assert [value for address, value in auto if address == "/rain/intensity"] == [
        dict(scene)["/rain/intensity"] for scene in (first, *scenes)
    ], "by itself from the first on"


def parts(server: TableServer) -> list[list[tuple[str, float]]]:
    """Return what was sent to voices but freeze, in parts that the master's gain divides."""
    found: list[list[tuple[str, float]]] = [[]]
    for each in server.received:
        if each.address == "/master/gain":
            found.append([])
        elif each.arguments and each.address.startswith(("/rain/", "/bird/")) and "/freeze" not in each.address:
            found[-1].append((each.address, round(float(str(each.arguments[0])), 4)))
    return found


def pd_scenes() -> list[dict[str, float]]:
    """Return the five scenes of the same piece in Pd: every address and its value."""
    boxes = re.findall(
        r"#X msg \d+ \d+ (glide [^;]*?), f \d+;", (PATCHES / "pd" / "petrichor-set.pd").read_text(), re.DOTALL
    )
    found = []
    for pair in zip(boxes[::2], boxes[1::2], strict=True):
        scene = {}
        for voice, box in zip(("rain", "bird"), pair, strict=True):
            for message in " ".join(box.split()).split(" \\, "):
                *names, value = message.split()
                scene[f"/{voice}/{'/'.join(names)}"] = float(value)
        found.append(scene)
    return found
