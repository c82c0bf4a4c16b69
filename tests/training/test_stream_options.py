"""What the streaming recipes can be trained without, to learn what it is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_io")

from keras import ops

from petrichor_training.backend import open_steps
from petrichor_training.dataset import load_dataset
from petrichor_training.fit import fit
from petrichor_training.losses import generator_loss
from petrichor_training.prepare import prepare
from petrichor_training.recipe import from_table, load_recipe, tomllib
from petrichor_training.run import Run, open_run
from petrichor_training.streaming.batches import played
from petrichor_training.streaming.noise import GRAINS, SLOW
from petrichor_training.streaming.texture_network import NEVER
from petrichor_training.streaming.zones import ZONES
from tests.training.recordings_to_learn import TINY_STREAM, write_three

OPTIONS = sorted((Path(__file__).parents[2] / "training" / "options").rglob("*.toml"))
Opened = Callable[..., Run]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Returns a function that opens a run of the tiny stream, with changes of `network` and `fit`."""
    table = tomllib.loads(TINY_STREAM)
    cache = tmp_path_factory.mktemp("cache")
    prepare(write_three(tmp_path_factory.mktemp("recordings") / "in", "rain"), cache, from_table(table))

    def open_tiny(network: dict[str, Any] | None = None, **settings: float) -> Run:
        changed = {"network": {**table["network"], **(network or {})}, "fit": {**table["fit"], **settings}}
        recipe = from_table({**table, **changed})
        return open_run(tmp_path_factory.mktemp("run"), recipe, load_dataset(cache, recipe), open_steps())

    return open_tiny


def with_other(what: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same inputs with other drops, or other slow processes."""
    rng, changed = np.random.default_rng(9), {name: array.copy() for name, array in inputs.items()}
    if what == "slow":
        changed["slow"] = rng.standard_normal(inputs["slow"].shape).astype(np.float32)
    else:
        for zone in range(len(ZONES)):
            drops = changed[f"noise_{zone}"][..., GRAINS[zone] :]
            drops[:] = rng.standard_normal(drops.shape)
    return changed


def test_what_a_stream_is_trained_without_is_never_heard(opened: Opened) -> None:
    without = opened({"drops": False, "slow": False})
    fit(without)
    weights = without.gan.averaged.arrays()  # which is all that the exported voice knows of it
    assert not weights["in_0"][-SLOW:].any() and (weights["thresholds_bias"] == NEVER).all()
    inputs = played(np.zeros((1, 3), np.float32), 0.3, seed=1)
    for generator, heard in ((without.gan.generator, False), (opened().gan.generator, True)):
        for what in ("drops", "slow"):
            sounds = [ops.convert_to_numpy(generator(given)) for given in (inputs, with_other(what, inputs))]
            assert np.array_equal(*sounds) != heard


def test_distance_and_adversary_weigh_what_they_say(opened: Opened) -> None:
    gan = opened().gan
    rng = np.random.default_rng(1)
    real, made, logits = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 12288), (4, 12288), (4, 1)))
    judged = float(generator_loss(logits, "non-saturating"))

    def objective(distance: float, adversarial: float) -> float:
        gan.settings = dataclasses.replace(gan.settings, distance=distance, adversarial=adversarial)
        return float(gan.objective(logits, real, made))

    apart = objective(1.0, 0.0)
    assert apart > 0
    assert objective(0.0, 0.3) == pytest.approx(0.3 * judged, rel=1e-5)
    assert objective(2.0, 0.1) == pytest.approx(2 * apart + 0.1 * judged, rel=1e-5)


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: path.stem)
def test_every_option_that_ships_is_a_recipe_unlike_its_base(path: Path) -> None:
    recipe, base = load_recipe(str(path)), load_recipe(load_recipe(str(path)).base)
    as_long = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=base.fit.epochs))
    assert (as_long != base) == ("brief" not in path.stem)
