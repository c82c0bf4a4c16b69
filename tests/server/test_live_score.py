"""Exact to the sample: bundles act at theirs, and a score played live gives the samples of `render`."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile

from petrichor.clock import QUIET, TOLD
from petrichor.osc import encode, encode_bundle, parse_datagram
from petrichor.render import Performance, RenderOptions
from petrichor.takes import FADE
from petrichor.voice_file import read_voice
from tests.live_server import Listener, LiveServer, live_server

pytestmark = pytest.mark.alone
RATE = 48000
Event = tuple[float, str, tuple[object, ...]]
SCORE: list[Event] = [
    (0.0, "/v/seed", (3,)),
    (0.1, "/v/drift", (0.3,)),
    (0.3, "/v/glide", (250.0,)),
    (0.4, "/v/intensity", (0.9,)),
    (0.4, "/v/gain", (-6.0,)),
    (0.75001, "/v/latent/1", (0.5,)),
    (1.1, "/v/seed", (9,)),
    (1.1, "/v/pan", (0.5,)),
    (1.2, "/v/freeze", (1,)),
    (1.3, "/master/gain", (-3.0,)),
    (1.5, "/v/new", ()),
    (1.6, "/v/truncation", (0.4,)),
    (1.6, "/v/new", ()),
    (1.65, "/v/freeze", (0,)),
    (1.7, "/v/intensity", (0.1,)),
    (1.7, "/v/mute", (1,)),
    (1.75, "/v/mute", (0,)),
]
LENGTH = 2.0
TAKES = 6  # of which one has to be exact
T = TypeVar("T")


def send_score(server: LiveServer, score: list[Event], name: str, begin: float) -> None:
    """Send a score ahead of its time, with a recording that begins and ends at samples of it."""
    client = server.client
    client.send_at(begin, ("/record", name), *((address, *args) for at, address, args in score if not at))
    for at, address, args in score:
        if at:
            client.send_at(begin + at, (address, *args))
    client.send_at(begin + LENGTH, ("/record",))


def recorded(server: LiveServer, name: str) -> np.ndarray:
    server.client.wait("/done")
    server.client.wait("/done", lambda message: len(message.args) == 3)
    sound, _ = soundfile.read(server.recordings / name, dtype="float32")
    return sound


def rendered(voice: Path, score: list[Event]) -> np.ndarray:
    """Render a score offline, its numbers as OSC carries them."""
    messages = [dataclasses.replace(parse_datagram(encode(address, *args))[0], time=at) for at, address, args in score]
    performance = Performance(read_voice(voice), RenderOptions(voice, Path("unused.wav"), LENGTH), messages)
    sound = np.concatenate(list(performance))
    assert not performance.refused
    return sound


def exact(server: LiveServer, take: Callable[[str], T]) -> T:
    """Return what comes of a take, given the name of its file, that the server says was played exactly.

    Where this machine stands still in the middle of one no server could be exact, and this one has to say so.
    """
    for number in range(TAKES):
        if number:
            time.sleep(QUIET + 0.5)  # what comes now is another phrase, whoever joins or leaves between the two
        taken, told = judged(server, take, f"take{number}.wav")
        if not told:
            return taken
    pytest.fail(f"this machine is too busy for a single exact take: {told}")


def judged(server: LiveServer, take: Callable[[str], T], name: str) -> tuple[T, list[object]]:
    """Return what comes of a take, and what the server says was not exact in it."""
    server.client.settle()  # what was told of the phrase before, as the mix came back to its pace, is not of this one
    server.client.heard.clear()
    before = missed(server)
    taken = take(name)
    time.sleep(2 * TOLD)
    server.client.settle()
    told: list[object] = [each for each in server.client.heard if each.address in ("/late", "/shifted")]
    return taken, told + [after for after, then in zip(missed(server), before, strict=True) if after != then]


def missed(server: LiveServer) -> list[object]:
    """What the server says it had to leave out, or to fill with what was heard before."""
    status = server.status()
    return [status[name] for name in ("underruns", "concealed", "jumps")]


def settings_of_before(server: LiveServer) -> None:
    """Undo what a score leaves, so that it can be played again."""
    usual = {"gain": 0.0, "pan": 0.0, "truncation": 2.0, "intensity": 0.5, "mute": 0, "glide": 0.0, "drift": 0.0}
    for address, value in {**usual, "freeze": 0}.items():
        server.client.send(f"/v/{address}", value)
    server.client.send("/master/gain", 0.0)
    server.client.settle()


def test_score_sent_live_gives_the_samples_of_the_offline_render(play: LiveServer) -> None:
    """To the last bit, three times over, at whatever fraction of a frame it begins; but for the first fade."""
    offline = rendered(play.voices / "v.voice", SCORE)
    for index in range(3):

        def take(name: str, index: int = index) -> np.ndarray:
            settings_of_before(play)
            send_score(play, SCORE, f"{index}-{name}", time.time() + 0.5)
            return recorded(play, f"{index}-{name}")

        live = exact(play, take)
        assert len(live) == len(offline)
        begin = round(FADE * RATE)
        np.testing.assert_array_equal(live[begin:], offline[begin:])
        assert not [message for message in play.client.heard if message.address == "/fail"]


def test_score_is_exact_while_somebody_listens_and_files_are_replaced(
    voice_paths: dict[str, Path], tmp_path: Path
) -> None:
    """A listener leads the mix, another voice, which is mute from its start, comes and goes: not a sample differs."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder / "v.voice")
    shutil.copy(voice_paths["bird"], folder / "other.voice")
    (tmp_path / "set.toml").write_text("[voice.other]\nmute = 1\n")
    options = ("--max-rate", "0", str(tmp_path / "set.toml"))
    with live_server(folder, tmp_path / "recordings", "none", *options) as play:
        play.client.ask("/other/unload", reply="/done")
        live = exact(play, lambda name: take_beside_another(play, voice_paths["bird"], name))
    offline = rendered(folder / "v.voice", SCORE)
    begin = round(FADE * RATE)
    np.testing.assert_array_equal(live[begin:], offline[begin:])


def take_beside_another(play: LiveServer, voice: Path, name: str) -> np.ndarray:
    """Play the score to somebody who listens, while another voice is loaded and unloaded."""
    settings_of_before(play)
    begin = time.monotonic()
    taken = 0

    def listen(until: float) -> None:
        nonlocal taken
        while time.monotonic() < until:
            taken += len(listener.take(480))
            time.sleep(max(0.0, begin + taken / RATE - time.monotonic()))

    with Listener(play.stream_port) as listener:
        listen(begin + 0.5)
        send_score(play, SCORE, name, time.time() + 0.4)
        listen(begin + 1.0)
        shutil.copy(voice, play.voices / "other.voice")
        # A listener that does not listen meanwhile would no longer lead, and the mix come to another pace.
        while not any(message.address == "/other/loaded" for message in play.client.heard):
            listen(time.monotonic() + 0.05)
            play.client.read()
        play.client.send("/other/unload")
        listen(begin + 4.0)
    return recorded(play, name)


def onsets(sound: np.ndarray) -> list[int]:
    """Return the frames at which sound begins after silence of 0.1 s or more."""
    loud = np.flatnonzero(np.abs(sound).max(1) > 0)
    gaps = np.flatnonzero(np.diff(loud) > RATE // 10)
    return [int(loud[0]), *(int(frame) for frame in loud[gaps + 1])]


def test_bundles_act_at_their_sample(play: LiveServer) -> None:
    """The mix is opened eight times, each time a little further from a whole block."""
    client = play.client
    times = [0.3 * n + n * 1001 / RATE for n in range(1, 9)]

    def take(name: str) -> np.ndarray:
        client.send("/master/gain", -60.0)
        client.settle()
        begin = time.time() + 0.6
        client.send_at(begin, ("/record", name))
        for at in times:
            client.send_at(begin + at, ("/master/gain", 0.0))
            client.send_at(begin + at + 0.1, ("/master/gain", -60.0))
        client.send_at(begin + times[-1] + 0.3, ("/record",))
        return recorded(play, name)

    found = onsets(exact(play, take))
    assert len(found) == len(times)
    for frame, at in zip(found, times, strict=True):
        assert abs(frame - at * RATE) <= 1


def test_messages_of_one_bundle_act_on_one_sample(play: LiveServer, voice_paths: dict[str, Path]) -> None:
    """Two voices are opened by one bundle, nested at that; each alone would show its own first sample."""
    shutil.copy(voice_paths["stream"], play.voices / "w.voice")
    client = play.client
    client.wait("/w/loaded")
    client.send("/v/pan", -1.0)
    client.send("/w/pan", 1.0)

    def take(name: str) -> np.ndarray:
        for voice in ("v", "w"):
            client.send(f"/{voice}/mute", 1)
        client.settle()
        begin = time.time() + 0.6
        inner = encode_bundle(begin + 0.5, encode("/w/mute", 0))
        client.send_at(begin, ("/record", name))
        client.send_raw(encode_bundle(begin + 0.5, encode("/v/mute", 0), inner))
        client.send_at(begin + 1.0, ("/record",))
        return recorded(play, name)

    sound = exact(play, take)
    left, right = (int(np.flatnonzero(sound[:, side])[0]) for side in (0, 1))
    assert left == right == pytest.approx(RATE / 2, abs=1)


def test_seed_of_a_clip_voice_is_heard_from_its_sample(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    """The clips are made ahead, so that the new sound begins where the bundle says, as in the offline render."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["bird"], folder / "v.voice")
    score: list[Event] = [(0.0, "/v/seed", (3,)), (0.5, "/v/seed", (4,)), (1.0, "/v/seed", (3,))]
    for number in range(TAKES):  # each by a server of its own, so that one need not wait for the next phrase
        with live_server(folder, tmp_path / f"recordings{number}") as server:
            server.client.send("/v/intensity", 1.0)
            server.client.settle()

            def take(name: str, server: LiveServer = server) -> np.ndarray:
                send_score(server, score, name, time.time() + 2.0)  # long enough to make clips on a busy machine
                return recorded(server, name)

            live, told = judged(server, take, "take.wav")
        if not told:
            break
    assert not told, "this machine is too busy for a single exact take"
    offline = rendered(folder / "v.voice", [(0.0, "/v/intensity", (1.0,)), *score])
    for start in (0.0, 0.5, 1.0):
        piece = slice(round((start + 0.1) * RATE), round((start + 0.25) * RATE))  # the first clips alone
        np.testing.assert_array_equal(live[piece], offline[piece])


def test_clips_that_are_not_made_by_their_sample_are_told(server: LiveServer) -> None:
    """No machine inverts the spectrograms of a rain within two hundredths of a second, on several layers."""
    server.client.send("/rain/intensity", 1.0)
    server.client.settle()
    for seed in range(7, 7 + TAKES):
        server.client.send_at(time.time() + 0.02, ("/rain/seed", seed))
        told = server.client.wait("/late", lambda message: str(message.args[0]).startswith("/rain"))
        if told.args[0] == "/rain":  # else the message itself came too late, and no clips were expected before it
            break
    assert told.args[0] == "/rain"
    assert 0 < float(told.args[1]) < 10_000
