"""The set of five scenes in a real Pd: each scene sends what stands in its boxes, by number, by next and by auto."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, wait_for
from tests.patches.pure_data import PureData
from tests.patches.stream_server import StreamServer, noise

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


def test_levels_are_led_there(played: tuple[PureData, OscSocket]) -> None:
    pd, control = played
    pd.send("fade", 0.5)
    pd.send("scene", 1)
    wait_for(lambda: ("/bird/gain", -36.0) in values(control), 30, lambda: str(control.received))
    levels = [value for address, value in values(control) if address == "/bird/gain"]
    assert levels == sorted(levels, reverse=True)
    assert len(levels) > 3
