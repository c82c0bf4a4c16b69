"""Mappings of foreign addresses: pure, without a server."""

from __future__ import annotations

import pytest

from petrichor.errors import MessageError
from petrichor.mappings import CURVES, Map, Mappings, target_row
from petrichor.osc import Message


def values(each: Map, *numbers: float) -> list[object]:
    meanings = [each.meaning(Message(each.source, (number,))) for number in numbers]
    return [None if meaning is None else meaning.args for meaning in meanings]


def test_a_fader_goes_along_its_curve_between_the_ends_as_written() -> None:
    for curve in CURVES[:-1]:
        each = Map("/1/fader1", "/rain/gain", low=-48.0, high=-6.0, curve=curve)
        assert values(each, 0.0, 1.0, -3.0, 7.0, True) == [(-48.0,), (-6.0,), (-48.0,), (-6.0,), (-6.0,)], curve
        steps = [float(str(args[0])) for args in values(each, *(i / 20 for i in range(21)))]  # type: ignore[index]
        assert steps == sorted(steps), curve
    middle = {
        "linear": Map("/f", "/rain/glide", low=100.0, high=10_000.0),
        "exponential": Map("/f", "/rain/glide", low=100.0, high=10_000.0, curve="exponential"),
        "square": Map("/f", "/rain/intensity", low=0.2, high=1.0, curve="square"),
        "decibels": Map("/f", "/rain/gain", low=-60.0, high=0.0, curve="decibels"),
    }
    found = {curve: values(each, 0.5)[0][0] for curve, each in middle.items()}  # type: ignore[index]
    expected = {"linear": 5050.0, "exponential": 1000.0, "square": 0.4, "decibels": -6.0206}
    assert found == pytest.approx(expected, abs=1e-4)


def test_ranges_of_both_sides_may_be_turned_round() -> None:
    each = Map("/knob", "/rain/pan", low=1.0, high=-1.0, from_low=127.0, from_high=0.0)
    assert values(each, 127, 0, 63.5, 200) == [(1.0,), (-1.0,), (0.0,), (1.0,)]


def test_switches_get_whole_numbers_and_buttons_act_when_they_are_pressed() -> None:
    assert values(Map("/toggle", "/rain/mute"), 0.0, 0.4, 0.6, 1.0) == [(0,), (0,), (1,), (1,)]
    assert values(Map("/push", "/rain/new"), 0.0, 1.0) == [None, ()]
    push = Map("/push", "/rain/new", arg=1)
    assert push.meaning(Message("/push")) == Message("/rain/new"), "a button may send nothing"
    scene = Map("/push", "/scene/load", low=3.0, high=3.0, curve="button")
    assert values(scene, 1.0, 0.0) == [(3,), None]


def test_several_maps_share_a_source_and_keep_the_time() -> None:
    maps = Mappings([Map("/xy", "/rain/intensity"), Map("/xy", "/*/gain", arg=1, low=-60.0, high=0.0)])
    assert maps(Message("/xy", (0.25, 1), 12.5)) == [
        Message("/rain/intensity", (0.25,), 12.5),
        Message("/*/gain", (0.0,), 12.5),
    ]
    assert maps(Message("/xyz", (1.0,))) == [Message("/xyz", (1.0,))]


@pytest.mark.parametrize("args", [(), ("loud",), (float("nan"),), (b"1",), (None,)])
def test_what_is_no_number_is_refused(args: tuple[object, ...]) -> None:
    with pytest.raises(MessageError, match=r"^/1/fader1: got .* as argument 0, expected a number"):
        Mappings([Map("/1/fader1", "/rain/intensity")])(Message("/1/fader1", args))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"source": "fader"}, "from is 'fader', expected an address"),
        ({"source": "/*/fader"}, "without patterns"),
        ({"source": "/notify"}, "an address of ours"),
        ({"target": "/rain/colour"}, "to is '/rain/colour', expected an address of ours"),
        ({"target": "/rain"}, "expected an address of ours"),
        ({"target": "/rain/latent/first"}, "expected an address of ours"),
        ({"target": "/rain/*"}, "expected an address of ours"),
        ({"target": "/rain/latent"}, "takes f\\*, expected one that takes a number"),
        ({"target": "/record"}, "takes s\\?"),
        ({"arg": -1}, "arg is -1, expected 0…255"),
        ({"from_low": 1.0}, "from_low and from_high are both 1"),
        ({"curve": "__import__('os')"}, "expected one of linear, exponential"),
        ({"high": 1.5}, "high is 1.5, expected 0…1"),
        ({"curve": "exponential"}, "exponential from 0 to 1"),
        ({"curve": "decibels"}, "is no level"),
    ],
)
def test_a_map_that_cannot_be_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Map(**{"source": "/1/fader1", "target": "/rain/intensity", **given})  # type: ignore[arg-type]


def test_targets_belong_to_rows_of_the_table() -> None:
    rows = {"/rain/latent/3": "/V/latent/N", "/x/direction/bright": "/V/direction/NAME", "/master/gain": "/master/gain"}
    assert {address: getattr(target_row(address), "address", None) for address in rows} == rows
    assert [target_row(each) for each in ("", "/", "rain/gain", "/rain/latent/N", "/rain/direction/NAME")] == [None] * 5
