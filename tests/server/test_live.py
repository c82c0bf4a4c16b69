"""The running server from outside: OSC round trips, hot reload, accidents, recording. By the sound that came out."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.bench.client import Client
from petrichor.config import ServeOptions
from petrichor.osc import encode
from petrichor.server import Server
from petrichor.voice_file import Voice
from tests.live_server import Listener, LiveServer, live_server, wait_until
from tests.sound import find, level, likeness, longest_silence
from tests.tiny_voices import BIRD, make_voice

RATE = 48000


def test_manners(kept_server: LiveServer) -> None:
    server, client = kept_server, kept_server.client
    assert client.ask("/ping", reply="/pong").args == ()
    assert client.ask("/version", reply="/version.reply").args[0] == "petrichor"
    status = server.status()
    assert (status["rate"], status["stream_port"]) == (RATE, server.stream_port)
    assert status["voices"] == [("bird", "playing", 8), ("rain", "playing", 16)]


@pytest.mark.parametrize(
    ("address", "args", "reason"),
    [
        ("/nobody/gain", (0.0,), "nothing is called 'nobody'"),
        ("/bird/colour", (0.0,), "no parameter 'colour'"),
        ("/bird/gain", ("loud",), "expected a number"),
        ("/bird/gain", (), "expected one number"),
        ("/bird/gain", (float("nan"),), "finite"),
        ("/bird/latent", (0.0, 1.0), "expected 8"),
        ("/bird/latent/8", (0.0,), "expected 0…7"),
        ("/bird/load", ("../rain",), "name of a file"),
        ("/bird/load", ("parrot",), "no voice 'parrot'"),
        ("/record", ("../../etc/passwd",), "without folders"),
        ("/record", ("take.mp3",), ".flac"),
        ("/record", (), "nothing is being recorded"),
        ("/record", ("take.wav", 0.0), "more than 0"),
        ("/record", ("take.wav", "long"), "expected"),
        ("/record", ("x" * 300,), "cannot be written"),
        ("/bird/load", ("x" * 300,), "no voice"),
        ("/bird/latent/00000099999", (1.0,), "expected 0…7"),
        ("/sync", (3e9,), "32-bit"),
        ("/" + "{,}" * 40 + "x/gain", (1.0,), "stars and braces"),
    ],
)
def test_bad_messages_are_answered_and_change_nothing(
    kept_server: LiveServer, address: str, args: tuple[object, ...], reason: str
) -> None:
    kept_server.client.send(address, *args)
    assert reason in str(kept_server.client.wait("/fail").args[1])
    with Listener(kept_server.stream_port) as listener:
        assert level(listener.take(RATE // 4)) > 0


def test_every_parameter_changes_the_sound(server: LiveServer) -> None:
    client = server.client
    client.send("/rain/mute", 1)
    client.send("/bird/seed", 5)
    client.send("/bird/intensity", 1.0)

    def heard() -> np.ndarray:
        client.settle()
        with Listener(server.stream_port) as listener:
            listener.take(RATE // 2)  # what was on its way, and glides
            return listener.take(RATE)

    usual = level(heard())
    assert usual > 1e-3
    client.send("/bird/gain", -12)
    assert level(heard()) == pytest.approx(usual / 4, rel=0.3)
    client.send("/bird/gain", 0)
    client.send("/bird/pan", 1)
    right = heard()
    assert level(right[:, 0]) < 1e-4 < level(right[:, 1])
    client.send("/bird/pan", 0)
    client.send("/bird/mute", 1)
    assert level(heard()) < 1e-4
    client.send("/b*/mute", 0)
    client.send("/master/gain", -60)
    assert level(heard()) < 1e-4
    client.send("/master/gain", 0)
    assert level(heard()) == pytest.approx(usual, rel=0.4)
    client.send("/bird/intensity", 0.0)
    assert level(heard()) < usual / 1.4


def test_same_seed_same_sound_and_a_new_latent_another(voices: dict[str, Voice], tmp_path: Path) -> None:
    """One bird alone: the layers of a chorus start each when its clip is ready, so a chorus is alike, not equal."""
    folder = tmp_path / "voices"
    folder.mkdir()
    alone = dataclasses.replace(BIRD, intensity={"mode": "layers", "layers": 1, "rest_seconds": 0.0})
    make_voice(folder / "bird.voice", alone, voices["bird"].generator)
    with live_server(folder, tmp_path / "recordings") as server:

        def play(*message: object) -> np.ndarray:
            with Listener(server.stream_port) as listener:
                listener.take(RATE // 4)
                server.client.send(*message)  # type: ignore[arg-type]
                listener.take(RATE // 4)
                return listener.take(RATE)

        first, second, third = play("/bird/seed", 3), play("/bird/seed", 4), play("/bird/seed", 3)
        assert likeness(first, third) > 0.95
        assert likeness(first, second) < 0.85
        assert likeness(third, play("/bird/new")) < 0.85


def test_reload_is_heard_without_a_gap(server: LiveServer, voice_paths: dict[str, Path]) -> None:
    client = server.client
    client.send("/rain/mute", 1)
    client.send("/bird/intensity", 1)
    client.settle()

    def replace() -> None:
        shutil.copy(voice_paths["stream"], server.voices / "bird.voice")
        loaded = client.wait("/bird/loaded")
        assert loaded.args[2] == 4  # the stream voice's latent size
        with Listener(server.stream_port) as listener:
            listener.take(RATE // 2)

    sound = server.record("reload.wav", replace)
    assert np.isfinite(sound).all()
    assert longest_silence(sound[RATE // 10 :]) < 32
    assert ("bird", "playing", 4) in server.status()["voices"]


@pytest.mark.parametrize("how", ["truncated", "hash"])
def test_broken_file_changes_nothing_but_a_fail(
    server: LiveServer, broken_voice: Callable[..., Path], how: str
) -> None:
    client = server.client

    def replace() -> None:
        shutil.copy(broken_voice(how), server.voices / "bird.voice")
        fail = client.wait("/bird/failed")
        assert fail.args[0] == "bird"
        assert "bird.voice" in str(fail.args[1])

    sound = server.record("broken.wav", replace)
    assert longest_silence(sound[RATE // 10 :]) < 32
    assert ("bird", "playing", 8) in server.status()["voices"]
    assert not [message for message in client.heard if message.address == "/bird/loaded"]


def test_three_quick_replacements_end_on_the_last(server: LiveServer, voice_paths: dict[str, Path]) -> None:
    for name in ("rain", "bird", "stream"):
        temporary = server.voices / ".next"
        shutil.copy(voice_paths[name], temporary)
        temporary.replace(server.voices / "bird.voice")
        wait_until(lambda: "bird.voice has changed" in server.log, "the change to be noticed")
    server.client.wait("/bird/loaded", lambda message: message.args[2] == 4)
    server.client.settle()
    assert ("bird", "playing", 4) in server.status()["voices"]


def test_new_file_becomes_a_voice_and_load_plays_it_elsewhere(server: LiveServer, voice_paths: dict[str, Path]) -> None:
    shutil.copy(voice_paths["stream"], server.voices / "brook.voice")
    server.client.wait("/brook/loaded")
    server.client.send("/bird/load", "brook")
    assert server.client.wait("/done").args == ("/bird/load", "brook.voice")
    assert len(server.status()["voices"]) == 3


def test_future_bundle_waits_for_its_time_and_a_late_one_is_told(kept_server: LiveServer) -> None:
    import time

    def bundle(at: float, address: str, *args: object) -> bytes:
        tag = int((at + 2_208_988_800) * 2**32).to_bytes(8, "big")
        element = encode(address, *args)
        return b"#bundle\0" + tag + len(element).to_bytes(4, "big") + element

    start = time.time()
    kept_server.client.send_raw(bundle(start + 0.3, "/ping"))
    kept_server.client.wait("/pong")
    assert time.time() >= start + 0.3
    kept_server.client.send_raw(bundle(start - 1, "/bird/gain", -3))
    late = kept_server.client.wait("/late")
    assert late.args[0] == "/bird/gain"
    assert float(late.args[1]) > 1000  # type: ignore[arg-type]


def test_two_listeners_hear_the_same_mix(kept_server: LiveServer) -> None:
    def listen() -> None:
        with Listener(kept_server.stream_port) as one, Listener(kept_server.stream_port, fill=4096) as other:
            for _ in range(8):
                sounds.append((one.take(4096), other.take(4096)))

    sounds: list[tuple[np.ndarray, np.ndarray]] = []
    mix = kept_server.record("two.wav", listen)
    for heard in (np.concatenate([pair[index] for pair in sounds]) for index in (0, 1)):
        start = find(mix, heard[1000:1256])
        np.testing.assert_array_equal(mix[start : start + 4096], heard[1000 : 1000 + 4096])


def test_recordings_are_not_overwritten(kept_server: LiveServer) -> None:
    def listen() -> None:
        with Listener(kept_server.stream_port) as listener:
            listener.take(1024)

    kept_server.record("take.flac", listen)
    assert "exists already" in str(kept_server.client.ask("/record", "take.flac", reply="/fail").args[1])


def test_refused_recording_leaves_the_one_in_progress(kept_server: LiveServer) -> None:
    client = kept_server.client

    def disturb() -> None:
        assert ".flac" in str(client.ask("/record", "take.mp3", reply="/fail").args[1])
        with Listener(kept_server.stream_port) as listener:
            listener.take(RATE // 2)

    assert len(kept_server.record("take.wav", disturb)) >= RATE // 2


def test_recordings_ordered_in_quick_succession(server: LiveServer) -> None:
    """A stop that follows its start at once is obeyed, and one name is given away once."""
    client = server.client
    client.send("/record", "quick.wav")
    client.send("/record", "quick.wav")
    client.send("/record")
    client.wait("/fail", lambda message: "exists already" in str(message.args[1]))
    client.wait("/done", lambda message: len(message.args) == 3)
    assert server.status()["recording"] == ""


def test_recording_of_a_length_ends_by_itself_and_says_so(server: LiveServer) -> None:
    client = server.client
    path = str(server.recordings / "short.wav")
    client.ask("/record", "short.wav", 0.75, reply="/done")
    assert client.wait("/done", lambda message: len(message.args) == 3).args == ("/record", path, 0.75)
    assert len(soundfile.read(path)[0]) == 0.75 * RATE
    assert server.status()["recording"] == ""
    assert "nothing is being recorded" in str(client.ask("/record", reply="/fail").args[1])


def test_early_end_of_a_recording_is_told_to_who_began_it_with_a_length_and_who_ends_it(server: LiveServer) -> None:
    """Neither of them has asked to be notified."""
    starter, stopper = Client(server.port), Client(server.port)
    try:
        starter.ask("/record", "long.wav", 60.0, reply="/done")
        end = stopper.ask("/record", reply="/done").args
        assert end[:2] == ("/record", str(server.recordings / "long.wav"))
        assert 0.0 <= float(end[2]) < 60.0  # type: ignore[arg-type]
        assert starter.wait("/done").args == end
    finally:
        starter.close()
        stopper.close()


def test_small_fill_is_live_sound(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder)
    heard: list[np.ndarray] = []
    options = ServeOptions(port=0, voices=folder, recordings=tmp_path, device="none", ahead=128, query=False)
    with Server(options) as server:

        def listen() -> None:
            with Listener(server.stream_port) as listener:
                while server.meters["rms"] < 1e-3:  # until the voice is loaded
                    listener.take(4096)
                before = server.meters["concealed"]
                heard.append(listener.take(RATE))
                shares.append((server.meters["concealed"] - before) / RATE)
            server.stop()

        shares: list[float] = []
        thread = threading.Thread(target=listen)
        thread.start()
        server.run()
        thread.join()
    assert level(heard[0]) > 0
    assert shares[0] < 0.05


def test_small_fill_is_live_sound_where_nobody_listens(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    """The system's clock asks for any number of frames, and for no more at once than a renderer keeps ready."""
    (tmp_path / "voices").mkdir()
    shutil.copy(voice_paths["stream"], tmp_path / "voices")
    with live_server(tmp_path / "voices", tmp_path / "recordings", "none", "--ahead", "128") as server:
        server.client.settle()
        before = int(str(server.status()["concealed"]))
        time.sleep(2.0)
        assert int(str(server.status()["concealed"])) - before < 100, "ms"


def test_two_clients_are_both_notified(kept_server: LiveServer) -> None:
    other = Client(kept_server.port)
    other.ask("/notify", 1, reply="/done")
    other.send("/bird/intensity", 7.0)
    assert other.wait("/clamped").args == ("/bird/intensity", 1.0)
    assert kept_server.client.wait("/clamped").args == ("/bird/intensity", 1.0)
    other.close()
