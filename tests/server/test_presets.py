"""Presets: what is written is read back, and the way to it; without a server."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from petrichor.controls import MasterState, VoiceState
from petrichor.errors import MessageError
from petrichor.preset_file import Preset, from_toml, to_toml
from petrichor.presets import Presets

Values = Mapping[str, tuple[object, ...]]


class FakeStudio:
    """Two voices and a master in memory; a third can be loaded."""

    def __init__(self) -> None:
        self.master = MasterState()
        self.voices = {name: VoiceState(name, 4, 2.0, directions=("bright",)) for name in ("bird", "rain")}
        self.files = {"bird": "bird", "rain": "drizzle"}
        self.loads: list[tuple[str, str, Callable[[str], None]]] = []
        self.pending: set[str] = set()

    def told(self) -> tuple[Values, Mapping[str, Values], Mapping[str, str]]:
        return self.master.told, {name: state.told for name, state in self.voices.items()}, self.files

    def loading(self, name: str) -> bool:
        return name in self.pending

    def load_voice(self, name: str, file: str, values: Values, loaded: Callable[[str], None]) -> None:
        self.loads.append((name, file, loaded))

    def set(self, name: str | None, parameter: str, args: tuple[object, ...]) -> None:
        (self.master if name is None else self.voices[name]).apply(parameter, args)


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def presets(tmp_path: Path, studio: FakeStudio) -> Presets:
    return Presets(tmp_path / "presets", studio)


@pytest.fixture
def replies() -> list[str]:
    return []


def values(studio: FakeStudio) -> object:
    master, voices, files = studio.told()
    return master, {name: {**each, "seed": ()} for name, each in voices.items()}, files


def change_all(studio: FakeStudio) -> None:
    for name, gain in (("bird", -6.0), ("rain", -12.0)):
        for parameter, args in {
            "latent": (0.5, -1.0, 0.25, 1.5),
            "direction/bright": (1.5,),
            "intensity": (0.9,),
            "truncation": (1.0,),
            "glide": (40.0,),
            "drift": (0.25,),
            "freeze": (1,),
            "gain": (gain,),
            "pan": (-0.5,),
            "mute": (1,),
        }.items():
            studio.set(name, parameter, args)
    studio.set(None, "gain", (-3.0,))


def test_what_is_saved_comes_back(presets: Presets, studio: FakeStudio, replies: list[str]) -> None:
    before = values(studio)
    path = presets.save("/preset/save", "calm")
    assert path.name == "calm.toml" and presets.names() == ["calm"]
    assert "intensity = 0.5" in path.read_text() and 'file = "drizzle"' in path.read_text()
    change_all(studio)
    changed = values(studio)
    presets.save("/preset/save", "wild.toml")
    assert changed != before
    presets.load("/preset/load", "calm", 0.0, 10.0, replies.append)
    presets.look(10.0)
    assert values(studio) == before and replies == [""]
    presets.load("/preset/load", "wild", 0.0, 11.0, replies.append)
    presets.look(11.0)
    presets.look(11.5)  # it ends frozen, once it is there
    assert values(studio) == changed and replies == ["", ""]
    assert sorted(each.name for each in path.parent.iterdir()) == ["calm.toml", "wild.toml"], "nothing else is left"


def test_values_morph_and_switches_let_a_voice_sound_on_the_way(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    change_all(studio)
    presets.save("/preset/save", "wild")
    for name in studio.voices:
        studio.set(name, "mute", (0,))
        studio.set(name, "intensity", (0.1,))
        studio.set(name, "latent", (0.5, 0.0, 0.25, 1.5))
    presets.load("/preset/load", "wild", 2.0, 10.0, replies.append)
    seen = []
    for step in range(200):
        presets.look(10.0 + 0.01 * step)
        rain = studio.voices["rain"].told
        seen.append((float(str(rain["intensity"][0])), float(str(rain["latent"][1])), rain["mute"][0]))
    assert all(0 <= after[0] - before[0] < 0.02 for before, after in itertools.pairwise(seen))
    assert seen[100][0] == pytest.approx(0.5, abs=0.02) and seen[100][1] == pytest.approx(-0.5, abs=0.02)
    assert {mute for _, _, mute in seen} == {0} and not replies
    presets.look(12.0)
    assert studio.voices["rain"].told["mute"] == (1,) and not replies
    presets.look(12.5)  # and frozen, now that it is there
    assert studio.voices["rain"].told["freeze"] == (1,) and replies == [""]
    studio.set("rain", "mute", (0,))
    presets.save("/preset/save", "loud")
    studio.set("rain", "mute", (1,))
    presets.load("/preset/load", "loud", 2.0, 20.0, replies.append)
    assert studio.voices["rain"].told["mute"] == (0,), "at the beginning"


def test_a_value_that_is_there_already_is_left_alone(presets: Presets, studio: FakeStudio, replies: list[str]) -> None:
    """0.3 came as a float32, and the file says 0.3."""
    studio.set("rain", "intensity", (0.30000001192092896,))
    studio.set("rain", "gain", (-3.0,))
    presets.save("/preset/save", "a")
    studio.set("rain", "gain", (0.0,))
    presets.load("/preset/load", "a", 1.0, 0.0, replies.append)
    presets.look(0.5)
    assert studio.voices["rain"].told["intensity"] == (0.30000001192092896,)
    assert studio.voices["rain"].told["gain"] == (-1.5,)


def test_a_hand_on_a_value_takes_it_out_of_the_morph(presets: Presets, studio: FakeStudio, replies: list[str]) -> None:
    change_all(studio)
    presets.save("/preset/save", "wild")
    studio.set("rain", "intensity", (0.0,))
    studio.set("rain", "gain", (0.0,))
    presets.load("/preset/load", "wild", 1.0, 0.0, replies.append)
    presets.look(0.5)
    studio.set("rain", "intensity", (0.2,))
    presets.release("rain", "intensity")
    presets.look(2.0)
    assert studio.voices["rain"].told["intensity"] == (0.2,)
    assert studio.voices["rain"].told["gain"] == (-12.0,) and replies == [""]


def test_a_newer_preset_takes_the_place_of_one_on_its_way(presets: Presets, replies: list[str]) -> None:
    presets.save("/preset/save", "a")
    presets.load("/preset/load", "a", 5.0, 0.0, replies.append)
    presets.load("/preset/load", "a", 0.0, 1.0, replies.append)
    presets.look(1.0)
    assert replies == ["another preset is being loaded", ""]


def test_voices_that_are_missing_or_play_another_file_are_loaded(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    change_all(studio)
    presets.save("/preset/save", "wild")
    bird = studio.voices.pop("bird")
    studio.files["rain"] = "rain"
    presets.load("/preset/load", "wild", 0.0, 0.0, replies.append)
    presets.look(0.0)
    assert [(name, file) for name, file, _ in studio.loads] == [("bird", "bird"), ("rain", "drizzle")] and not replies
    studio.voices["bird"] = VoiceState("bird", 4, 2.0, directions=("bright",))
    studio.loads[0][2]("")
    presets.look(0.5)
    presets.look(1.0)
    assert {**studio.voices["bird"].told, "seed": ()} == {**bird.told, "seed": ()} and not replies
    studio.loads[1][2]("there is no drizzle")
    presets.look(1.5)
    assert replies == ["rain: there is no drizzle"]


def test_latent_of_another_size_is_told_and_all_else_is_set(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    change_all(studio)
    presets.save("/preset/save", "wild")
    studio.voices["rain"] = VoiceState("rain", 7, 2.0)
    presets.load("/preset/load", "wild", 0.0, 0.0, replies.append)
    presets.look(0.0)
    presets.look(0.5)
    assert "expected 7" in replies[0] and "no direction 'bright'" in replies[0]
    assert studio.voices["rain"].told["gain"] == (-12.0,)


@pytest.mark.parametrize("name", ["", "../calm", "a/b", ".hidden", "x" * 300, "nobody"])
def test_names_that_leave_the_folder_or_are_not_there(presets: Presets, name: str, replies: list[str]) -> None:
    with pytest.raises(MessageError):
        presets.load("/preset/load", name, 0.0, 0.0, replies.append)
    if name != "nobody":
        with pytest.raises(MessageError, match="without folders"):
            presets.save("/preset/save", name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("voice = [", "Invalid"),
        ("scene = 1", "expected petrichor, master and voice"),
        ("voice = 1", "voice is 1, expected a table"),
        ("[voice.rain]\nloudness = 1", "got voice.rain.loudness"),
        ("[voice.rain]\nintensity = 'much'", "voice.rain.intensity is 'much', expected a finite number"),
        ("[voice.rain]\nintensity = nan", "expected a finite number"),
        pytest.param("[voice.rain]\nintensity = 1" + 400 * "0", "expected a finite number", id="a long number"),
        pytest.param("voice = " + 5000 * "[", "without end", id="lists in lists"),
        ("[voice.rain]\nlatent = [1, true]", "voice.rain.latent is True"),
        ("[voice.rain]\nfile = 3", "expected the name of a voice file"),
        ("[voice.rain.direction]\nbright = 'a'", "voice.rain.direction.bright"),
        ("[voice.'a/b']\ngain = 0", "got the name 'a/b'"),
        ("[master]\nlatent = [1]", "got master.latent"),
        ("[voice.rain]\nseed = 3", "got voice.rain.seed"),
    ],
)
def test_files_that_say_something_else_change_nothing(
    presets: Presets, studio: FakeStudio, tmp_path: Path, text: str, reason: str
) -> None:
    before = values(studio)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "odd.toml").write_text(text)
    with pytest.raises(MessageError, match=reason.replace("[", r"\[")):
        presets.load("/preset/load", "odd", 0.0, 0.0, lambda _: None)
    assert values(studio) == before and presets.due is None


def test_unwritable_folder_is_told(tmp_path: Path, studio: FakeStudio) -> None:
    (tmp_path / "presets").write_text("a file")
    with pytest.raises(MessageError, match="cannot be written"):
        Presets(tmp_path / "presets", studio).save("/preset/save", "calm")


def test_text_is_short_and_readable(studio: FakeStudio) -> None:
    studio.set("rain", "latent", (0.1, 0.2, -0.3, 1.0))
    text = to_toml(*studio.told())
    assert "0.1,\n" in text.replace(" ", "") and "seed" not in text
    assert from_toml(text).voices["rain"]["latent"] == (0.1, 0.2, -0.3, 1.0)


def test_a_voice_that_ends_frozen_goes_where_it_is_held_first(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    """Frozen at once, it would be held wherever it was; and one that is frozen already has to be let go for it."""
    preset = Preset({}, {name: {"latent": (0.5,) * 4, "freeze": (1,), "glide": (500.0,)} for name in studio.voices}, {})
    preset = dataclasses.replace(preset, files=studio.files)
    studio.set("rain", "freeze", (1,))
    presets.begin(preset, 1.0, 10.0, replies.append)
    for now in np.arange(10.0, 11.6, 0.02):
        presets.look(float(now))
        assert not any(voice.fields["freeze"] for voice in studio.voices.values()) and not replies
    assert all(voice.told["latent"] == (0.5,) * 4 for voice in studio.voices.values())
    assert presets.due is not None and presets.due < 11.9
    presets.look(presets.due)
    assert all(voice.fields["freeze"] for voice in studio.voices.values()) and replies == [""]


def test_freezing_that_is_to_come_is_left_to_who_takes_it_in_hand(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    preset = Preset({}, {"bird": {"latent": (0.5,) * 4, "freeze": (1,)}}, studio.files)
    presets.begin(preset, 0.0, 10.0, replies.append)
    presets.look(10.0)
    presets.release("bird", "freeze")
    presets.look(20.0)
    assert not studio.voices["bird"].fields["freeze"] and replies == [""]


def test_what_cannot_be_set_is_told_once(presets: Presets, studio: FakeStudio, replies: list[str]) -> None:
    preset = Preset({}, {"bird": {"latent": (0.5,) * 16, "direction/loud": (1.0,), "gain": (-6.0,)}}, studio.files)
    presets.begin(preset, 10.0, 10.0, replies.append)
    for now in range(10, 22):
        presets.look(float(now))
    (reply,) = replies
    assert reply.count("expected 4") == 1 and reply.count("/loud") == 1 and len(reply) < 400
    assert studio.voices["bird"].told["gain"] == (-6.0,)


def test_a_hand_on_a_voice_that_is_being_loaded_is_left_to_it(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    """A mute in a panic, a moment before the preset's file is heard."""
    preset = Preset({}, {"bird": {"mute": (0,), "gain": (0.0,), "pan": (0.5,)}}, {"bird": "other"})
    studio.set("bird", "mute", (0,))
    presets.begin(preset, 0.0, 10.0, replies.append)
    for parameter, value in (("mute", 1), ("gain", -60.0)):
        studio.set("bird", parameter, (value,))
        presets.release("bird", parameter)
    ((_, _, loaded),) = studio.loads
    loaded("")
    presets.look(11.0)
    told = studio.voices["bird"].told
    assert (told["mute"], told["gain"], told["pan"]) == ((1,), (-60.0,), (0.5,)) and replies == [""]


def test_a_voice_that_is_being_loaded_is_loaded_anew(presets: Presets, studio: FakeStudio, replies: list[str]) -> None:
    """What is on its way has the values of an earlier preset, or another network."""
    studio.pending = {"bird"}
    presets.begin(Preset({}, {"bird": {"gain": (-3.0,)}}, {"bird": "bird"}), 5.0, 10.0, replies.append)
    assert [(name, file) for name, file, _ in studio.loads] == [("bird", "bird")]
    presets.look(30.0)
    assert not replies
    studio.loads[0][2]("")
    presets.look(30.1)
    assert studio.voices["bird"].told["gain"] == (-3.0,) and replies == [""]


def test_a_voice_loaded_late_has_its_own_way_before_it_is_frozen(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    values = {"latent": (0.5,) * 4, "freeze": (1,)}
    studio.set("rain", "glide", (5000.0,))
    files = {"bird": "bird", "rain": "other"}
    presets.begin(Preset({}, {"bird": values, "rain": values}, files), 0.0, 10.0, replies.append)
    presets.look(10.0)
    studio.loads[0][2]("")
    presets.look(10.3)
    assert not any(voice.fields["freeze"] for voice in studio.voices.values())
    presets.look(15.6)
    assert all(voice.fields["freeze"] for voice in studio.voices.values()) and replies == [""]


def test_a_voice_thawed_on_its_way_is_frozen_where_another_preset_finds_it(
    presets: Presets, studio: FakeStudio, replies: list[str]
) -> None:
    studio.set("bird", "freeze", (1,))
    presets.begin(
        Preset({}, {"bird": {"latent": (0.5,) * 4, "freeze": (1,)}}, studio.files), 20.0, 10.0, replies.append
    )
    presets.look(12.0)
    assert not studio.voices["bird"].fields["freeze"]
    presets.begin(Preset({}, {"rain": {"gain": (-6.0,)}}, studio.files), 1.0, 12.0, replies.append)
    assert studio.voices["bird"].fields["freeze"]


def test_the_suffix_of_a_voice_file_makes_no_other_file() -> None:
    assert from_toml('[voice.x]\nfile = "bird.voice"\n').files == {"x": "bird"}
