"""The loop itself: resuming is exact, and a loss that is no number stops it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from petrichor_training.checkpoint import NAME, read_progress
from petrichor_training.dataset import Dataset, load_dataset
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.fit import fit, open_run
from petrichor_training.prepare import prepare
from petrichor_training.recipe import Recipe, load_recipe
from tests.training.recordings_to_learn import TINY_BIRD, write_three


@pytest.fixture
def tiny(tmp_path: Path) -> Recipe:
    (tmp_path / "tiny.toml").write_text(TINY_BIRD)
    return load_recipe(str(tmp_path / "tiny.toml"))


@pytest.fixture
def data(tmp_path: Path, tiny: Recipe) -> Dataset:
    prepare(write_three(tmp_path / "in", "bird"), tmp_path / "cache", tiny)
    return load_dataset(tmp_path / "cache", tiny)


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    return dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=epochs))


def test_two_and_two_epochs_are_four(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    whole = open_run(tmp_path / "whole", with_epochs(tiny, 4), data)
    fit(whole)
    fit(open_run(tmp_path / "parts", with_epochs(tiny, 2), data))
    parts = open_run(tmp_path / "parts", with_epochs(tiny, 4), data)
    assert parts.epoch == 2
    fit(parts)
    assert (parts.epoch, parts.step) == (whole.epoch, whole.step)
    for one, other in zip(whole.gan.averaged.weights, parts.gan.averaged.weights, strict=True):
        assert np.allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


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
    with pytest.raises(CheckpointError, match="was begun with network"):
        open_run(tmp_path / "run", other, data)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, tiny: Recipe, data: Dataset) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_progress(tmp_path / "run")
