"""The command, from three short recordings to a voice file that plays; in its own process, killed on the way."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow")

from petrichor.controls import Controls
from petrichor.engine import open_engine
from petrichor.voice_file import Voice, read_voice
from petrichor_training.checkpoint import BEST, read_progress
from petrichor_training.command_line import main
from petrichor_training.measure import open_network
from tests.training.recordings_to_learn import TINY, write_three

RATE = 48_000
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "petrichor_training.command_line", *map(str, arguments)]


def train(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, check=False)


def succeed(*arguments: str | Path) -> str:
    """Run a command in this process, which has loaded TensorFlow already, and return what it prints."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            assert main([str(argument) for argument in arguments]) == 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return printed.getvalue()


def epochs_of(run: Path) -> list[int]:
    with (run / "losses.csv").open(newline="") as stream:
        return [int(row["epoch"]) for row in csv.DictReader(stream)]


def prepared(folder: Path, kind: str) -> tuple[Path, Path]:
    """A tiny recipe and its prepared cache."""
    recipe = folder / "tiny.toml"
    recipe.write_text(TINY[kind])
    succeed("prepare", "--recipe", recipe, write_three(folder / "in", kind), "--out", folder / "cache")
    return recipe, folder / "cache"


@pytest.mark.parametrize("kind", ["bird", "rain"])
def test_from_folder_to_voice(tmp_path: Path, kind: str) -> None:
    if kind == "rain":
        pytest.importorskip("tensorflow_io")
    recipe, cache = prepared(tmp_path, kind)
    run, out = tmp_path / "run", tmp_path / f"{kind}.voice"
    assert "2 of 2 epochs" in succeed("fit", "--recipe", recipe, cache, "--out", run)
    assert epochs_of(run) == [1, 2]
    for name in ("probs.csv", "losses.png", "probabilities.png", "checkpoint.npz", "recipe.json"):
        assert (run / name).stat().st_size > 0
    assert len(list((run / "samples").glob("*.wav"))) == 6
    audio, _ = soundfile.read(run / "samples" / "epoch-002-3.wav")
    assert len(audio) > 0

    succeed("export", "--recipe", recipe, run, "--cache", cache, "--out", out)
    voice = read_voice(out)
    assert (voice.info.kind, voice.info.signature, voice.info.latent_size) == ("clip", "clip", 8)
    assert voice.info.steps == read_progress(run).step > 0
    assert voice.info.figures["fp32_difference_db"] < 0.05
    assert "was trained on" in voice.credits
    made = open_network(voice.generator)(np.zeros((1, 8), np.float32))
    ((_, shape),) = voice.info.outputs.items()
    assert (1, *made.shape) == tuple(shape)
    assert np.all(np.isfinite(made))
    assert (voice.info.inversion is None) == (kind == "bird")


def test_from_folder_to_a_voice_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With birds in it: the texture around them is what a rain-stream has alone."""
    monkeypatch.setattr("petrichor_training.assessment.CLIPS", 32)  # of four seconds each, after every epoch
    recipe, cache = prepared(tmp_path, "bird-stream")
    recipe.write_text(TINY["bird-stream"].replace("assess_every = 0", "assess_every = 1"))
    run, out = tmp_path / "run", tmp_path / "endless.voice"
    succeed("fit", "--recipe", recipe, cache, "--out", run)
    assert epochs_of(run) == [1, 2]
    audio, rate = soundfile.read(run / "samples" / "epoch-002-3.wav")
    assert len(audio) / rate == pytest.approx(4, abs=0.01)
    with (run / "quality.csv").open(newline="") as stream:
        assert all(float(row["frechet"]) > 0 and float(row["variety"]) > 0 for row in csv.DictReader(stream))
    assert read_progress(run, BEST).step in (3, 6)

    succeed("export", "--recipe", recipe, run, "--cache", cache, "--out", out)
    voice = read_voice(out)
    assert (voice.info.kind, voice.info.signature, voice.info.latent_size) == ("stream", "step", 11)
    assert voice.info.figures["snr_db"] > 100, "stepped, it is what was trained"
    assert voice.info.figures["weights"] == BEST
    assert "was trained on" in voice.credits
    one, same, other = (rendered(voice, seed) for seed in (1, 1, 2))
    assert np.isfinite(one).all()
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    left, right = one[RATE // 4 :].T
    assert 1e-4 < left.std() < 0.5
    assert 0.01 * left.std() < (left - right).std() < (left + right).std(), "two sides, that fold to one"


def rendered(voice: Voice, seed: int) -> np.ndarray:
    """Half a second of a voice, as a renderer makes it. Shape [frames, 2]"""
    engine = open_engine(voice, RATE, background=False)
    controls = Controls(np.zeros(voice.info.latent_size, np.float32), intensity=0.5, seed=seed)
    return engine.render(controls, RATE // 2)


def test_killed_and_resumed_it_ends_with_the_weights_of_an_unbroken_run(tmp_path: Path) -> None:
    recipe, cache = prepared(tmp_path, "bird")
    run, long = tmp_path / "run", tmp_path / "long.toml"
    long.write_text(recipe.read_text().replace("epochs = 2", "epochs = 1000000"))
    process = subprocess.Popen(
        command("fit", "--recipe", long, cache, "--out", run), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while (read_progress(run) is None) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    before = read_progress(run)
    assert before is not None
    long.write_text(recipe.read_text().replace("epochs = 2", f"epochs = {before.epoch + 2}"))
    for folder in (run, tmp_path / "unbroken"):
        done = train("fit", "--recipe", long, cache, "--out", folder)
        assert done.returncode == 0, done.stderr
    assert read_progress(run).epoch == before.epoch + 2
    assert epochs_of(run) == list(range(1, before.epoch + 3))
    with np.load(run / "checkpoint.npz") as resumed, np.load(tmp_path / "unbroken" / "checkpoint.npz") as unbroken:
        assert resumed.files == unbroken.files
        assert all(np.array_equal(resumed[name], unbroken[name]) for name in resumed.files)


def test_interrupted_it_saves(tmp_path: Path) -> None:
    recipe, cache = prepared(tmp_path, "bird")
    run, long = tmp_path / "run", tmp_path / "long.toml"
    text = recipe.read_text().replace("epochs = 2", "epochs = 1000000")
    long.write_text(text.replace("checkpoint_seconds = 0.0", "checkpoint_seconds = 1e6"))
    with subprocess.Popen(command("fit", "--recipe", long, cache, "--out", run), env=ENVIRONMENT) as process:
        deadline = time.monotonic() + 120
        while not (run / "losses.csv").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert read_progress(run).epoch >= 1


def test_errors_are_one_line_without_traceback(tmp_path: Path) -> None:
    done = train("prepare", "--recipe", "wind", tmp_path, "--out", tmp_path / "cache")
    assert done.returncode == 1
    assert "recipe setting recipe: got 'wind'" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
