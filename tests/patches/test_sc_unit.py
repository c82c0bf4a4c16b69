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

_PIECE = """
p = Petrichor("127.0.0.1", {port});
{block}
fork {{
    0.3.wait;
    ~scenes.size.do {{
        ~next.(0);
        ~scenes[~scene][\\seconds] = 0;
        0.15.wait
    }};
    ~next.();
    [~scene, p.rain.intensity, p.bird.intensity].postln;
    ~auto.(0.1);
    0.6.wait;
    [\\auto, ~scene, p.bird.gain].postln;
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


def test_the_piece() -> None:
    text = (PATCHES / "supercollider" / "petrichor-set.scd").read_text()
    block = re.search(r"^// 2\..*?^(\(\n.*?^\))$", text, re.MULTILINE | re.DOTALL)
    assert block
    with TableServer() as server:
        with Sclang(_PIECE.format(port=server.port, block=block[1][1:-1])) as sclang:
            sclang.wait_end()
            sclang.check()
        rain = [each.arguments[0] for each in server.of("/rain/intensity")]
        bird = [each.arguments[0] for each in server.of("/bird/intensity")]
    for name in ("1. drizzle alone", "3. downpour", "5. a lone bird, at rest"):
        assert name in sclang.lines
    scenes = [pytest.approx(each, abs=1e-6) for each in (0.08, 0.45, 1.0, 0.2, 0.0)]
    assert rain[:6] == [*scenes, scenes[0]], "after the last scene the first"
    assert rain[6:] == scenes, "by itself from the first on"
    assert bird[3] == pytest.approx(0.9), "the chorus wakes"
    assert "[ auto, 4, 0" in sclang.output.replace("\n", " ")
