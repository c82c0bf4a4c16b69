"""Outputs of the running server: a card that goes and comes back, other rates, a full disk, a full mix, levels."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from petrichor.bench.client import Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.listening import largest_step, longest_silence
from petrichor.bench.reload import CLICK
from petrichor.bench.rig import PITCHES, PROBES, Rig
from petrichor.limiter import CEILING
from petrichor.osc import encode, parse_datagram
from tests.live_server import Listener, wait_until
from tests.patches.card_ears import hear_card
from tests.patches.jack import Jack
from tests.sound import level

RATE = 48000
VOICES = {"a": PROBES["probe-1"]}
TRIES = 4  # of which one has to be whole: this machine may stand still


def sound_it(rig: Rig) -> None:
    rig.client.send("/a/intensity", 1.0)
    rig.client.send("/a/latent/0", 0.0)
    rig.client.settle()


@pytest.fixture
def jack_named(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Jack]]:
    """A list for the JACK servers of a test, all of one name; the last is ended after it."""
    servers: list[Jack] = []
    yield servers
    for server in servers:
        server.close()


def start_jack(servers: list[Jack], monkeypatch: pytest.MonkeyPatch, rate: int = RATE) -> Jack:
    name = servers[0].name if servers else None
    servers.append(Jack(rate=rate, name=name))
    for key, value in servers[-1].environment.items():
        monkeypatch.setenv(key, value)
    return servers[-1]


def purity(sound: np.ndarray, rate: int) -> tuple[float, float]:
    """Return the level of the probe's tone in all but the first quarter, and the RMS of all else over it, in dB."""
    middle = sound[len(sound) // 4 :, 0].astype(np.float64)
    turns = 2 * np.pi * PITCHES["probe-1"] / rate * np.arange(len(middle))
    basis = np.stack((np.sin(turns), np.cos(turns)), 1)
    fit, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    level = float(np.hypot(*fit))
    rest = float(np.sqrt(np.mean((middle - basis @ fit) ** 2)))
    return level, 20 * np.log10(rest / max(level, 1e-9) + 1e-12)


def test_card_that_is_lost_is_found_again(jack_named: list[Jack], monkeypatch: pytest.MonkeyPatch) -> None:
    """JACK dies, on which PortAudio hangs; a listener notices nothing; JACK comes back, and so does the sound on it."""
    first = start_jack(jack_named, monkeypatch)
    with Rig(VOICES, ["--device", "default"]) as rig:
        sound_it(rig)
        wait_until(lambda: rig.status()["device"] == "system", "the card")
        assert purity(*hear_card(first, 0.5))[0] == pytest.approx(0.25, rel=0.02)
        with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
            ears.wait_for(RATE // 2)
            start = ears.received - RATE // 10
            first.kill()
            assert "stopped" in str(rig.client.wait("/fail", lambda message: message.args[0] == "/device").args[1])
            assert rig.status()["device"] == ""
            ears.wait_played(ears.played + RATE)
            second = start_jack(jack_named, monkeypatch)
            rig.client.wait("/device")
            again = hear_card(second, 1.0)
            ears.wait_played(ears.played + RATE // 2)
            sound = ears.came(start, ears.received)
            assert longest_silence(sound) < 16
            assert largest_step(sound)[0] < CLICK
            assert ears.figure("underruns") == 0
        assert purity(*again)[0] == pytest.approx(0.25, rel=0.02)


def test_card_that_comes_later_is_found(jack_named: list[Jack], monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Jack()  # only to have a name that is free
    probe.close()
    for key, value in probe.environment.items():
        monkeypatch.setenv(key, value)
    with Rig(VOICES, ["--device", "default"]) as rig:
        wait_until(lambda: "sound device 'default'" in rig.log, "the warning")
        assert rig.log.count("sound device 'default'") == 1
        jack_named.append(probe)
        start_jack(jack_named, monkeypatch)
        rig.client.wait("/device")
        wait_until(lambda: rig.status()["device"] == "system", "the card")


@pytest.mark.parametrize("card_rate", [44100, 96000])
def test_every_output_has_its_own_rate_and_the_same_tone(
    card_rate: int, jack_named: list[Jack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voice 48 kHz, mix 32 kHz, card and streams each another: the tone is the tone, and nothing else is heard."""
    server = start_jack(jack_named, monkeypatch, card_rate)
    with Rig(VOICES, ["--device", "default", "--rate", "32000"]) as rig:
        sound_it(rig)
        status = rig.status()
        wait_until(lambda: rig.status()["device"] == "system", "the card")
        status = rig.status()
        assert (status["rate"], status["device_rate"]) == (32000, card_rate)
        assert f"at {card_rate} Hz, resampled" in rig.log
        sound, rate = hear_card(server, 1.5)
        assert rate == card_rate
        level, rest = purity(sound, rate)
        assert level == pytest.approx(0.25, rel=0.01)
        assert rest < -60 or longest_silence(sound) > 64  # a busy machine may leave a period silent
        # At its own pace: for a listener that takes all there is the mix is made in haste, and filled in.
        for rate in (44100, 48000, 22050):
            with Ears(EarsOptions(rig.stream_port, rate, fill=8192)) as ears:
                ears.wait_for(rate)
                level, rest = purity(ears.came(0, rate), rate)
                assert ears.figure("lost") == 0
            assert level == pytest.approx(0.25, rel=0.01)
            assert rest < -60


def test_several_listeners_of_their_own_pace_and_fill_hear_it_whole(rig: Rig) -> None:
    with (
        Ears(EarsOptions(rig.stream_port, fill=1024)) as near,
        Ears(EarsOptions(rig.stream_port, fill=16384)) as far,
        Ears(EarsOptions(rig.stream_port, rate=44100, fill=4096)) as other,
    ):
        everybody = (near, far, other)
        for ears in everybody:
            ears.wait_played(3 * ears.options.rate)
        for ears in everybody:
            sound = ears.came(ears.options.rate // 2, ears.received)
            assert longest_silence(sound) < 16
            assert largest_step(sound)[0] < CLICK
        assert rig.status()["subscribers"] == 3


def test_listener_that_holds_little_misses_nothing_for_one_voice(rig: Rig) -> None:
    """All others would be missed with it, if it were waited for any longer than such a listener can wait."""
    rig.client.send("/a/intensity", 1.0)
    missed = []
    with Ears(EarsOptions(rig.stream_port, fill=1024)) as ears:
        ears.wait_played(RATE)
        for _ in range(TRIES):
            before = ears.figure("underruns")
            os.kill(rig.renderer("a"), signal.SIGKILL)
            rig.client.wait("/a/loaded")
            ears.wait_played(ears.played + RATE // 4)
            missed.append(ears.figure("underruns") - before)
            if not missed[-1]:
                return
    pytest.fail(f"each time blocks were missed: {missed}")


def starve(renderers: list[int], seconds: float) -> None:
    """Let renderers have a fortieth of the time: late by a little each time, and never for long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for process in renderers:
            os.kill(process, signal.SIGSTOP)
        time.sleep(0.02)
        for process in renderers:
            os.kill(process, signal.SIGCONT)
        time.sleep(0.0005)


def test_voices_that_cannot_keep_up_let_nobody_run_dry() -> None:
    with Rig({"a": PROBES["probe-1"], "b": PROBES["probe-2"], "c": PROBES["probe-1"]}, []) as rig:
        rig.client.send("/*/intensity", 1.0)
        missed = []
        with Ears(EarsOptions(rig.stream_port, fill=4096)) as ears:
            ears.wait_played(RATE)
            for count in (1, 2, 1, 2, 1, 2):  # the third keeps up always
                before, filled = ears.figure("underruns"), int(str(rig.status()["concealed"]))
                starve([rig.renderer(name) for name in "ab"[:count]], 1.5)
                missed.append((count, ears.figure("underruns") - before))
                assert int(str(rig.status()["concealed"])) > filled + 100, "ms: or nothing was tried"
                if {(1, 0), (2, 0)} <= {*missed}:
                    break
            else:
                pytest.fail(f"each time blocks were missed: {missed}")
            starve([rig.renderer("a")], 10.5)  # it is looked every five seconds
        fail = rig.client.wait("/fail", lambda message: message.args[0] == "/a")
        assert "cannot keep up" in str(fail.args[1])


def test_last_sound_is_no_cut(rig: Rig) -> None:
    """Ctrl-C in the middle of a tone: it goes to silence before everything ends."""
    with Ears(EarsOptions(rig.stream_port)) as ears:
        ears.wait_for(RATE // 2)
        rig.process.send_signal(signal.SIGINT)
        rig.process.wait(30)
        sound = ears.came(RATE // 4, ears.received)
    assert level(sound[: RATE // 10]) > 0.05
    assert np.abs(sound[-64:]).max() < 1e-3
    assert largest_step(sound)[0] < CLICK


def test_listener_that_reads_nothing_and_one_that_vanishes_hold_up_nobody(rig: Rig) -> None:
    """One pulls and never reads what comes; one is gone without a word. Both are forgotten after a while."""
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    deaf.connect(("127.0.0.1", rig.stream_port))
    deaf.send(encode("/subscribe", "f32", 2, 256, 16384, RATE))
    (subscribed,) = parse_datagram(deaf.recv(1024))
    gone = Listener(rig.stream_port)
    gone.take(1024)
    gone._socket.close()
    with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
        ears.wait_for(RATE // 4)
        start = ears.received
        for _ in range(200):
            deaf.send(encode("/pull", subscribed.args[0], 0, 0, 0))
            time.sleep(0.005)
        ears.wait_for(ears.received + RATE // 4)
        sound = ears.came(start, ears.received)
        assert longest_silence(sound) < 16
        assert largest_step(sound)[0] < CLICK
        assert ears.figure("lost") == ears.figure("underruns") == 0
        wait_until(lambda: rig.status()["subscribers"] == 1, "the others to be forgotten")
    deaf.close()


def test_full_disk_is_told_once_and_the_sound_goes_on(rig: Rig) -> None:
    """No file of the audio process may grow beyond 200 kB: what a full disk does, as the system does it."""
    (audio,) = rig.named("audio")
    resource.prlimit(audio, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
        ears.wait_for(RATE // 4)
        start = ears.received
        rig.client.ask("/record", "full.wav", reply="/done")
        fail = rig.client.wait("/fail")
        assert fail.args[0] == "/record"
        assert "what was recorded so far is kept" in str(fail.args[1])
        ears.wait_for(ears.received + RATE // 2)
        sound = ears.came(start, ears.received)
        assert longest_silence(sound) < 16
        assert largest_step(sound)[0] < CLICK
        assert ears.figure("underruns") == 0
    rig.client.settle()
    assert not [message for message in rig.client.heard if message.address == "/fail"]
    kept, _ = soundfile.read(rig.recordings / "full.wav", dtype="float32")
    assert len(kept) > 10_000
    assert largest_step(kept)[0] < CLICK
    resource.prlimit(audio, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    rig.client.ask("/record", "next.wav", reply="/done")
    assert rig.client.ask("/record", reply="/done").args[1] == str(rig.recordings / "next.wav")


def test_recording_is_a_valid_file_while_it_grows(rig: Rig) -> None:
    rig.client.ask("/record", "growing.wav", reply="/done")
    path = rig.recordings / "growing.wav"
    wait_until(lambda: path.stat().st_size > 300_000, "some sound")
    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    assert len(sound) > 10_000
    rig.client.ask("/record", reply="/done")


def test_nothing_clips_and_the_limiter_tells(rig: Rig) -> None:
    """Five copies at 12 dB more: near five times full scale before the limiter.

    Each has a pitch of its own: copies at one pitch may cancel one another, whatever their levels. In any tenth of a
    second these five reach 3.8 (11.7 dB), the least of 5000 draws of their phases.
    """
    for number in range(4):
        rig.client.send(f"/b{number}/load", "a")
    rig.client.settle()
    rig.client.send("/*/intensity", 1.0)
    for name, place in zip(("a", "b0", "b1", "b2", "b3"), (-0.5, -0.23, 0.0, 0.31, 0.57), strict=True):
        rig.client.send(f"/{name}/latent/0", place)
    rig.client.send("/*/gain", 12.0)
    rig.client.settle()
    with Listener(rig.stream_port) as listener:
        sound = listener.take(2 * RATE)
    assert np.abs(sound).max() <= CEILING * 1.000001
    assert np.abs(sound[RATE:]).max() > 0.8
    level = levels_heard(rig, 5)[-1]["/master/level"]
    assert level[0] == pytest.approx(20 * np.log10(CEILING), abs=0.1)
    assert level[2] < -9.0


def levels_heard(rig: Rig, count: int) -> list[dict[str, tuple[float, ...]]]:
    """Return the levels that a client of their own is told, bundle by bundle."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", rig.port))
    sock.send(encode("/notify", 1))
    found: list[dict[str, tuple[float, ...]]] = []
    while len(found) < count:
        messages = parse_datagram(sock.recv(65536))
        if messages[0].address == "/master/level":
            found.append({message.address: message.args for message in messages})  # type: ignore[misc]
    sock.send(encode("/notify", 0))
    sock.close()
    return found


def test_levels_are_those_of_the_sound(rig: Rig) -> None:
    rig.client.send("/a/gain", -6.0)
    rig.client.send("/a/pan", 1.0)
    rig.client.settle()
    time.sleep(0.3)
    told = levels_heard(rig, 3)[-1]
    peak = 20 * np.log10(0.25) - 6.0
    assert told["/a/level"][0] == pytest.approx(peak, abs=0.1)
    assert told["/a/level"][1] == pytest.approx(peak - 3.01 - 3.01, abs=0.1), "a sine, on one of two sides"
    assert told["/master/level"][:2] == pytest.approx(told["/a/level"], abs=0.1)
    assert told["/master/level"][2] == 0.0
    rig.client.send("/a/mute", 1)
    time.sleep(0.3)
    assert levels_heard(rig, 2)[-1]["/a/level"][0] == pytest.approx(-120, abs=1)


def test_levels_come_at_a_bounded_rate_and_only_to_who_asked(rig: Rig) -> None:
    """Ten a second at most, whatever else is going on; none to others, and none after a farewell."""
    stranger, guest = Client(rig.port), Client(rig.port)
    stranger.ask("/ping", reply="/pong")
    guest.ask("/notify", 1, reply="/done")
    times: list[float] = []
    begin = time.monotonic()
    guest._socket.setblocking(True)
    guest._socket.settimeout(0.5)
    while time.monotonic() < begin + 2.0:
        rig.client.send("/a/gain", 0.0)
        if parse_datagram(guest._socket.recv(65536))[0].address == "/master/level":
            times.append(time.monotonic())
    assert 10 < len(times) <= 22
    guest._socket.setblocking(False)
    guest.send("/notify", 0)
    guest.settle()
    time.sleep(0.3)
    stranger.read()
    assert not stranger.heard
    stranger.close()
    guest.close()
