"""Time on the running server: bundles act at their sample, and a score played live gives the samples of `render`."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile

from petrichor.audio import RESYNC
from petrichor.bench.rig import PROBES
from petrichor.clock import QUIET, TOLD
from petrichor.osc import Message, encode, encode_bundle, parse_datagram
from petrichor.render import Performance, RenderOptions
from petrichor.takes import FADE
from petrichor.voice_file import read_voice
from tests.live_server import Listener, LiveServer, live_server, wait_until

RATE = 48000
Event = tuple[float, str, tuple[object, ...]]
SCORE: list[Event] = [
    (0.0, "/v/seed", (3,)),
    (0.4, "/v/intensity", (0.9,)),
    (0.4, "/v/gain", (-6.0,)),
    (0.75001, "/v/latent/1", (0.5,)),
    (1.1, "/v/seed", (9,)),
    (1.1, "/v/pan", (0.5,)),
    (1.3, "/master/gain", (-3.0,)),
    (1.5, "/v/new", ()),
    (1.6, "/v/truncation", (0.4,)),
    (1.6, "/v/new", ()),
    (1.7, "/v/intensity", (0.1,)),
    (1.7, "/v/mute", (1,)),
    (1.75, "/v/mute", (0,)),
]
LENGTH = 2.0
TAKES = 6  # of which one has to be exact
T = TypeVar("T")


@pytest.fixture
def play(voice_paths: dict[str, Path], tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose only voice, `v`, is the tiny stream."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder / "v.voice")
    with live_server(folder, tmp_path / "recordings", "none", "--max-rate", "0") as server:
        yield server


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
        server.client.heard.clear()
        taken = take(f"take{number}.wav")
        time.sleep(2 * TOLD)
        server.client.settle()
        told = [message for message in server.client.heard if message.address in ("/late", "/shifted")]
        if not told:
            return taken
    pytest.fail(f"this machine is too busy for a single exact take: {told}")


def settings_of_before(server: LiveServer) -> None:
    """Undo what a score leaves, so that it can be played again."""
    for address, *args in (("gain", 0.0), ("pan", 0.0), ("truncation", 2.0), ("intensity", 0.5), ("mute", 0)):
        server.client.send(f"/v/{address}", *args)
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
    play: LiveServer, voice_paths: dict[str, Path]
) -> None:
    """A listener leads the mix, another voice comes and goes: the score is the same."""
    offline = rendered(play.voices / "v.voice", SCORE)

    def take(name: str) -> np.ndarray:
        settings_of_before(play)
        with Listener(play.stream_port) as listener:
            begin = time.monotonic()
            taken = 0

            def listen(until: float) -> None:
                nonlocal taken
                while time.monotonic() < until:
                    taken += len(listener.take(480))
                    time.sleep(max(0.0, begin + taken / RATE - time.monotonic()))

            listen(begin + 0.5)
            send_score(play, SCORE, name, time.time() + 0.4)
            listen(begin + 1.0)
            shutil.copy(voice_paths["bird"], play.voices / "other.voice")
            play.client.send("/other/mute", 1)
            # A listener that does not listen meanwhile would no longer lead, and the mix come to another pace.
            while not any(message.address == "/other/loaded" for message in play.client.heard):
                listen(time.monotonic() + 0.05)
                play.client.read()
            play.client.send("/other/unload")
            listen(begin + 4.0)
        return recorded(play, name)

    live = exact(play, take)
    differing = np.flatnonzero((live != offline).any(1))
    own = differing[differing > round(FADE * RATE)]
    # The other voice is heard for a moment before it is muted: elsewhere, not a sample differs.
    assert len(own) == 0 or np.ptp(own) < 1.2 * RATE
    assert np.array_equal(live[-RATE // 4 :], offline[-RATE // 4 :])


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


def test_messages_of_an_immediate_bundle_act_together(play: LiveServer) -> None:
    """Gain down and intensity up at once, again and again: nothing is ever heard in between."""
    client = play.client
    client.send("/v/seed", 3)
    client.settle()
    for index in range(50):
        client.send_at(None, ("/v/intensity", index % 2), ("/v/latent/0", 1.0), ("/v/gain", -6.0 * (index % 2)))
    client.settle()
    assert not [message for message in client.heard if message.address == "/fail"]


def test_a_mix_that_stood_still_in_a_phrase_is_told(play: LiveServer) -> None:
    """No timetag can be kept then: the server must not be silent about it."""
    (audio,) = (number for number, name in play.children().items() if name == "petrichor-audio")
    play.client.send_at(time.time() + 5.0, ("/v/gain", -3.0))
    play.client.settle()
    play.client.heard.clear()
    os.kill(audio, signal.SIGSTOP)
    time.sleep(RESYNC + 0.2)
    os.kill(audio, signal.SIGCONT)
    shift = play.client.wait("/shifted").args[0]
    assert -3000 < float(shift) < -1000 * RESYNC  # type: ignore[arg-type]


def test_late_bundles_act_at_once_and_are_told(play: LiveServer) -> None:
    client = play.client
    client.send_at(time.time() - 1.0, ("/v/gain", -3.0))
    late = client.wait("/late")
    assert late.args[0] == "/v/gain"
    assert 1000 < float(late.args[1]) < 3000  # type: ignore[arg-type]
    client.send_at(time.time() + 0.1, ("/v/intensity", 0.2))
    time.sleep(0.3)
    client.settle()
    assert not [message for message in client.heard if message.address == "/late"]


def test_bundle_for_a_frame_that_is_rendered_already_is_late(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    shutil.copy(voice_paths["stream"], tmp_path / "voices" / "v.voice")
    with live_server(tmp_path / "voices", tmp_path / "recordings", "none", "--ahead", "8192") as server:
        with Listener(server.stream_port) as listener:
            wait_until(lambda: bool(listener.take(512).any()), "the voice in the mix")
        client, late = server.client, list[Message]()
        for _ in range(60):  # on a busy machine the renderer itself can be behind, and a bundle in time
            client.send_at(time.time() + 0.01, ("/v/intensity", 0.7))
            client.read(0.5)
            if late := [message for message in client.heard if message.address == "/late"]:
                break
        assert late, "nothing was ever late"
        assert late[0].args[0] == "/v/intensity"
        assert 20 < float(late[0].args[1]) < 171  # type: ignore[arg-type]  # 85 to 171 ms are rendered ahead


def test_cleared_bundles_do_not_act(play: LiveServer) -> None:
    client = play.client
    for _ in range(10):
        client.send("/master/gain", -60.0)
        client.settle()
        now = time.time()
        for at in (0.2, 0.24, 0.5, 5.0, 60.0):  # two on their way as cues already, three waiting
            client.send_at(now + at, ("/master/gain", 0.0))
        waiting = int(str(play.status()["waiting"]))
        client.ask("/clearSched", reply="/done")
        if time.time() < now + 0.2:
            break  # a busy machine can be too late to clear the first: again
        wait_until(lambda after=now + 0.3: time.time() > after, "the second to be past too")
    else:
        pytest.fail("this machine is too busy to clear anything in time")
    assert waiting >= 3
    assert play.status()["waiting"] == 0

    def listen() -> None:
        with Listener(play.stream_port) as listener:
            listener.take(RATE)

    assert not play.record("cleared.wav", listen)[RATE // 10 :].any()


def test_backlog_has_a_limit(play: LiveServer) -> None:
    client = play.client
    far = time.time() + 100
    for _ in range(11):
        client.send_at(far, *[("/v/intensity", 0.5)] * 1000)
        client.ask("/ping", reply="/pong")
    fail = client.wait("/fail")
    assert "wait already" in str(fail.args[1])
    assert int(str(play.status()["waiting"])) == 10_000
    client.send_at(time.time() + 1e5, ("/v/intensity", 0.5))
    client.ask("/ping", reply="/pong")


def test_clock_of_a_sender_is_learned_and_shown(play: LiveServer) -> None:
    """A sender whose clock is 5 s behind: everything it sends would be late."""
    client = play.client
    behind = 5.0
    for _ in range(3):
        client.send_at(time.time() - behind, ("/clock",))
        offset = float(client.wait("/clock.reply").args[0])  # type: ignore[arg-type]
    assert offset == pytest.approx(1000 * behind, abs=50)
    assert float(str(play.status()["clock"])) == pytest.approx(1000 * behind, abs=50)
    client.heard.clear()
    client.send_at(time.time() - behind + 0.3, ("/v/intensity", 0.2))
    time.sleep(0.5)
    client.settle()
    assert not [message for message in client.heard if message.address == "/late"]
    assert "expected a bundle" in str(client.ask("/clock", reply="/fail").args[1])


def test_seed_of_a_clip_voice_is_heard_from_its_sample(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    """The clips are made ahead, so that the new sound begins where the bundle says, as in the offline render."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["bird"], folder / "v.voice")
    score: list[Event] = [(0.0, "/v/seed", (3,)), (0.5, "/v/seed", (4,)), (1.0, "/v/seed", (3,))]
    with live_server(folder, tmp_path / "recordings") as server:
        server.client.send("/v/intensity", 1.0)
        server.client.settle()
        send_score(server, score, "clips.wav", time.time() + 2.0)  # long enough to make clips on a busy machine
        live = recorded(server, "clips.wav")
    offline = rendered(folder / "v.voice", [(0.0, "/v/intensity", (1.0,)), *score])
    for start in (0.0, 0.5, 1.0):
        piece = slice(round((start + 0.1) * RATE), round((start + 0.25) * RATE))  # the first clips alone
        np.testing.assert_array_equal(live[piece], offline[piece])


def test_two_servers_and_one_forged_bundle_from_the_past(play: LiveServer) -> None:
    """Timetags of 1900, of 2036 and of nonsense are answered, and the sound goes on."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for tag in (0, 2, 1 << 31, (1 << 64) - 1, 1 << 63):
        element = encode("/v/intensity", 0.5)
        sock.sendto(
            b"#bundle\0" + tag.to_bytes(8, "big") + len(element).to_bytes(4, "big") + element, ("127.0.0.1", play.port)
        )
    sock.close()
    play.client.ask("/ping", reply="/pong")
    wait_until(lambda: "ahead" in play.log, "the refusal of 2036")


def test_probes_are_what_the_bench_says_they_are() -> None:
    for name, path in PROBES.items():
        info = read_voice(path).info
        assert info.kind == "stream", name
        assert info.sample_rate == RATE


@pytest.mark.parametrize("address", ["/master/gain", "/v/gain", "/v/intensity"])
def test_thousands_of_messages_for_one_sample_hold_up_nothing(play: LiveServer, address: str) -> None:
    """More cues at once than any mailbox holds: all act, and what comes after them does too."""
    client = play.client
    at = time.time() + 0.6
    for number in range(9):
        client.send_at(at, *[(address, 0.25 + number / 100)] * 1000)
    client.settle()
    time.sleep(max(0.0, at + 0.3 - time.time()))
    client.settle()
    begin = time.monotonic()
    client.ask("/ping", reply="/pong")
    assert time.monotonic() - begin < 0.2
    client.send("/v/mute", 1)
    client.settle()
    time.sleep(0.2)

    def listen() -> None:
        with Listener(play.stream_port) as listener:
            listener.take(RATE // 2)

    assert not play.record("muted.wav", listen)[RATE // 10 :].any()
