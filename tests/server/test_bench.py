"""`petrichor bench`: its ears hear what is there, and it measures a real server from outside."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petrichor.bench import command, start
from petrichor.bench.figures import Figure, percentiles, stolen, to_text
from petrichor.bench.listening import first_sound, largest_step, longest_silence, onset, tone_level
from petrichor.bench.reload import CLICK
from petrichor.bench.rig import PITCHES, PROBES, descendants
from petrichor.controls import Controls
from petrichor.engine import open_engine
from petrichor.voice_file import read_voice
from tests.machine import SHARE, TRIES
from tests.patches.process import runs

RATE = 48000
FILL = 16384  # frames that the bench's listeners hold here: a server without faults stays so where a machine is lent
FAULTLESS = (
    *(
        f"{event}: {what}"
        for event in ("reload", "kill -9")
        for what in ("longest silence", "largest step", "blocks missed")
    ),
    "soak: dropouts outside of kills",
    "soak: largest step outside of kills",
    "soak: within kills",
    "soak: largest step within kills",
)


def tone(frames: int, hz: float, level: float = 0.25) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * hz / RATE * np.arange(frames))
    return np.repeat(wave[:, None], 2, 1).astype(np.float32)


def test_first_sound_is_the_first_frame_that_sounds() -> None:
    sound = np.zeros((1000, 2), np.float32)
    assert first_sound(sound) is None
    sound[777, 1] = 2e-5
    assert first_sound(sound) == 777


@pytest.mark.parametrize("height", [0.005, 0.05, 0.5])
@pytest.mark.parametrize("hz", [250.0, 1000.0, 2000.0])
def test_steps_are_found_where_they_are_and_tones_have_none(hz: float, height: float) -> None:
    sound = tone(20000, hz)
    assert largest_step(sound)[0] < CLICK / 10
    sound[12345:] += np.float32(height)
    found, frame = largest_step(sound)
    assert found == pytest.approx(height, rel=0.2)
    assert abs(frame - 12345) < 8
    assert found > CLICK


@pytest.mark.parametrize("fault", [0.5, np.nan, np.inf])
def test_steps_of_one_channel_and_what_is_no_number_are_found(fault: float) -> None:
    sound = tone(20000, 1000.0)
    sound[12345:12500, 1] += np.float32(fault)
    assert largest_step(sound)[0] > CLICK
    assert largest_step(sound[:, :1])[0] < CLICK / 10


def test_silence_and_lost_blocks_are_found() -> None:
    sound = tone(20000, 1000.0)
    assert longest_silence(sound) < 4
    sound[5000:5128] = 0
    assert 128 <= longest_silence(sound) < 134
    assert largest_step(sound)[0] > CLICK


def test_tones_are_told_apart_and_their_onset_found() -> None:
    sound = tone(30000, PITCHES["probe-1"])
    assert np.allclose(tone_level(sound, PITCHES["probe-1"]), 0.25, atol=0.002)
    assert tone_level(sound, PITCHES["probe-2"]).max() < 0.002
    sound[20000:] = tone(10000, PITCHES["probe-2"])
    found = onset(sound, PITCHES["probe-2"], 0.05)
    assert found is not None
    assert abs(found - 20000) < 240
    assert onset(sound, 3000.0, 0.05) is None
    assert onset(sound[:100], 1000.0, 0.05) is None


@pytest.mark.parametrize("name", ["probe-1", "probe-2"])
def test_probes_make_the_tone_they_are_said_to(name: str) -> None:
    """Silence at intensity 0; the pitch follows the first coordinate, the level the intensity, both without a step."""
    voice = read_voice(PROBES[name])
    engine = open_engine(voice, RATE, background=True)
    latent = np.zeros(8, np.float32)
    assert not engine.render(Controls(latent, 3.0, 0.0), 4800).any()
    sound = [engine.render(Controls(latent, 3.0, 1.0), RATE)]
    assert np.median(tone_level(sound[0][RATE // 2 :], PITCHES[name])) == pytest.approx(0.25, rel=0.01)
    high = latent.copy()
    high[0] = 1.0
    sound.append(engine.render(Controls(high, 3.0, 0.5), RATE))
    assert np.median(tone_level(sound[1][RATE // 2 :], 2 * PITCHES[name])) == pytest.approx(0.125, rel=0.01)
    assert largest_step(np.concatenate(sound))[0] < CLICK / 2


def test_figures_are_held_against_what_they_are_to_be() -> None:
    times = percentiles([0.001] * 98 + [0.005, 0.02])
    assert times == {"p50": 1.0, "p99": pytest.approx(5.15, abs=0.1), "max": 20.0}
    assert Figure("a", times, "ms", "p99 ≤ 10 ms", 10, "p99").reached
    assert not Figure("a", times, "ms", "max ≤ 10 ms", 10, "max").reached
    assert Figure("a", {"n": 40}, "", "≥ 32", 32, "n", least=True).reached
    assert Figure("a", times, "ms").reached is None
    text = to_text(Figure("a thing", times, "ms", "max ≤ 10 ms", 10, "max", notes=("why",)))
    assert text.splitlines()[0] == "a thing: p50 1, p99 5.15, max 20 ms  (to reach: max ≤ 10 ms)  MISSED"
    assert text.splitlines()[1].strip() == "why"


@pytest.mark.alone
def test_bench_measures_a_real_server(request: pytest.FixtureRequest) -> None:
    """Everything but what depends on how fast this machine is: the listeners hold enough for one that is lent.

    Where its host takes more of it than that, again and again, nothing is said of the sound: it could not be heard.
    """
    options = ("--minutes", "0.35", "--kill", "10", "--reload", "4", "--fill", str(FILL))
    report = measured("latency,reload,recovery,soak", *options)
    figures = {figure["what"]: figure for figure in report["figures"]}
    assert 0 < figures["OSC packet in → changed sample out"]["values"]["p50"] < 1000
    assert "21 s of two voices" in figures["soak: dropouts outside of kills"]["notes"][0]
    assert f"3 reloads, 1 kills; fill {FILL}" in figures["soak: dropouts outside of kills"]["notes"][0]
    undone = figures["soak: what had not its effect"]["values"]
    assert undone["voices not back"] == undone["restarts of no kill"] == undone["reloads not told"] == 0, figures
    faults = {name: figures[name] for name in FAULTLESS if not figures[name]["reached"]}
    if faults and report["machine"]["stolen"] > SHARE and request.node.execution_count == TRIES:
        pytest.skip(f"no machine to hear sound on: its host kept {report['machine']['stolen']:.0%} of it, {faults}")
    assert not faults


def measured(only: str, *options: str) -> dict[str, Any]:
    """Return what a short run reports."""
    command = [sys.executable, "-m", "petrichor", "bench", "--json", "--quick", "--only", only, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["machine"]["cores"] >= 1
    return report


def test_sigterm_ends_a_measurement_and_its_server() -> None:
    bench = subprocess.Popen(
        [sys.executable, "-m", "petrichor", "bench", "--only", "soak", "--minutes", "9"], stdout=subprocess.PIPE
    )
    started: dict[int, str] = {}
    deadline = time.monotonic() + 60
    try:
        while not any("petrichor-audio" in name for name in started.values()):
            assert time.monotonic() < deadline and bench.poll() is None, started
            time.sleep(0.05)
            started = descendants(bench.pid)
        bench.send_signal(signal.SIGTERM)
        bench.communicate(timeout=60)
        assert bench.returncode == 130
    finally:
        for process in [bench.pid, *started] if bench.poll() is None else []:
            os.kill(process, signal.SIGKILL)
        bench.communicate()
    assert not [process for process in started if runs(process)]


def test_what_the_host_keeps_is_read_where_linux_counts_it(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 20 30 40 50 60 70 250 0 0\ncpu0 1 2 3 4 5 6 7 125 0 0\n")
    assert stolen(tmp_path / "stat") == pytest.approx(250 / os.sysconf("SC_CLK_TCK"))
    assert stolen(tmp_path / "nowhere") == 0.0


def test_quick_judges_no_number_of_voices_that_it_did_not_try(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Figure("stream voices at once", {"voices": 4}, "", "≥ 32", 32, "voices", least=True)
    monkeypatch.setattr(command, "measure_voices", lambda counts, path: [found])
    for options, status in ((["--quick"], 0), ([], 1)):
        parser = argparse.ArgumentParser()
        command.add_bench(parser)
        assert command.run_bench(parser.parse_args([*options, "--only", "voices"])) == status
        assert ("MISSED" in capsys.readouterr().out) == bool(status)


def test_every_start_has_to_be_in_time() -> None:
    """Nine that are and one that is not: the one is held against it."""
    figure = start._figure("a start", [0.5] * 9 + [1.6], "s", "≤ 1.5 s", 1.5, "")
    assert figure.reached is False
    assert figure.values["p50"] == 0.5


def test_unknown_part_is_a_clear_error() -> None:
    bench = [sys.executable, "-m", "petrichor", "bench", "--only", "latency,beauty"]
    done = subprocess.run(bench, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "--only: got beauty, expected some of latency" in done.stderr
