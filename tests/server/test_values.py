"""Values heard and told: directions, glide, drift, freeze, questions, presets and two controllers, on a real server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.bench.client import Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.rig import PITCHES, Rig
from petrichor.mirror import INTERVAL
from tests.live_server import LiveServer, live_server, wait_until
from tests.sound import likeness

RATE = 48000
OCTAVE = 1.0  # of the probe's first coordinate


@pytest.fixture
def other(server: LiveServer) -> Iterator[Client]:
    """A second controller, notified."""
    client = Client(server.port)
    client.ask("/notify", 1, reply="/done")
    client.settle()
    client.heard.clear()
    yield client
    client.close()


def pitches(rig: Rig, during: Callable[[], object], seconds: float) -> np.ndarray:
    """What the probe sings, in octaves over its usual pitch, ten times a second, while `during` and for so long.

    Measured in the sound as it came: where the machine stands still, a listener hears a pause that is not in it.
    """
    with Ears(EarsOptions(rig.stream_port, fill=2048)) as ears:
        ears.wait_for(ears.received + RATE // 4)
        start = ears.received
        during()
        ears.wait_for(start + round(seconds * RATE))
        sound = ears.came(start, start + round(seconds * RATE))[:, 0]
    pieces = sound[: len(sound) // 4800 * 4800].reshape(-1, 4800)
    return np.log2([_hertz(piece) / PITCHES["probe-1"] for piece in pieces])


def _hertz(sound: np.ndarray) -> float:
    """Of a sine, by the median of its periods: what was filled in for a moment counts little."""
    rises = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    places = rises + sound[rises] / (sound[rises] - sound[rises + 1])
    return float(RATE / np.median(np.diff(places)))


def test_glide_takes_the_time_it_is_given(rig: Rig) -> None:
    assert (np.abs(pitches(rig, lambda: None, 0.3)) < 0.01).all()  # it is there: what comes within a hop acts together
    rig.client.send("/a/glide", 1000.0)
    heard = pitches(rig, lambda: rig.client.send("/a/latent/0", OCTAVE), 1.8)
    begin = int(np.argmax(heard > 0.05))
    assert 0.3 < heard[begin + 5] < 0.75, heard
    assert heard[-1] == pytest.approx(1.0, abs=0.03) and (np.diff(heard) > -0.03).all()


def test_frozen_voice_stays_where_it_is_until_it_is_let_go(rig: Rig) -> None:
    def held() -> None:
        rig.client.send("/a/freeze", 1)
        rig.client.send("/a/latent/0", OCTAVE)
        rig.client.send("/a/seed", 5)  # begins the sound anew, but not elsewhere

    assert np.abs(pitches(rig, held, 0.6)).max() < 0.03
    rig.client.send("/a/latent/0", OCTAVE)
    assert pitches(rig, lambda: rig.client.send("/a/freeze", 0), 0.6)[-1] == pytest.approx(1.0, abs=0.03)


def test_drift_wanders_and_comes_back(rig: Rig) -> None:
    heard = pitches(rig, lambda: rig.client.send("/a/drift", 1.0), 5.0)
    assert np.ptp(heard) > 0.1 and np.abs(np.diff(heard)).max() < 0.2, heard
    assert abs(pitches(rig, lambda: rig.client.send("/a/drift", 0.0), 2.0)[-1]) < 0.03


def test_direction_moves_the_latent_of_a_voice_that_has_one(server: LiveServer) -> None:
    """The tiny bird knows "bright": its sound is another, and the same again at 0."""
    client = server.client
    client.send("/rain/mute", 1)
    client.send("/bird/spread", 0.0)

    def sound(name: str, bright: float) -> np.ndarray:
        client.send("/bird/direction/bright", bright)
        client.send("/bird/seed", 3)
        client.ask("/record", name, 2.0, reply="/done")
        client.wait("/done", lambda message: len(message.args) == 3)
        return soundfile.read(server.recordings / name, dtype="float32")[0][RATE // 2 :]  # what was sung before is over

    usual, bright, again = (sound(f"{n}.wav", value) for n, value in enumerate((0.0, 3.0, 0.0)))
    loudest = 4800 + int(np.abs(usual[4800:-4800, 0]).argmax())
    same, other = (likeness(usual[loudest : loudest + 1201], sound, 1200) for sound in (again, bright))
    assert same > 0.9 > 0.6 > other, (same, other)
    assert client.ask("/bird/direction/bright", "?", reply="/bird/direction/bright").args == (0.0,)


def test_values_are_told_to_who_asks_and_bad_questions_answered(server: LiveServer) -> None:
    client = server.client
    client.send("/rain/intensity", 0.25)
    assert client.ask("/rain/intensity", "?", reply="/rain/intensity").args == (0.25,)
    assert len(client.ask("/rain/latent", "?", reply="/rain/latent").args) == 16
    client.send("/*/gain", "?")
    assert {client.wait(f"/{name}/gain").args for name in ("bird", "rain")} == {(0.0,)}
    client.send("/rain/colour", "?")
    assert "no such value" in str(client.wait("/fail").args[1])


def test_two_controllers_show_the_same_state(server: LiveServer, other: Client) -> None:
    """Each tells a value a hundred times; both end with what the server has, and neither is told its own on the way."""
    client = server.client
    for number in range(100):
        client.send("/rain/intensity", number / 100)
        other.send("/rain/pan", -number / 100)
        time.sleep(0.002)
    for each in (client, other):
        each.settle()
    time.sleep(2 * INTERVAL)
    for each in (client, other):
        each.settle()
    told = [message for message in other.heard if message.address == "/rain/intensity"]
    assert told[-1].args == pytest.approx((0.99,), abs=1e-6)
    assert 2 <= len(told) < 50, "many changes are told together"
    own = [message.args for message in other.heard if message.address == "/rain/pan"]
    assert all(args == pytest.approx((-0.99,), abs=1e-6) for args in own), "none, or the last once it rests"
    assert [m.args for m in client.heard if m.address == "/rain/pan"][-1] == pytest.approx((-0.99,), abs=1e-6)
    other.heard.clear()
    client.send("/rain/new")
    latent = other.wait("/rain/latent").args
    assert client.ask("/rain/latent", "?", reply="/rain/latent").args == latent
    other.send("/bird/gain", -99)
    assert client.wait("/bird/gain").args == (-60.0,)
    assert other.wait("/bird/gain").args == (-60.0,), "it was clamped: who sent it shows something else"


def test_who_comes_later_is_told_everything(server: LiveServer) -> None:
    server.client.send("/bird/pan", 0.5)
    server.client.settle()
    late = Client(server.port)
    try:
        late.ask("/notify", 1, reply="/done")
        assert late.wait("/bird/pan").args == (0.5,)
        assert len(late.wait("/rain/latent").args) == 16
        assert late.wait("/master/gain").args == (0.0,)
    finally:
        late.close()


def test_values_of_a_cue_are_told_when_it_acts(server: LiveServer, other: Client) -> None:
    begin = time.monotonic()
    server.client.send_at(time.time() + 0.5, ("/rain/pan", 0.75))
    assert other.wait("/rain/pan").args == (0.75,)
    assert time.monotonic() - begin > 0.4


def test_a_message_with_a_time_is_left_alone_by_a_morph(server: LiveServer) -> None:
    client = server.client
    client.send("/rain/gain", -40.0)
    client.ask("/preset/save", "quiet", reply="/done")
    client.send("/rain/gain", 0.0)
    client.send("/preset/load", "quiet", 60_000.0)
    client.send_at(time.time() + 0.1, ("/rain/gain", 6.0))
    wait_until(lambda: client.ask("/rain/gain", "?", reply="/rain/gain").args == (6.0,), "the cue to act")
    for _ in range(2):  # and a few steps later
        time.sleep(0.2)
        client.settle()
        client.heard.clear()  # of the steps before, each of which is told
        assert client.ask("/rain/gain", "?", reply="/rain/gain").args == (6.0,)


def test_a_message_that_was_on_its_way_when_a_morph_began_is_left_alone(server: LiveServer) -> None:
    client = server.client
    client.ask("/preset/save", "soft", reply="/done")
    client.send("/rain/gain", -30.0)
    client.settle()
    client.send_at(time.time() + 0.24, ("/rain/gain", -12.0))  # sent on at once
    client.send("/preset/load", "soft", 60_000.0)
    wait_until(lambda: client.ask("/rain/gain", "?", reply="/rain/gain").args == (-12.0,), "the cue to act")
    for _ in range(2):  # and a few steps later
        time.sleep(0.5)
        client.settle()
        client.heard.clear()
        assert client.ask("/rain/gain", "?", reply="/rain/gain").args == (-12.0,)


def test_a_voice_that_comes_back_is_told_anew(server: LiveServer, other: Client) -> None:
    server.client.ask("/rain/unload", reply="/done")
    server.client.ask("/rain/load", "rain", reply="/done")
    assert other.wait("/rain/pan").args == (0.0,)


def test_a_voice_that_a_preset_loads_begins_as_it_says(server: LiveServer) -> None:
    """Muted, it is not heard at all: not at its default first."""
    client = server.client
    client.send("/bird/mute", 1)
    client.send("/rain/mute", 1)
    client.ask("/preset/save", "muted", reply="/done")
    client.ask("/rain/unload", reply="/done")

    def load() -> None:
        client.ask("/preset/load", "muted", reply="/done")
        client.wait("/rain/loaded")
        time.sleep(0.3)

    time.sleep(1.0)  # what was unloaded has faded
    assert not server.record("muted.wav", load).any()
    assert client.ask("/rain/mute", "?", reply="/rain/mute").args == (1,)


def test_preset_brings_back_what_was_saved_and_morphs(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    for name in ("bird", "stream"):
        shutil.copy(voice_paths[name], folder)
    presets = tmp_path / "presets"
    with live_server(folder, tmp_path / "recordings", "none", "--presets", str(presets)) as server:
        client = server.client
        client.send("/stream/gain", -6.0)
        client.send("/stream/latent", 0.5, 0.25, -0.5, 1.0)
        assert client.ask("/preset/save", "a", reply="/done").args == ("/preset/save", str(presets / "a.toml"))
        client.send("/stream/gain", 6.0)
        client.send("/stream/new")
        client.ask("/bird/unload", reply="/done")
        begin = time.monotonic()
        assert client.ask("/preset/load", "a", 400.0, reply="/done").args == ("/preset/load", "a")
        assert time.monotonic() - begin >= 0.4
        client.wait("/bird/loaded")
        client.settle()
        client.heard.clear()  # what was told on the way
        assert client.ask("/stream/gain", "?", reply="/stream/gain").args == (-6.0,)
        assert client.ask("/stream/latent", "?", reply="/stream/latent").args == (0.5, 0.25, -0.5, 1.0)
        assert client.ask("/preset/list", reply="/preset/list.reply").args == ("a",)
        client.send("/preset/load", "../a")
        assert "without folders" in str(client.wait("/fail").args[1])
        (presets / "b.toml").write_text("[voice.stream]\ngain = 'loud'")
        client.send("/preset/load", "b")
        assert "expected a finite number" in str(client.wait("/fail").args[1])
        client.send("/preset/load", "a", -1.0)
        assert "expected 0" in str(client.wait("/fail").args[1])
