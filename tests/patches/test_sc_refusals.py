"""What a real server refuses or forgets is no value in SuperCollider either."""

from __future__ import annotations

import re

import pytest

from petrichor.bench.rig import PROBES, Rig
from tests.patches.supercollider import Sclang

# `~say` posts what sclang holds and what the server answers.
CODE = """
p = Petrichor("127.0.0.1", {port});
v = p.voice(\\a);
~sync = {{ var done = false; p.sync({{ done = true }}); while {{ done.not }} {{ 0.01.wait }}; 0.05.wait }};
~say = {{ |what, parameter|
    var held, answer, post = {{ |value| value.asArray.round(0.001).join(" ") }};
    2.do {{ ~sync.() }};
    held = v.get(parameter); // before it is asked for
    v.ask(parameter, {{ |value| answer = value }});
    ~sync.();
    "SAYS % | % | %".format(what, post.(held), post.(answer)).postln
}};
fork {{
    v.gain = 0.ampdb;
    ~say.("silence", \\gain);
    v.gain = -6;
    v.set(\\gain, -inf);
    ~say.("infinite", \\gain);
    v.latent = {{ 0.5 }} ! 3;
    ~say.("wrong size", \\latent);
    v.latentAt(99, 1);
    ~say.("wrong place", \\latent);
    v.direction(\\nowhere, 1);
    2.do {{ ~sync.() }};
    "SAYS nowhere | % |".format(v.direction(\\nowhere)).postln;
    v.set(\\gain, -inf);
    v.gain = -9;
    ~say.("crossing", \\gain);
    v.intensity = 0.25;
    p.latency = 30;
    v.intensity = 0.75;
    v.pan = 1;
    p.latency = nil;
    p.clearSched;
    ~say.("cancelled", \\intensity);
    ~say.("cancelled, too", \\pan);
    p.free;
    0.exit
}};
"""


@pytest.fixture(scope="module")
def said() -> dict[str, tuple[str, str]]:
    """What sclang held and what the server had, by what was done."""
    with Rig({"a": PROBES["probe-1"]}) as rig, Sclang(CODE.format(port=rig.port)) as sclang:
        sclang.wait_end(60)
    assert "ERROR" not in sclang.output, sclang.output
    found = re.findall(r"^SAYS (.*?) \| (.*?) \|(.*)$", sclang.output, re.MULTILINE)
    said = {what: (held.strip(), answer.strip()) for what, held, answer in found}
    said["warnings"] = (str(sclang.output.count("WARNING: Petrichor: ")), sclang.output)
    return said


def test_no_amplitude_is_the_lowest_gain(said: dict[str, tuple[str, str]]) -> None:
    assert said["silence"] == ("-60.0", "-60.0")


@pytest.mark.parametrize("what", ["infinite", "wrong size", "wrong place", "crossing", "cancelled", "cancelled, too"])
def test_what_the_server_has_is_known(what: str, said: dict[str, tuple[str, str]]) -> None:
    held, answer = said[what]
    assert held == answer != ""


def test_the_last_value_counts(said: dict[str, tuple[str, str]]) -> None:
    assert said["infinite"] == ("-6.0", "-6.0")
    assert said["crossing"] == ("-9.0", "-9.0"), "also one that was sent while the server was asked"
    assert said["cancelled"] == ("0.25", "0.25")


def test_what_the_voice_has_not_is_forgotten(said: dict[str, tuple[str, str]]) -> None:
    assert said["nowhere"][0] == "nil"


def test_each_refusal_is_told_once(said: dict[str, tuple[str, str]]) -> None:
    assert said["warnings"][0] == "5", said["warnings"][1]
