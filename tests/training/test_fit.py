"""The loop itself: resuming is exact, and a loss that is no number stops it."""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from petrichor_training.ahead import Ahead
from petrichor_training.backend import open_steps
from petrichor_training.checkpoint import NAME, read_progress
from petrichor_training.dataset import Dataset, load_dataset
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.fit import Stop, fit
from petrichor_training.prepare import prepare
from petrichor_training.recipe import Recipe, load_recipe
from petrichor_training.run import Run, check_recipe
from petrichor_training.run import open_run as open_run_with
from tests.training.recordings_to_learn import TINY_BIRD, TINY_STREAM, write_three


@pytest.fixture
def tiny(tmp_path: Path) -> Recipe:
    (tmp_path / "tiny.toml").write_text(TINY_BIRD)
    return load_recipe(str(tmp_path / "tiny.toml"))


@pytest.fixture
def data(tmp_path: Path, tiny: Recipe) -> Dataset:
    prepare(write_three(tmp_path / "in", "bird"), tmp_path / "cache", tiny)
    return load_dataset(tmp_path / "cache", tiny)


def open_run(folder: Path, recipe: Recipe, data: Dataset) -> Run:
    return open_run_with(folder, recipe, data, open_steps())


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    return dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=epochs))


def same_weights(one: Run, other: Run) -> bool:
    pairs = [
        *zip(one.gan.averaged.weights, other.gan.averaged.weights, strict=True),
        *zip(one.gan.discriminator.weights, other.gan.discriminator.weights, strict=True),
        *zip(one.gan.g_optimizer.variables, other.gan.g_optimizer.variables, strict=True),
    ]
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


def test_a_run_stopped_after_any_step_is_the_same_as_one_that_never_was(
    tmp_path: Path, tiny: Recipe, data: Dataset
) -> None:
    """To the last bit: stopped after each of its first seven steps, in the middle of epochs and at their ends."""
    whole = open_run(tmp_path / "whole", with_epochs(tiny, 4), data)
    fit(whole)
    assert whole.step == 4 * whole.steps_per_epoch
    for _ in range(7):
        part = open_run(tmp_path / "parts", with_epochs(tiny, 4), data)
        stop, before = Stop(), part.step
        fit(part, lambda *_, stop=stop: setattr(stop, "asked", True), stop)
        assert part.step == before + 1
    part = open_run(tmp_path / "parts", with_epochs(tiny, 4), data)
    fit(part)
    assert (part.epoch, part.step) == (whole.epoch, whole.step)
    assert same_weights(whole, part)
    for name in ("losses.csv", "probs.csv"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "parts" / name).read_text()


def test_a_stream_stopped_within_an_epoch_is_the_same_as_one_that_never_was(tmp_path: Path) -> None:
    """To the last bit, with noise, coordinates and rates that fall from step to step."""
    (tmp_path / "stream.toml").write_text(TINY_STREAM.replace("[fit]", "[fit]\ndecay = 0.9"))
    recipe = load_recipe(str(tmp_path / "stream.toml"))
    prepare(write_three(tmp_path / "stream", "rain"), tmp_path / "stream-cache", recipe)
    data = load_dataset(tmp_path / "stream-cache", recipe)
    whole = open_run(tmp_path / "whole", recipe, data)

    def keep(epoch: int, step: int, *_: object) -> None:
        """Keep what a run killed after its fourth step would have left."""
        if (epoch, step) == (2, 1):
            whole.save()
            shutil.copytree(whole.folder, tmp_path / "parts")

    fit(whole, keep)
    part = open_run(tmp_path / "parts", recipe, data)
    assert (part.epoch, part.within) == (1, 1)
    fit(part)
    assert same_weights(whole, part)
    assert float(part.gan.g_optimizer.learning_rate) < 0.5 * recipe.fit.generator_rate
    other = dataclasses.replace(data, summary=data.summary | {"fingerprint": "of other recordings"})
    with pytest.raises(CheckpointError, match="another cache"):
        open_run(tmp_path / "parts", recipe, other)


def test_a_run_goes_on_at_the_rates_that_its_recipe_says_now(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    """Slower at the end, say: weights move as little as the new rates let them."""
    fit(open_run(tmp_path / "run", with_epochs(tiny, 1), data))

    def moved(rate: float) -> float:
        shutil.rmtree(tmp_path / "other", ignore_errors=True)
        shutil.copytree(tmp_path / "run", tmp_path / "other")
        slower = dataclasses.replace(tiny.fit, epochs=2, generator_rate=rate, discriminator_rate=rate)
        run = open_run(tmp_path / "other", dataclasses.replace(tiny, fit=slower), data)
        before = [*map(np.array, run.gan.generator.get_weights() + run.gan.discriminator.get_weights())]
        fit(run, stop=Stop(steps=run.step + 1))
        after = run.gan.generator.get_weights() + run.gan.discriminator.get_weights()
        return max(float(np.abs(one - other).max()) for one, other in zip(before, after, strict=True))

    assert moved(1e-5) == pytest.approx(moved(1e-3) / 100, rel=0.05)


def test_batches_drawn_ahead_are_those_of_their_step(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    """Over the end of an epoch, and where the run is suddenly somewhere else."""
    run = open_run(tmp_path / "run", with_epochs(tiny, 4), data)
    batches, drawn = run.batches, list[tuple[int, int]]()
    run.batches = lambda *place: (drawn.append(place), batches(*place))[1]  # type: ignore[method-assign]
    straight = [(0, within) for within in range(run.steps_per_epoch)] + [(1, 0)]
    with closing(Ahead(run)) as ahead:
        for run.epoch, run.within in [*straight, (3, 1), (3, 1), (0, 0)]:
            for given, wanted in zip(ahead.take(), batches(run.epoch, run.within), strict=True):
                assert all(np.array_equal(one, other) for one, other in zip(given, wanted, strict=True))
    assert drawn[: len(straight) + 1] == [*straight, (1, 1) if run.steps_per_epoch > 1 else (2, 0)]  # none twice


def test_what_goes_wrong_while_drawing_ahead_stops_the_run(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    run = open_run(tmp_path / "run", with_epochs(tiny, 4), data)
    run.data = dataclasses.replace(data, train=np.full((2, 1), "not sound"))
    with pytest.raises(ValueError, match="not sound"):
        fit(run)
    assert run.step == 0


def test_the_average_follows_the_generator(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    run = open_run(tmp_path / "run", tiny, data)
    start = [weight.numpy() for weight in run.gan.averaged.weights]
    fit(run)
    for before, slow, fast in zip(start, run.gan.averaged.weights, run.gan.generator.weights, strict=True):
        assert not np.array_equal(before, slow.numpy())
        assert not np.array_equal(slow.numpy(), fast.numpy())


def test_not_a_number_stops_with_a_diagnosis(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    fit(open_run(tmp_path / "run", tiny, data))
    before = (tmp_path / "run" / NAME).read_bytes()
    run = open_run(tmp_path / "run", with_epochs(tiny, 9), data)
    run.gan.discriminator.weights[0].assign(run.gan.discriminator.weights[0] * np.nan)
    with pytest.raises(DivergedError, match=r"epoch 3, step 1: .*in the discriminator .*discriminator_rate") as caught:
        fit(run)
    assert (caught.value.epoch, caught.value.step) == (3, 1)
    assert (tmp_path / "run" / NAME).read_bytes() == before


def test_another_recipes_run_is_refused(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    fit(open_run(tmp_path / "run", tiny, data))
    other = dataclasses.replace(tiny, network=dataclasses.replace(tiny.network, generator=(8, 8)))
    with pytest.raises(CheckpointError, match=r"was begun with network\.generator"):
        open_run(tmp_path / "run", other, data)


def test_a_run_older_than_a_setting_goes_on_with_its_default(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    fit(open_run(tmp_path / "run", tiny, data))
    progress = read_progress(tmp_path / "run")
    assert progress is not None
    del progress.settings["network"]["spectral_normalisation"], progress.settings["analysis"]["mel"]
    check_recipe(tmp_path, progress, tiny, data)
    seen = dataclasses.replace(tiny, analysis=dataclasses.replace(tiny.analysis, views=(128,), mel=True))
    with pytest.raises(CheckpointError, match=r"was begun with analysis\.mel = False, the recipe says True"):
        check_recipe(tmp_path, progress, seen, data)
    heard = dataclasses.replace(tiny, analysis=dataclasses.replace(tiny.analysis, iterations=7))
    check_recipe(tmp_path, progress, heard, data)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_progress(tmp_path / "run")
