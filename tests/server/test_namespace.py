"""Addresses, patterns and parameters: what a message means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from petrichor.controls import MasterState, VoiceState
from petrichor.errors import MessageError
from petrichor.namespace import Namespace, match_names
from petrichor.osc import Message
from petrichor.parameters import TABLE, VOICE_PARAMETERS, amplitude

ROOT = Path(__file__).parents[2]


class FakeVoices:
    """Two voices, and one that is not loaded yet."""

    def __init__(self) -> None:
        self.states = {name: VoiceState(name, 4, 1.0, directions=("bright", "far")) for name in ("bird", "rain")}
        self.loads: list[str] = []
        self.unloads: list[str] = []

    def names(self) -> list[str]:
        return [*self.states, "late"]

    def loaded(self, name: str) -> bool:
        return name in self.states

    def perform(self, name: str, parameter: str, message: Message) -> float | None:
        return self.states[name].apply(parameter, message.args)

    def values(self, name: str) -> Mapping[str, tuple[object, ...]]:
        return self.states[name].told

    def load(self, name: str, message: Message) -> None:
        self.loads.append(name)

    def unload(self, name: str, message: Message) -> None:
        self.unloads.append(name)


@pytest.fixture
def voices() -> FakeVoices:
    return FakeVoices()


@pytest.fixture
def clamps() -> list[tuple[str, float]]:
    return []


@pytest.fixture
def answers() -> dict[str, tuple[object, ...]]:
    return {}


@pytest.fixture
def namespace(voices: FakeVoices, clamps: list[tuple[str, float]], answers: dict[str, tuple[object, ...]]) -> Namespace:
    commands = {"/ping": lambda message: None}
    master = MasterState()
    return Namespace(voices, commands, lambda *clamp: clamps.append(clamp), lambda: master.told, answers.__setitem__)


def test_message_reaches_its_voice_only(namespace: Namespace, voices: FakeVoices) -> None:
    namespace.obey(Message("/rain/intensity", (0.9,)))
    assert voices.states["rain"].controls.intensity == 0.9
    assert voices.states["bird"].controls.intensity == 0.5


@pytest.mark.parametrize(
    "pattern", ["/{bird,rain}/gain", "/*i*/gain", "/[br]???/{gain}", "/????/ga[hi]n", "/[!l]*/gain"]
)
def test_patterns_reach_all_that_match(namespace: Namespace, voices: FakeVoices, pattern: str) -> None:
    namespace.obey(Message(pattern, (-6,)))
    assert [state.fields["gain"] for state in voices.states.values()] == [-6.0, -6.0]


@pytest.mark.parametrize("pattern", ["*a*b*c*d*", "[", "{a", "[z-a]"])
def test_bad_patterns_are_refused_or_match_nothing(pattern: str) -> None:
    try:
        assert match_names("/x", pattern, ["bird"]) == []
    except MessageError:
        pass


def test_values_out_of_range_are_clamped_and_told(
    namespace: Namespace, voices: FakeVoices, clamps: list[tuple[str, float]]
) -> None:
    for row in VOICE_PARAMETERS.values():
        if row.tags in ("f", "i") and row.low is not None:
            for value, edge in ((-1e9, row.low), (1e12, row.high)):
                clamps.clear()
                address = f"/rain/{row.name}".replace("NAME", "bright")
                namespace.obey(Message(address, (value,)))
                assert clamps == [(address, edge)]


@pytest.mark.parametrize(
    "message",
    [
        Message("/ping/pong"),
        Message("/"),
        Message("/rain"),
        Message("/rain/"),
        Message("/rain/latent", (1.0,)),
        Message("/rain/latent", (1.0, 2.0, 3.0, float("inf"))),
        Message("/rain/latent", (b"\0" * 12,)),
        Message("/rain/latent", (b"\x7f\xc0\0\0" * 4,)),
        Message("/rain/latent", ("1", "2", "3", "4")),
        Message("/rain/latent/4", (0.0,)),
        Message("/rain/latent/-1", (0.0,)),
        Message("/rain/latent/" + "9" * 100, (0.0,)),
        Message("/rain/latent/0/1", (0.0,)),
        Message("/rain/new", (1,)),
        Message("/rain/gain", (None,)),
        Message("/rain/gain", (1.0, 2.0)),
        Message("/rain/mute", ("yes",)),
        Message("/late/gain", (0.0,)),
        Message("/rain/*z", (0.0,)),
        Message("/rain/direction/dark", (0.0,)),
        Message("/rain/direction/*z", (0.0,)),
        Message("/rain/direction", (0.0,)),
        Message("/rain/direction/bright", ()),
        Message("/rain/nothing", ("?",)),
        Message("/rain/latent/4", ("?",)),
        Message("/rain/new", ("?",)),
        Message("/rain/gain", ("?", "?")),
        Message("/late/gain", ("?",)),
        Message("/ping", ("?",)),
    ],
)
def test_bad_messages_are_refused_and_change_nothing(
    namespace: Namespace, voices: FakeVoices, message: Message
) -> None:
    before = voices.states["rain"].controls
    with pytest.raises(MessageError) as caught:
        namespace.obey(message)
    assert caught.value.reason
    after = voices.states["rain"].controls
    np.testing.assert_array_equal(before.latent, after.latent)
    assert (before.intensity, before.seed, before.draw) == (after.intensity, after.seed, after.draw)


def test_values_are_told_to_who_asks(
    namespace: Namespace, voices: FakeVoices, answers: dict[str, tuple[object, ...]]
) -> None:
    namespace.obey(Message("/rain/intensity", (0.25,)))
    namespace.obey(Message("/rain/latent", (0.5, -0.25, 0.125, 1.0)))
    for asked in ("/rain/intensity", "/*/gain", "/rain/latent", "/rain/latent/2", "/master/gain", "/rain/direction/*"):
        namespace.obey(Message(asked, ("?",)))
    assert answers == {
        "/rain/intensity": (0.25,),
        "/rain/gain": (0.0,),
        "/bird/gain": (0.0,),
        "/rain/latent": (0.5, -0.25, 0.125, 1.0),
        "/rain/latent/2": (0.125,),
        "/master/gain": (0.0,),
        "/rain/direction/bright": (0.0,),
        "/rain/direction/far": (0.0,),
    }


def test_what_is_told_sets_the_same_values(namespace: Namespace, voices: FakeVoices) -> None:
    changes = {"intensity": 0.1, "truncation": 2.5, "direction/far": -1.5, "glide": 250.0, "drift": 0.5, "freeze": 1}
    for parameter, value in {**changes, "gain": -9.0, "pan": 0.25, "mute": 1, "spread": 0.75}.items():
        namespace.obey(Message(f"/rain/{parameter}", (value,)))
    told = dict(voices.states["rain"].told)
    assert told["direction/far"] == (-1.5,) and told["direction/bright"] == (0.0,)
    assert told.pop("seed") != voices.states["bird"].told["seed"]
    for parameter, args in told.items():
        namespace.obey(Message(f"/bird/{parameter}", args))
    assert {**voices.states["bird"].told, "seed": ()} == {**told, "seed": ()}


def test_directions_are_set_by_a_pattern(namespace: Namespace, voices: FakeVoices) -> None:
    namespace.obey(Message("/*/direction/*", (0.5,)))
    for state in voices.states.values():
        np.testing.assert_array_equal(state.controls.directions, [0.5, 0.5])


def test_voices_that_cannot_obey_a_pattern_keep_no_other_from_it(namespace: Namespace, voices: FakeVoices) -> None:
    voices.states["bird"] = VoiceState("bird", 3, 1.0)
    namespace.obey(Message("/*/direction/*", (0.5,)))
    assert (voices.states["rain"].controls.directions == 0.5).all()
    with pytest.raises(MessageError, match="bird has no direction"):
        namespace.obey(Message("/*/direction/far", (0.25,)))
    assert voices.states["rain"].told["direction/far"] == (0.25,)
    with pytest.raises(MessageError, match="got 4 values, expected 3"):
        namespace.obey(Message("/*/latent", (0.5, 0.5, 0.5, 0.5)))
    assert voices.states["rain"].told["latent"] == (0.5, 0.5, 0.5, 0.5)


def test_directions_of_the_same_name_stay_with_another_network() -> None:
    state = VoiceState("rain", 4, 1.0, directions=("bright", "far"))
    state.apply("direction/far", [2.0])
    other = state.fitted(4, ("far", "sharp"))
    np.testing.assert_array_equal(other.controls.directions, [2.0, 0.0])
    np.testing.assert_array_equal(other.controls.latent, state.controls.latent)


def test_latents_as_floats_as_blob_and_one_by_one_are_the_same() -> None:
    values = [0.5, -0.25, 0.125, 1.0]
    states = [VoiceState("rain", 4, 1.0) for _ in range(3)]
    states[0].apply("latent", values)
    states[1].apply("latent", [np.array(values, ">f4").tobytes()])
    for index, value in enumerate(values):
        states[2].apply(f"latent/{index}", [value])
    for state in states:
        np.testing.assert_array_equal(state.controls.latent, np.array(values, np.float32))


def test_given_latents_are_clipped_to_the_truncation_and_come_back_when_it_opens() -> None:
    state = VoiceState("rain", 2, 1.0)
    state.apply("latent", [2.5, -0.5])
    assert state.controls.latent.tolist() == [1.0, -0.5]
    state.apply("truncation", [3.0])
    assert state.controls.latent.tolist() == [2.5, -0.5]
    state.apply("truncation", [0.0])
    assert state.controls.latent.tolist() == [0.0, 0.0]


def test_what_new_has_drawn_comes_back_by_its_seed() -> None:
    """The seed that it tells is one that a Pd patch can hold and send back."""
    state = VoiceState("a", 5, 1.0)
    for _ in range(50):
        state.apply("new", [])
        seed, latent = state.fields["seed"], state.fields["latent"]
        assert float(np.float32(seed)) == seed < 1 << 24
        other = VoiceState("b", 5, 1.0)
        other.apply("seed", [float(seed)])
        np.testing.assert_array_equal(other.fields["latent"], latent)


def test_seeds_are_repeatable_and_new_is_new() -> None:
    one, other = VoiceState("rain", 16, 1.0, seed=1), VoiceState("rain", 16, 1.0, seed=2)
    assert not np.array_equal(one.controls.latent, other.controls.latent)
    for state in (one, other):
        state.apply("seed", [42.0])  # Pd sends floats
    for _ in range(3):
        np.testing.assert_array_equal(one.controls.latent, other.controls.latent)
        assert one.controls.seed == other.controls.seed
        before = one.controls
        for state in (one, other):
            state.apply("new", [])
        assert not np.array_equal(one.controls.latent, before.latent)
        assert one.controls.draw != before.draw


def test_network_of_another_size_keeps_every_value_but_the_latent() -> None:
    state = VoiceState("rain", 16, 1.0)
    state.apply("gain", [-9])
    other = state.fitted(4, ())
    assert other.controls.latent.shape == (4,)
    assert state.controls.latent.shape == (16,)
    assert other.fields["gain"] == -9
    assert state.fitted(16, ()) is state


def test_mute_and_the_foot_of_the_range_are_silence() -> None:
    state = VoiceState("rain", 4, 1.0)
    state.apply("mute", [1.0])
    assert state.strip.gain == 0.0
    assert amplitude(-60.0) == 0.0
    assert amplitude(0.0) == 1.0
    assert amplitude(-20.0) == pytest.approx(0.1)


def test_readme_lists_exactly_the_table() -> None:
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| `(/[^`]*)` \| ([^|]*) \|", text, re.MULTILINE)
    assert [address for address, _ in rows] == [row.address for row in TABLE]
    for (address, tags), row in zip(rows, TABLE, strict=True):
        assert tags.strip() == (f"`{row.tags}`" if row.tags else "–"), address
