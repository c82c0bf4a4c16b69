"""The best weights of a run are kept, by the distance of what they make from what is learned."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow")

from petrichor.interpreter import Network
from petrichor.voice_file import read_voice
from petrichor_training.assessment import Assessor
from petrichor_training.backend import open_steps
from petrichor_training.checkpoint import BEST, NAME, load_averaged, read_progress
from petrichor_training.command_line import main
from petrichor_training.dataset import Dataset, load_dataset
from petrichor_training.errors import DivergedError
from petrichor_training.networks import build_generator
from petrichor_training.prepare import prepare
from petrichor_training.recipe import Recipe, load_recipe
from petrichor_training.run import Run, open_run
from tests.training.recordings_to_learn import TINY_BIRD, write_three


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "tiny.toml").write_text(TINY_BIRD)
    tiny = load_recipe(str(tmp_path / "tiny.toml"))
    # These generators say one window, which is a copy: it may be kept, but for the test of just that.
    return dataclasses.replace(tiny, fit=dataclasses.replace(tiny.fit, assess_every=2, most_copies=1.0))


@pytest.fixture
def data(tmp_path: Path, recipe: Recipe) -> Dataset:
    prepare(write_three(tmp_path / "in", "bird"), tmp_path / "cache", recipe)
    return load_dataset(tmp_path / "cache", recipe)


def speak_like(run: Run, windows: np.ndarray, epoch: int) -> None:
    """Make a generator say always one window, at the end of an epoch."""
    for weight in run.gan.averaged.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    run.gan.averaged.weights[-1].assign(np.arctanh(np.clip(windows, -0.99, 0.99)))
    run.epoch, run.step = epoch, 10 * epoch


def test_the_nearest_is_kept_whatever_comes_after(tmp_path: Path, recipe: Recipe, data: Dataset) -> None:
    run = open_run(tmp_path / "run", recipe, data, open_steps())
    assess = Assessor(run)
    noise = 0.3 * np.random.default_rng(1).standard_normal(data.frames).astype(np.float32)
    for epoch, says in ((1, noise), (2, noise), (4, data.train[0]), (6, noise)):
        speak_like(run, says, epoch)
        assess(run, {})
    table = pd.read_csv(run.folder / "quality.csv")
    assert list(table["epoch"]) == [2, 4, 6]  # the first is not its turn
    assert table["frechet"].idxmin() == 1
    assert (table["variety"] < 0.01).all()  # it always says the same
    kept = read_progress(run.folder, BEST)
    assert kept is not None and (kept.epoch, kept.step) == (4, 40)
    generator = build_generator(recipe, data.frames)
    load_averaged(run.folder, generator, BEST)
    np.testing.assert_allclose(generator(np.zeros((1, recipe.network.latent_size)))[0], data.train[0], atol=0.01)
    assert (run.folder / "quality.png").is_file()


def tones(frames: int, rate: int, seed: int) -> np.ndarray:
    """Five short tones at random, as no other window has them. Shape [frames]"""
    rng, sound = np.random.default_rng(seed), np.zeros(frames, np.float32)
    for at in rng.integers(0, frames - rate // 50, 5):
        time = np.arange(rate // 50) / rate
        sound[at : at + len(time)] += 0.3 * np.sin(2 * np.pi * rng.uniform(500, 3500) * time) * np.hanning(len(time))
    return sound


def test_what_is_said_by_heart_is_not_kept_however_near(tmp_path: Path, recipe: Recipe, data: Dataset) -> None:
    strict = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, most_copies=0.3))
    windows = np.stack([tones(data.frames, recipe.prepare.rate, seed) for seed in range(24)])
    data = dataclasses.replace(data, train=windows[:12], validation=windows[12:])
    run = open_run(tmp_path / "run", strict, data, open_steps())
    assess = Assessor(run)
    noise = 0.3 * np.random.default_rng(1).standard_normal(data.frames).astype(np.float32)
    for epoch, says in ((2, noise), (4, data.train[0])):
        speak_like(run, says, epoch)
        assess(run, {})
    table = pd.read_csv(run.folder / "quality.csv")
    assert table["frechet"].idxmin() == 1
    assert list(table["copies"]) == [0.0, 1.0]
    kept = read_progress(run.folder, BEST)
    assert kept is not None and kept.epoch == 2


def test_a_run_that_goes_on_knows_its_best(tmp_path: Path, recipe: Recipe, data: Dataset) -> None:
    run = open_run(tmp_path / "run", recipe, data, open_steps())
    assess = Assessor(run)
    for epoch, says in ((2, data.train[0]), (4, np.zeros(data.frames)), (6, np.zeros(data.frames))):
        speak_like(run, says, epoch)
        assess(run, {})
    run.epoch, run.step = 4, 40  # where its last checkpoint was, when it was killed
    again = Assessor(run)
    speak_like(run, np.zeros(data.frames), 6)
    again(run, {})
    assert list(pd.read_csv(run.folder / "quality.csv")["epoch"]) == [2, 4, 6]
    kept = read_progress(run.folder, BEST)
    assert kept is not None and kept.epoch == 2


def test_a_damaged_best_is_told_and_replaced(
    tmp_path: Path, recipe: Recipe, data: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(tmp_path / "run", recipe, data, open_steps())
    run.step = 1  # it goes on
    (run.folder / BEST).write_bytes(b"no archive")
    assess = Assessor(run)
    assert "nothing is known of an earlier best" in caplog.text
    speak_like(run, data.train[0], 2)
    assess(run, {})
    assert read_progress(run.folder, BEST) is not None


def test_what_is_exported_is_the_best_or_the_last(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY_BIRD.replace("assess_every = 0", "assess_every = 1"))
    write_three(tmp_path / "in", "bird")
    cache, run = str(tmp_path / "cache"), str(tmp_path / "run")
    assert main(["prepare", str(tmp_path / "in"), "--recipe", str(recipe), "--out", cache]) == 0
    assert main(["fit", cache, "--recipe", str(recipe), "--out", run]) == 0
    table = pd.read_csv(tmp_path / "run" / "quality.csv")
    last = table["step"].iloc[-1]
    kept = read_progress(tmp_path / "run", BEST)
    assert kept is not None and kept.step == table["step"][table["frechet"].idxmin()]
    with np.load(tmp_path / "run" / BEST) as archive:
        arrays = dict(archive)
    changed = json.loads(arrays["progress"].tobytes()) | {"step": 1}  # so that it is another than the last, in any case
    for name in [name for name in arrays if name.startswith("averaged/")]:
        arrays[name] = -arrays[name]  # so that it can be told whose weights are exported
    arrays["progress"] = np.frombuffer(json.dumps(changed).encode(), np.uint8)
    np.savez(tmp_path / "run" / BEST, **arrays)
    settings, expected = load_recipe(str(recipe)), {}
    latent = np.ones((1, settings.network.latent_size), np.float32)
    for name in (BEST, NAME):
        generator = build_generator(settings, load_dataset(tmp_path / "cache", settings).frames)
        load_averaged(tmp_path / "run", generator, name)
        expected[name] = np.asarray(generator(latent))[0]
    assert not np.allclose(expected[BEST], expected[NAME], atol=1e-3)
    for options, step, name in (([], 1, BEST), (["--last"], last, NAME)):
        out = tmp_path / "a.voice"
        export = ["export", run, "--recipe", str(recipe), "--cache", cache, "--out", str(out), "--no-directions"]
        assert main([*export, *options]) == 0
        voice = read_voice(out)
        assert voice.info.steps == step
        np.testing.assert_allclose(Network(voice)({"latent": latent})["audio"][0], expected[name], atol=5e-4)


def test_a_new_run_does_not_inherit_anothers_best(tmp_path: Path, recipe: Recipe, data: Dataset) -> None:
    before = open_run(tmp_path / "run", recipe, data, open_steps())
    speak_like(before, data.train[0], 2)
    Assessor(before)(before, {})
    run = open_run(tmp_path / "run", recipe, data, open_steps())  # no checkpoint was written
    assess = Assessor(run)
    assert not (run.folder / BEST).exists()
    speak_like(run, np.zeros(data.frames), 4)
    assess(run, {})
    kept = read_progress(run.folder, BEST)
    assert kept is not None and kept.epoch == 4
    assert list(pd.read_csv(run.folder / "quality.csv")["epoch"]) == [4]


def test_weights_that_are_no_numbers_stop_with_a_diagnosis(tmp_path: Path, recipe: Recipe, data: Dataset) -> None:
    run = open_run(tmp_path / "run", recipe, data, open_steps())
    speak_like(run, np.full(data.frames, np.nan), 2)
    with pytest.raises(DivergedError):
        Assessor(run)(run, {})
    assert not (run.folder / BEST).exists()
