"""The set of five scenes in a real Pd: each scene sends what stands in its boxes, by number, by next and by auto."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from petrichor.osc import encode
from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, free_port, wait_for
from tests.patches.pure_data import PureData
from tests.patches.stream_server import StreamServer, noise
from tests.patches.test_pd_help import ValueServer

SET = PATCHES / "pd" / "petrichor-set.pd"
VOICES = ("rain", "bird")

_REMOTE = """#N canvas 0 0 300 200 12;
#X obj 10 10 r fade;
#X msg 10 40 \\; scene fade \\$1;
#X obj 110 10 r auto;
#X msg 110 40 \\; scene seconds 0.2 \\; scene auto \\$1;
#X connect 0 0 1 0;
#X connect 2 0 3 0;
"""
_WATCH = """#X obj 10 90 r set-again;
#X obj 10 120 print again;
#X connect 4 0 5 0;
"""


def scenes() -> list[set[tuple[str, float]]]:
    """Return the five scenes as they are written in the patch: every address and its value."""
    boxes = re.findall(r"#X msg \d+ \d+ (glide [^;]*?), f \d+;", SET.read_text(), re.DOTALL)
    assert len(boxes) == 10
    found: list[set[tuple[str, float]]] = []
    for pair in zip(boxes[::2], boxes[1::2], strict=True):
        values = set()
        for voice, box in zip(VOICES, pair, strict=True):
            for message in " ".join(box.split()).split(" \\, "):
                *names, value = message.split()
                values.add((f"/{voice}/{'/'.join(names)}", float(value)))
        found.append(values)
    return found


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[PureData, OscSocket]]:
    (tmp_path / "control.pd").write_text(_REMOTE)
    with StreamServer(noise()) as stream, OscSocket() as control:
        text = SET.read_text().replace("127.0.0.1 9001", f"127.0.0.1 {stream.port}")
        text = text.replace("127.0.0.1 9000", f"127.0.0.1 {control.port}")
        with PureData(text, options=("-open", str(tmp_path / "control.pd"))) as pd:
            pd.send("fade", 0)
            control.wait("/notify")
            yield pd, control
            pd.check()


def begun(control: OscSocket) -> list[int]:
    """Return which scenes have begun so far, from 1, by the level of the birds, which differs in all."""
    levels = [dict(scene)["/bird/gain"] for scene in scenes()]
    assert len(set(levels)) == 5
    return [
        levels.index(round(float(str(args[0])), 3)) + 1 for address, args in control.read() if address == "/bird/gain"
    ]


def test_each_scene_sends_its_boxes(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    for number, scene in enumerate(scenes(), 1):
        assert {address.split("/")[2] for address, _ in scene} == {
            "glide",
            "drift",
            "intensity",
            "direction",
            "pan",
            "gain",
        }
        control.received.clear()
        pd.send("scene", number)
        size = len(scene)
        wait_for(lambda size=size: len(values(control)) == size, 30, lambda: str(control.received))
        assert {(address, round(value, 4)) for address, value in values(control)} == scene


def values(control: OscSocket) -> list[tuple[str, float]]:
    """Return every value that was sent."""
    return [(address, float(str(args[0]))) for address, args in control.read() if address != "/notify"]


def test_next_and_auto(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    pd.send("scene", 4)
    for _ in range(3):
        pd.send("scene", "next")
    wait_for(lambda: begun(control) == [4, 5, 1, 2], 30, lambda: str(begun(control)))
    pd.send("auto", 1)
    wait_for(lambda: begun(control)[:8] == [4, 5, 1, 2, 3, 4, 5, 1], 30, lambda: str(begun(control)))
    pd.send("auto", 0)
    pd.send("scene", 9)  # no such scene: the last
    wait_for(lambda: begun(control)[-1] == 5, 30, lambda: str(begun(control)))


def test_auto_begins_with_the_first(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    pd.send("auto", 1)
    wait_for(lambda: begun(control)[:3] == [1, 2, 3], 30, lambda: str(begun(control)))


def test_next_begins_with_the_first(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    assert values(control) == []
    pd.send("scene", "next")
    wait_for(lambda: begun(control) == [1], 30, lambda: str(control.received))


def test_levels_are_led_there_as_amplitudes(played: tuple[PureData, OscSocket]) -> None:
    """A straight line of amplitude: who rises is heard at once, and no scene begins with a hole."""
    pd, control = played
    pd.send("fade", 0.5)
    pd.send("scene", 2)
    wait_for(lambda: ("/bird/gain", -20.0) in values(control), 30, lambda: str(control.received))
    levels = [value for address, value in values(control) if address == "/bird/gain"]
    assert levels == sorted(levels, reverse=True)
    steps = np.diff([10 ** (level / 20) for level in (0.0, *levels)])
    assert len(steps) > 3
    assert np.allclose(steps[1:], steps[1], atol=0.02)


def test_a_fade_goes_on_though_the_server_tells_its_own_values_back(played: tuple[PureData, OscSocket]) -> None:
    """As it does where Pd stands still for a third of a second: the value that was sent last has rested."""
    pd, control = played
    pd.send("fade", 2)
    pd.send("scene", 2)
    voice = last_led(control, 4)
    control.answer(encode(f"/{voice}/gain", gains(control, voice)[2]))
    level = dict(scenes()[1])[f"/{voice}/gain"]
    wait_for(lambda: control.read() and gains(control, voice)[-1] == level, 10, lambda: str(gains(control, voice)))


def test_a_level_that_somebody_else_sets_ends_a_fade(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    pd.send("fade", 10)
    pd.send("scene", 2)
    voice = last_led(control, 4)
    control.answer(encode(f"/{voice}/gain", -47.11))
    control.answer(encode("/fail", f"/{voice}", "heard"))
    pd.wait_line(f"^{voice}: fail heard")
    pd.send("scene", 2)
    wait_for(lambda: control.read() and -47.11 in gains(control, voice), 10, lambda: str(gains(control, voice)))


def last_led(control: OscSocket, least: int) -> str:
    """Return the voice that a level was sent to last, once it has been sent so many: an answer goes to its sender."""

    def voice() -> str:
        return control.received[-1][0].split("/")[1]

    wait_for(lambda: control.read() and len(gains(control, voice())) >= least, 30, lambda: str(control.received))
    return voice()


def gains(control: OscSocket, voice: str) -> list[float]:
    """Return the levels that were sent to a voice, as far as they were read."""
    return [round(float(str(args[0])), 2) for address, args in control.received if address == f"/{voice}/gain"]


def test_the_scene_begins_again_where_the_server_was_started_anew(tmp_path: Path) -> None:
    """At once, and then with its own glide; not for a server that still has it, nor where no scene has begun."""
    (tmp_path / "control.pd").write_text(_REMOTE + _WATCH)
    port = free_port()
    text = SET.read_text().replace("127.0.0.1 9000", f"127.0.0.1 {port}").replace("\\$0-", "set-")
    scene = scenes()[3]
    with (
        OscSocket() as stream,
        PureData(
            text.replace("127.0.0.1 9001", f"127.0.0.1 {stream.port}"),
            options=("-open", str(tmp_path / "control.pd")),
        ) as pd,
    ):
        with ValueServer(port, {"/rain/glide": 123.0}) as server:
            wait_for(lambda: pd.lines.count("again: bang") == 2, 30, "both voices; no scene has begun")
            assert server.changes() == []
            pd.send("fade", 60)  # longer than the test waits
            pd.send("scene", 4)
            wait_for(lambda: server.of("/bird/gain"), 30, "the scene")
            assert server.of("/bird/glide")[0].arguments == (20000.0,)
        with ValueServer(port, {}) as server:  # as it starts: glide 0, all at full level
            wait_for(lambda: scene <= set(_said(server)), 20, lambda: str(server.changes()))
            first = dict(reversed(_said(server)))
            assert first["/bird/glide"] == first["/rain/glide"] == 0.0
        with ValueServer(port, {f"/{voice}/glide": 20000.0 for voice in VOICES}) as server:  # it was only away
            wait_for(lambda: server.of("/bird/gain"), 30, "the level, which goes on")
            assert {address for address, _ in _said(server)} == {"/bird/gain", "/rain/gain"}
            pd.send("scene", 5)
            wait_for(lambda: server.of("/bird/glide"), 30, "the next scene")
            assert server.of("/bird/glide")[0].arguments == (15000.0,)
        pd.check()


def _said(server: ValueServer) -> list[tuple[str, float]]:
    return [(address, round(float(str(args[0])), 4)) for address, args in server.changes()]
