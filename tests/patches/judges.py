"""What each row of the table is judged by: plays a program's steps one by one, and sees what the table says happen.

The program only sends. What became of it is seen by an OSC client of its own, heard in the mix, or found on the disk;
what the table calls an answer is seen by the program itself. A stage that was reset is where each begins.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import soundfile

from petrichor.parameters import VOICE_PARAMETERS
from petrichor.preset_file import from_toml
from tests.patches.players import Turn
from tests.patches.process import wait_for
from tests.patches.stage import GUEST, PATIENCE, RATE, Stage, octaves
from tests.sound import level, likeness

AHEAD = 1.2  # seconds: longer than a program takes to have messages forgotten
TRIES = 5  # where the machine was too busy for that


def latent(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/latent", 1, -1, 0, 0, 0, 0, 0, 0.5)
    stage.sings(1.0)


def coordinate(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/latent", 0.5, *[0] * 7)
    stage.sings(0.5)


def seed(stage: Stage, turn: Turn) -> None:
    """The noise that is heard, and the latent vector; both are the same again with the same seed."""
    stage.solo("stream")
    starts, latents = [], []
    for number in (3, 4, 3):
        starts.append(stage.heard)
        turn.play()
        stage.has("/stream/seed", number)
        latents.append(stage.value("/stream/latent"))
        stage.sound(0.5)
    assert latents[0] == latents[2] != latents[1]
    first, second = stage.between(*starts[:2]), stage.between(*starts[1:])
    wait_for(lambda: likeness(first, stage.between(starts[2], stage.heard)) > 0.95, PATIENCE, "the same sound again")
    assert likeness(first, second) < 0.85


def new(stage: Stage, turn: Turn) -> None:
    turn.play()
    wait_for(lambda: all(stage.value("/probe/latent")), PATIENCE, "another latent in every coordinate")
    stage.sings(float(str(stage.value("/probe/latent/0")[0])))


def direction(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/direction/high", 0.5)
    stage.sings(0.5)
    stage.has("/probe/latent", *[0] * 8)


def glide(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/glide", 500)
    start = stage.heard
    turn.play()
    stage.sings(1.0)
    way = octaves(stage.between(start, stage.heard))
    assert 12 <= np.count_nonzero((way > 0.1) & (way < 0.9)) <= 20, f"{way}: 0.8 of 500 ms are 16 pieces"


def drift(stage: Stage, turn: Turn) -> None:
    stage.client.send("/probe/seed", 0)
    stage.client.send("/probe/latent", *[0.0] * 8)
    stage.sings(0.0)
    turn.play()
    stage.has("/probe/drift", 1)
    stage.sounds(lambda sound: np.abs(octaves(sound)).min() > 0.02, "expected it to wander")
    stage.has("/probe/latent", *[0] * 8)
    turn.play()
    stage.sings(0.0)


def freeze(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/freeze", 1)
    stage.client.send("/probe/latent/0", 1.0)
    stage.client.settle()
    assert np.abs(octaves(stage.sound(0.4))).max() < 0.02, "it is held"
    turn.play()
    stage.sings(1.0)


def truncation(stage: Stage, turn: Turn) -> None:
    stage.client.send("/probe/latent/0", 1.0)
    stage.sings(1.0)
    turn.play()
    stage.has("/probe/truncation", 0.5)
    stage.sings(0.5)
    stage.client.send("/probe/new")
    assert 0 < np.abs(np.array(stage.value("/probe/latent"), float)).max() <= 0.5


def intensity(stage: Stage, turn: Turn) -> None:
    before = level(stage.sound(0.2))
    turn.play()
    stage.has("/probe/intensity", 1)
    stage.is_at(2 * before)


def spread(stage: Stage, turn: Turn) -> None:
    """How like the third of a second after it a third of a second is: a clip lasts a quarter."""
    stage.solo("bird")
    turn.play()
    stage.has("/bird/spread", 0)
    stage.sounds(lambda sound: _regularity(sound) > 0.95, "expected the same clip", 0.7)
    turn.play()
    stage.has("/bird/spread", 1)
    stage.sounds(lambda sound: _regularity(sound) < 0.85, "expected other clips", 0.7)


def gain(stage: Stage, turn: Turn) -> None:
    _turned_down(stage, turn, "/probe/gain")


def pan(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/pan", 1)
    stage.sounds(lambda sound: level(sound[:, :1]) < 1e-5 < 0.05 < level(sound[:, 1:]), "expected the right")
    turn.play()
    stage.sounds(lambda sound: level(sound[:, 1:]) < 1e-5 < 0.05 < level(sound[:, :1]), "expected the left")


def mute(stage: Stage, turn: Turn) -> None:
    turn.play()
    stage.has("/probe/mute", 1)
    stage.is_silent()
    turn.play()
    stage.sings(0.0)


def load(stage: Stage, turn: Turn) -> None:
    """A voice of a new name: it sounds, from the values that the table calls defaults."""
    stage.solo(GUEST)
    stage.is_silent()
    turn.play()
    turn.hears(f"^answer: done /{GUEST}/load stream.voice$")
    assert stage.voices()[GUEST] == ("playing", 4)
    for row in VOICE_PARAMETERS.values():
        if row.default is not None:
            assert stage.value(f"/{GUEST}/{row.name}") == pytest.approx((row.default,))
    stage.sounds(lambda sound: level(sound) > 0.01, "expected the new voice")


def unload(stage: Stage, turn: Turn) -> None:
    stage.client.ask(f"/{GUEST}/load", "stream", reply="/done")
    stage.solo(GUEST)
    stage.sounds(lambda sound: level(sound) > 0.01, "expected the voice")
    turn.play()
    turn.hears(f"^answer: done /{GUEST}/unload {GUEST}$")
    assert GUEST not in stage.voices()
    stage.is_silent()


def master_gain(stage: Stage, turn: Turn) -> None:
    _turned_down(stage, turn, "/master/gain")


def preset_save(stage: Stage, turn: Turn) -> None:
    stage.client.send("/probe/gain", -7.5)
    stage.client.send("/master/gain", -3.0)
    stage.client.settle()
    path = stage.presets / f"{turn.name}.toml"
    turn.play()
    turn.hears(f"^answer: done /preset/save {path}$")
    preset = from_toml(path.read_text())
    assert preset.voices["probe"]["gain"] == (-7.5,) and preset.master["gain"] == (-3.0,)
    assert set(preset.voices) == set(stage.voices())


def preset_load(stage: Stage, turn: Turn) -> None:
    stage.client.send("/probe/gain", -6.0)
    stage.client.send("/probe/latent/0", 0.5)
    stage.client.ask("/preset/save", "kept", reply="/done")
    stage.reset()
    begun = time.monotonic()
    turn.play()
    turn.hears("^answer: done /preset/load kept$")
    assert time.monotonic() - begun >= 0.3, "it is to take so long"
    stage.has("/probe/gain", -6)
    stage.sings(0.5)
    stage.reset()
    turn.play()
    stage.has("/probe/gain", -6)


def preset_list(stage: Stage, turn: Turn) -> None:
    for name in ("one", "other"):
        stage.client.ask("/preset/save", name, reply="/done")
    turn.play()
    names = sorted(path.stem for path in stage.presets.glob("*.toml"))
    turn.hears(f"^answer: preset list.reply {' '.join(names)}$")


def scene_load(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears("^answer: done /scene/load calm$")
    stage.has("/probe/gain", -6)
    turn.play()
    turn.hears("^answer: done /scene/load storm$")
    stage.has("/probe/gain", -12)
    stage.has("/probe/pan", 0.5)


def scene_next(stage: Stage, turn: Turn) -> None:
    stage.client.ask("/scene/load", "calm", reply="/done")
    turn.play()
    turn.hears("^answer: done /scene/next storm$")
    stage.has("/probe/gain", -12)


def scene_list(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears("^answer: scene list.reply calm storm$")


def record(stage: Stage, turn: Turn) -> None:
    path = stage.server.recordings / f"{turn.name}.wav"
    loudness = level(stage.sound(0.2))
    turn.play()
    turn.hears(f"^answer: done /record {path}$")
    assert stage.server.status()["recording"] == str(path)
    stage.sound(0.5)
    turn.play()
    seconds = float(turn.hears(rf"^answer: done /record {path} (\S+)$")[1])
    assert stage.server.status()["recording"] == ""
    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and len(sound) / rate == pytest.approx(seconds, abs=0.01) and seconds >= 0.5
    assert level(sound) == pytest.approx(loudness, rel=0.05)


def clear_sched(stage: Stage, turn: Turn) -> None:
    """What Python has sent ahead, and sclang too: Pd cannot. What is sent after that acts."""
    at = next(filter(None, (_cleared(stage, turn) for _ in range(TRIES))), None)
    assert at, "the messages acted before they were forgotten"
    stage.client.send_at(at, ("/probe/latent/0", 1.0))
    stage.sings(1.0)
    wait_for(lambda: time.time() > at + 0.1, 2 * AHEAD)
    stage.has("/probe/gain", 0)
    stage.has("/probe/pan", 0)


def _cleared(stage: Stage, turn: Turn) -> float | None:
    """Return when what was forgotten would have acted; None where a busy machine has forgotten it too late."""

    def waiting() -> object:
        return stage.server.status()["waiting"]

    stage.client.send("/probe/gain", 0.0)
    stage.client.send("/probe/pan", 0.0)
    at = time.time() + AHEAD
    stage.client.send_at(at, ("/probe/gain", -20.0))
    if turn.name == "sclang":
        turn.play(0)
    wait_for(lambda: waiting() == (2 if turn.name == "sclang" else 1) or time.time() > at, PATIENCE, "them to wait")
    turn.play(1 if turn.name == "sclang" else 0)
    wait_for(lambda: waiting() == 0, PATIENCE, "them to be forgotten")
    return at if time.time() < at - 0.1 else None


def clock(stage: Stage, turn: Turn) -> None:
    """Pd has no timetags, and is told that one is needed."""
    turn.play()
    if turn.name == "pd":
        turn.hears(
            r"^answer: fail /clock got.{1,2}no.{1,2}time.*expected.*a.*bundle"
        )  # Pd prints a space of a symbol as "\\ "
    else:
        assert abs(float(turn.hears(r"^answer: clock.reply (\S+)$")[1])) < 500, "ms, of one machine against itself"


def status(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears(rf"^answer: status.reply \S+ {RATE} {stage.server.stream_port} ")


def ping(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears("^answer: pong$")


def version(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears(r"^answer: version.reply petrichor \d+\.\d+")


def sync(stage: Stage, turn: Turn) -> None:
    """It is sent right behind a load, which takes a while, and answered after it."""
    turn.play()
    turn.hears("^answer: synced")
    answers = [line.split()[1] for line in turn.lines if line.startswith("answer: ")]
    assert answers == ["done", "synced"] and stage.voices()[GUEST] == ("playing", 4)


def notify(stage: Stage, turn: Turn) -> None:
    turn.play()
    turn.hears("^answer: probe level -")
    stage.client.send("/probe/pan", 0.25)
    turn.hears("^answer: probe pan 0.25$")
    turn.play()
    turn.hears("^answer: synced")
    start = len(turn.player.lines)
    stage.client.send("/probe/pan", -0.5)
    stage.told.wait("/probe/pan", lambda message: message.args == (-0.5,))
    turn.play()
    turn.hears("^answer: synced")  # whatever was told before has come
    assert not [line for line in turn.player.lines[start:] if line.startswith("answer: probe")]


def _turned_down(stage: Stage, turn: Turn, address: str) -> None:
    """By 12 dB, then to silence."""
    before = level(stage.sound(0.2))
    turn.play()
    stage.has(address, -12)
    stage.is_at(before * 10 ** (-12 / 20))
    turn.play()
    stage.is_silent()


def _regularity(sound: np.ndarray) -> float:
    middle = len(sound) // 2
    return likeness(sound[:middle], sound[middle:])
