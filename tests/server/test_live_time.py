"""Time on the running server: what is late, shifted, cleared, too much, and whose clock is off."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from petrichor.audio import RESYNC
from petrichor.bench.rig import PROBES
from petrichor.osc import Message, encode
from petrichor.voice_file import read_voice
from tests.live_server import Listener, LiveServer, live_server, wait_until

RATE = 48000
CLASSIC = Path(__file__).parents[2] / "voices" / "classic" / "bird-classic.voice"  # 500 coordinates


def test_messages_of_an_immediate_bundle_are_all_obeyed(play: LiveServer) -> None:
    client = play.client
    for index in range(50):
        values = {"/v/intensity": float(index % 2), "/v/latent/0": 0.25 * (index % 5), "/v/gain": -6.0 * (index % 2)}
        client.send_at(None, *values.items())
        client.settle()
        client.heard.clear()
        for address, value in values.items():
            assert client.ask(address, "?", reply=address).args == (value,)
    assert not [message for message in client.heard if message.address in ("/fail", "/late")]


def test_a_mix_that_stood_still_in_a_phrase_is_told(play: LiveServer) -> None:
    """No timetag can be kept then: the server must not be silent about it."""
    (audio,) = (number for number, name in play.children().items() if name == "petrichor-audio")
    with Listener(play.stream_port) as listener:
        listener.take(512)  # the mix has begun: before that no frame has a time
    play.client.send_at(time.time() + 5.0, ("/v/gain", -3.0))
    play.client.settle()
    play.client.heard.clear()
    os.kill(audio, signal.SIGSTOP)
    time.sleep(RESYNC + 0.2)
    os.kill(audio, signal.SIGCONT)
    play.client.wait("/shifted", lambda message: -3000 < float(message.args[0]) < -1000 * RESYNC)  # type: ignore[arg-type]


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


def test_many_latents_of_a_large_voice_for_one_sample_hold_up_nothing(tmp_path: Path) -> None:
    """More than a renderer's mailbox ever holds: one small bundle must not end the server."""
    (tmp_path / "voices").mkdir()
    shutil.copy(CLASSIC, tmp_path / "voices" / "v.voice")
    with live_server(tmp_path / "voices", tmp_path / "recordings") as server:
        client = server.client
        client.send("/v/intensity", 0.5)
        client.settle()
        at = time.time() + 0.5
        for _ in range(3):
            client.send_at(at, *[("/v/new",)] * 60)
        client.settle()
        time.sleep(max(0.0, at + 0.3 - time.time()))
        client.ask("/ping", reply="/pong")
        assert server.status()["restarts"] == 0
