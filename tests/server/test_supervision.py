"""Processes that die, hang or are killed: the sound goes on, everything comes back, nothing is left behind."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.bench.client import Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.listening import largest_step, longest_silence
from petrichor.bench.rig import PITCHES, PROBES, Rig, descendants
from petrichor.slots import SLOTS
from petrichor.supervisor import CALM, HANG
from tests.live_server import Listener, LiveServer, left_behind, live_server, wait_until
from tests.patches.process import runs
from tests.sound import level

RATE = 48000
CLICK = 0.02  # of full scale; the probe's tone has 0.25


def heard_during(rig: Rig, act: Callable[[], object], seconds: float = 0.5) -> np.ndarray:
    """Return what a listener at real-time pace hears from just before `act()` until it has heard so much after it."""
    sound: list[np.ndarray] = []
    stop = threading.Event()

    def listen() -> None:
        with Listener(rig.stream_port) as listener:
            begin, taken = time.monotonic(), 0
            while not stop.is_set():
                sound.append(listener.take(512))
                taken += len(sound[-1])
                time.sleep(max(0.0, begin + taken / RATE - time.monotonic()))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        wait_until(lambda: len(sound) > RATE // 4 // 512, "sound")
        act()
        wanted = len(sound) + math.ceil(seconds * RATE / 512)
        wait_until(lambda: len(sound) >= wanted, "the sound after it")
    finally:
        stop.set()
        thread.join()
    return np.concatenate(sound)


def tone(sound: np.ndarray, hz: float) -> float:
    """Return the level of a tone in the last tenth of a second."""
    tail = sound[-RATE // 10 :, 0]
    return float(2 * np.abs(np.mean(tail * np.exp(-2j * np.pi * hz / RATE * np.arange(len(tail))))))


def test_killed_renderer_is_replaced_and_nothing_clicks(rig: Rig) -> None:
    def kill() -> None:
        os.kill(rig.renderer("a"), signal.SIGKILL)
        rig.client.wait("/a/loaded")

    sound = heard_during(rig, kill)
    assert longest_silence(sound[RATE // 10 :]) < 4
    assert largest_step(sound[RATE // 10 :])[0] < CLICK
    assert tone(sound, PITCHES["probe-1"]) > 0.2, "and it is the voice again"
    assert rig.client.wait("/fail").args[0] == "/a"
    assert rig.status()["restarts"] == 1


def test_renderer_that_hangs_is_replaced(rig: Rig) -> None:
    """Stopped, it takes part in nothing any more, and no signal but SIGKILL would end it."""
    hung = rig.renderer("a")

    def hang() -> None:
        os.kill(hung, signal.SIGSTOP)
        begin = time.monotonic()
        rig.client.wait("/a/loaded")
        assert HANG * 0.5 < time.monotonic() - begin < HANG + 3

    sound = heard_during(rig, hang)
    assert longest_silence(sound[RATE // 10 :]) < 4
    assert largest_step(sound[RATE // 10 :])[0] < CLICK
    assert "no sign of life" in str(rig.client.wait("/fail").args[1])
    assert not Path(f"/proc/{hung}").exists()


def test_renderer_that_stalls_now_and_then_is_never_heard_to(rig: Rig) -> None:
    """Stopped for 10 to 150 ms, again and again: what stands in comes and goes without a click or a gap."""
    dice = random.Random(1)
    renderer = rig.renderer("a")
    with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
        ears.wait_for(RATE)
        start = ears.received - RATE // 2
        for _ in range(20):
            os.kill(renderer, signal.SIGSTOP)
            time.sleep(dice.uniform(0.01, 0.15))
            os.kill(renderer, signal.SIGCONT)
            ears.wait_for(ears.received + round(dice.uniform(0.0, 0.2) * RATE))
        ears.wait_for(ears.received + RATE // 4)
        sound = ears.came(start, ears.received)
    assert int(str(rig.status()["concealed"])) > 100, "ms: or nothing was tried"
    assert longest_silence(sound) < 16
    assert largest_step(sound)[0] < CLICK / 4
    assert rig.status()["restarts"] == 0


def test_file_whose_reading_never_ends_is_not_even_tried(rig: Rig) -> None:
    """A pipe nobody writes into."""
    os.mkfifo(rig.voices / ".pipe")
    (rig.voices / "b.voice").symlink_to(rig.voices / ".pipe")
    time.sleep(0.2)
    rig.client.send("/b/load", "b")
    fail = rig.client.wait("/fail")
    assert "no voice" in str(fail.args[1])
    assert rig.status()["voices"] == [("a", "playing", 8)]


def test_restart_storm_backs_off_and_is_told(rig: Rig) -> None:
    def storm() -> None:
        for _ in range(5):
            os.kill(rig.renderer("a"), signal.SIGKILL)
            rig.client.wait("/a/loaded")

    begin = time.monotonic()
    sound = heard_during(rig, storm)
    assert time.monotonic() - begin > 0.25 + 0.5 + 1.0 + 2.0  # doubling from the second on
    assert longest_silence(sound[RATE // 10 :]) < 16, "those that died at once had no past of their own"
    assert largest_step(sound[RATE // 10 :])[0] < CLICK
    told = [str(rig.client.wait("/fail").args[1]) for _ in range(5)]
    assert "5. time in a row" in told[-1]
    assert "replaced in 2" in told[-1]


def test_deaths_with_calm_and_a_reload_between_are_no_storm(rig: Rig) -> None:
    for name in ("probe-2", "probe-1"):
        time.sleep(CALM + 0.5)
        rig.replace("a", PROBES[name])
        rig.client.wait("/a/loaded")
        os.kill(rig.renderer("a"), signal.SIGKILL)
        assert "in a row" not in str(rig.client.wait("/fail").args[1])
        rig.client.wait("/a/loaded")


def test_messages_sent_while_a_renderer_is_dead_hold_afterwards(rig: Rig) -> None:
    os.kill(rig.renderer("a"), signal.SIGKILL)
    rig.client.send("/a/latent/0", 0.4854268)  # 1400 Hz
    rig.client.wait("/a/loaded")
    sound = heard_during(rig, lambda: None)
    assert tone(sound, 1400) > 0.2


def test_killed_voice_comes_back_as_it_was_though_its_file_is_gone_or_broken(rig: Rig) -> None:
    """Replaced by nonsense, which is refused; then removed. Either way the renderer is killed."""
    (rig.voices / "a.voice").write_bytes(b"nonsense")
    assert "not a whole zip" in str(rig.client.wait("/a/failed").args[1])
    for _ in range(2):
        wait_until(lambda: len(rig.named("a")) == 1, "the other process, of the refused file, to end")
        os.kill(rig.renderer("a"), signal.SIGKILL)
        rig.client.wait("/a/loaded")
        assert tone(heard_during(rig, lambda: None), PITCHES["probe-1"]) > 0.2
        (rig.voices / "a.voice").unlink(missing_ok=True)


def test_killed_audio_process_is_replaced_and_the_sound_is_back(rig: Rig) -> None:
    """Listeners subscribe again, as patches do; a recording keeps what was written of it, and its starter is told."""
    rig.client.send("/master/gain", -6.0)
    starter = Client(rig.port)
    starter.ask("/record", "cut.wav", 60.0, reply="/done")
    with Listener(rig.stream_port) as listener:
        listener.take(RATE)
        position = int(listener._position)
        # The listener drives the mix faster than real time, and the recorder looks 20 times a second.
        on_disk = (rig.recordings / "cut.wav").stat
        wait_until(lambda: on_disk().st_size > 4096 + 8 * (RATE // 2), "half a second on the disk")
        os.kill(rig.named("audio")[0], signal.SIGKILL)
    assert position >= RATE
    begin = time.monotonic()
    assert rig.client.wait("/fail").args[0] == "/audio"
    assert rig.client.wait("/fail").args[0] == "/record"
    assert starter.wait("/fail").args[0] == "/record"
    starter.close()
    sound = heard_during(rig, lambda: None)
    assert time.monotonic() - begin < 5
    assert tone(sound, PITCHES["probe-1"]) == pytest.approx(0.125, rel=0.1), "the master's level is where it was"
    written, rate = soundfile.read(rig.recordings / "cut.wav", dtype="float32")
    assert rate == RATE
    assert len(written) > RATE // 2
    assert level(written[-RATE // 4 :]) > 0.05
    assert rig.status()["recording"] == ""
    rig.client.ask("/record", "next.wav", reply="/done")
    rig.client.ask("/record", reply="/done")
    assert rig.status()["restarts"] == 1


def test_audio_process_that_hangs_is_replaced(rig: Rig) -> None:
    os.kill(rig.named("audio")[0], signal.SIGSTOP)
    for index in range(3000):  # more orders than find room: nobody waits for the one who hangs
        rig.client.send("/a/gain", -float(index % 7))
        if index % 100 == 0:
            rig.client.ask("/ping", reply="/pong")
    rig.client.wait("/fail", lambda message: message.args[0] == "/audio")
    rig.client.send("/a/gain", 0.0)
    assert tone(heard_during(rig, lambda: None), PITCHES["probe-1"]) == pytest.approx(0.25, rel=0.1)


def test_stopped_and_continued_server_kills_nobody(rig: Rig) -> None:
    """Ctrl-Z and fg: everybody stands still, and nobody is blamed for it."""
    before = rig.children().keys()
    os.killpg(rig.process.pid, signal.SIGSTOP)
    time.sleep(HANG + 1.0)
    os.killpg(rig.process.pid, signal.SIGCONT)
    rig.client.ask("/ping", reply="/pong")
    time.sleep(0.7)
    assert rig.children().keys() == before
    assert rig.status()["restarts"] == 0
    assert tone(heard_during(rig, lambda: None), PITCHES["probe-1"]) > 0.2


def test_unloaded_voice_fades_out_and_is_forgotten(rig: Rig) -> None:
    def unload() -> None:
        assert rig.client.ask("/a/unload", reply="/done").args == ("/a/unload", "a")

    sound = heard_during(rig, unload, seconds=1.0)
    assert largest_step(sound[RATE // 10 :])[0] < CLICK
    assert level(sound[-RATE // 4 :]) == 0.0
    assert rig.status()["voices"] == []
    wait_until(lambda: not rig.named("a"), "its process to end")
    assert "nothing is called" in str(rig.client.ask("/a/gain", 0.0, reply="/fail").args[1])
    rig.client.send("/a/load", "a")
    rig.client.wait("/a/loaded")


def test_one_file_plays_under_many_names_until_the_slots_are_used_up(
    voice_paths: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder / "a.voice")
    with live_server(folder, tmp_path / "recordings", "none", "--ahead", "4096") as server:  # two cores carry them all
        client = server.client
        for number in range(SLOTS + 3):
            client.send(f"/v{number}/load", "a")
        client.settle()

        def playing() -> list[str]:
            return [voice[0] for voice in server.status()["voices"] if voice[1] == "playing"]  # type: ignore[attr-defined]

        wait_until(lambda: len(playing()) == SLOTS, "all of them to play")
        refusals = [
            message for message in client.heard if message.address == "/fail" and "slots" in str(message.args[1])
        ]
        assert len(refusals) == 4
        assert f"all {SLOTS} renderer slots are in use" in str(refusals[0].args[1])
        for number in range(SLOTS - 1):
            client.send(f"/v{number}/unload")
        wait_until(lambda: playing() == ["a"], "the others to be unloaded")
        wait_until(lambda: len(server.renderers()) == 1, "their processes to end")
        client.heard.clear()
        client.send("/late/load", "a")
        client.wait("/late/loaded")


@pytest.mark.parametrize("name", ["master", "a b", "x" * 65, ".hidden"])
def test_impossible_names_are_refused(rig: Rig, name: str) -> None:
    rig.client.send(f"/{name}/load", "a")
    rig.client.wait("/fail")
    assert rig.status()["voices"] == [("a", "playing", 8)]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(voice_paths: dict[str, Path], tmp_path: Path, sign: signal.Signals) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["bird"], folder)
    server = LiveServer(folder, tmp_path / "recordings")
    server.client.ask("/record", "cut.wav", reply="/done")
    children = server.children()
    begin = time.monotonic()
    server.process.send_signal(sign)
    assert server.process.wait(10) == 0
    assert time.monotonic() - begin < 3
    server.client.close()
    wait_until(lambda: not any(map(runs, children)), "its processes to end")
    assert not left_behind(server.process.pid)
    assert soundfile.info(server.recordings / "cut.wav").frames > 0


@pytest.mark.alone
def test_next_start_cleans_up_after_everything_was_killed(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    """`kill -9` of every process at once, the tracker of shared memory among them."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["bird"], folder)
    server = LiveServer(folder, tmp_path / "recordings")
    for process in [server.process.pid, *descendants(server.process.pid)]:
        os.kill(process, signal.SIGKILL)
    server.process.wait()
    server.client.close()
    assert len(left_behind(server.process.pid)) == 2  # the segment and the copies
    with live_server(folder, tmp_path / "recordings") as other:
        assert not left_behind(server.process.pid)
        assert f"petrichor-{server.process.pid}" in other.log


def test_server_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    """Its stream port is taken, which it notices after it has begun."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "petrichor", "serve", "--port", "0", "--stream-port", port]
        process = subprocess.Popen([*command, "--voices", str(tmp_path)], stderr=subprocess.PIPE, text=True)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"--stream-port: 127.0.0.1:{port} cannot be bound" in said
    assert not left_behind(process.pid)


def test_renderer_that_does_not_end_when_asked_is_killed(rig: Rig) -> None:
    old = rig.renderer("a")
    os.kill(old, signal.SIGSTOP)
    rig.client.ask("/a/load", "a", reply="/done")  # heard before the old one counts as hanging
    wait_until(lambda: old not in descendants(rig.process.pid), "the end of the stopped renderer")
    assert rig.status()["restarts"] == 0
    assert rig.renderer("a") != old


def test_voice_comes_back_though_the_folder_of_copies_was_cleaned(rig: Rig) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"petrichor-{rig.process.pid}-*"):
        shutil.rmtree(folder)
    for _ in range(2):
        os.kill(rig.renderer("a"), signal.SIGKILL)
        rig.client.wait("/a/loaded")
        time.sleep(0.1)
    sound = heard_during(rig, lambda: None, 0.3)
    assert tone(sound, PITCHES["probe-1"]) > 0.1
