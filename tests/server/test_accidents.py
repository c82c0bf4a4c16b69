"""What must not end the sound, or must end it cleanly: hostile datagrams, kills, signals, a taken port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory
from pathlib import Path

import pytest

from petrichor.config import ServeOptions
from petrichor.osc import encode
from petrichor.server import Server
from tests.live_server import Listener, LiveServer, left_behind, wait_until
from tests.patches.process import runs
from tests.sound import level, longest_silence

RATE = 48000


def test_hostile_datagrams_leave_it_sounding(server: LiveServer) -> None:
    hostile = [
        b"",
        b"garbage!",
        b"#bundle\0",
        b"#bundle\0" + bytes(7) + b"\1" + b"\xff\xff\xff\xf0" + b"/a\0\0",  # an element of negative size
        b"#bundle\0" + bytes(7) + b"\1" + b"\x7f\xff\xff\xfc",  # one of two gigabytes
        b"/bird/\xff\xfe\0\0,f\0\0\0\0\0\0",
        b"/bird/gain\0\0,ffff\0\0\0",
        b"/" + b"*" * 250 + b"\0",
        encode("/bird/latent", b"\0" * 65000),
    ]
    nested = b"/ping\0\0\0,\0\0\0"
    for _ in range(400):
        nested = b"#bundle\0" + bytes(7) + b"\1" + len(nested).to_bytes(4, "big") + nested
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in (server.port, server.stream_port):
        for datagram in [*hostile, nested]:
            sock.sendto(datagram, ("127.0.0.1", port))
    sock.close()
    with Listener(server.stream_port) as listener:
        listener.report_underruns(1 << 31)
        server.client.ask("/status", reply="/status.reply")
    (server.voices / "\udcff.voice").touch()
    server.client.ask("/ping", reply="/pong")
    with Listener(server.stream_port) as listener:
        assert level(listener.take(RATE // 4)) > 0


def test_killed_renderer_is_replaced_and_the_mix_goes_on(server: LiveServer) -> None:
    client = server.client
    client.send("/bird/intensity", 1)
    client.settle()

    def kill() -> None:
        with Listener(server.stream_port) as listener:
            listener.take(RATE)
            for process in server.renderers():
                os.kill(process, signal.SIGKILL)
            listener.take(RATE // 2)
        for name in ("bird", "rain"):
            client.wait(f"/{name}/loaded")

    sound = server.record("killed.wav", kill)
    assert longest_silence(sound[RATE // 10 :]) < 32


@pytest.mark.parametrize("patience", [0.0, 0.3, 1.5])
def test_two_signals_end_it_whenever_they_come(voice_paths: dict[str, Path], tmp_path: Path, patience: float) -> None:
    command = [sys.executable, "-m", "petrichor", "serve", "--port", "0", "--voices", str(voice_paths["bird"].parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    assert process.stdout
    threading.Event().wait(patience)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        threading.Event().wait(0.05)
    process.communicate(timeout=30)
    wait_until(lambda: not sessions(process.pid), "its processes to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("patience", [0.5, 0.7, 0.9, 3.0])
def test_one_signal_ends_it_whenever_it_comes_and_nothing_is_left(
    number: signal.Signals, patience: float, voice_paths: dict[str, Path]
) -> None:
    command = [sys.executable, "-m", "petrichor", "serve", "--port", "0", "--voices", str(voice_paths["bird"].parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    threading.Event().wait(patience)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(lambda: not sessions(process.pid), "its processes to end")
    assert not left_behind(process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_its_memory_is_made_leaves_nothing(
    number: signal.Signals, voice_paths: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is being made then is known to nobody who could remove it."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    class Interrupted(shared_memory.SharedMemory):
        def __init__(self, name: str, create: bool, size: int) -> None:
            super().__init__(name, create, size)
            os.kill(os.getpid(), number)

    voices = voice_paths["bird"].parent
    options = ServeOptions(port=0, voices=voices, recordings=tmp_path, device="none", query=False)
    with monkeypatch.context() as patch:
        patch.setattr("petrichor.segment.shared_memory.SharedMemory", Interrupted)
        server = Server(options)
    with server:
        server.run()
    assert not left_behind(os.getpid())
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_second_signal_ends_it_at_once_whatever_hangs(voice_paths: dict[str, Path]) -> None:
    """A renderer that is stopped would be waited for."""
    command = [sys.executable, "-m", "petrichor", "serve", "--port", "0", "--voices", str(voice_paths["bird"].parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    assert process.stdout
    while b"OSC on" not in process.stdout.readline():
        pass
    threading.Event().wait(1.0)
    children = [int(child) for child in sessions(process.pid) if named(child).startswith("petrichor-")]
    assert len(children) >= 3, "the audio process and two renderers"
    for child in children:
        os.kill(child, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    threading.Event().wait(0.1)
    assert process.poll() is None, "it waits for what hangs"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - begin < 2.5, "or it would wait three seconds for the audio process alone"
    wait_until(lambda: not sessions(process.pid), "its processes to end")


def named(process: str) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


def sessions(leader: int) -> list[str]:
    """Return the living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(path.parent.name)
    return found


def test_taken_port_is_a_clear_error(server: LiveServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "petrichor", "serve", "--port", str(server.port), "--voices", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert f"--port: 127.0.0.1:{server.port} cannot be bound" in ended.stderr


@pytest.mark.alone
def test_nothing_outlives_a_killed_server(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["bird"], folder)
    server = LiveServer(folder, tmp_path / "recordings")
    children = server.children()
    assert len(children) == 4  # the resource tracker, the fork server, audio, one renderer
    server.process.kill()
    server.process.wait()
    server.client.close()
    wait_until(lambda: not any(map(runs, children)), "its processes to end")
    segments = f"petrichor-{server.process.pid}-*"
    wait_until(lambda: not list(Path("/dev/shm").glob(segments)), "its shared memory to go")
