"""Directions and the truncation to begin with, on latent spaces whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor_training.dataset import Dataset
from petrichor_training.directions import fit_directions, principal
from petrichor_training.exploration import explore
from petrichor_training.quality.logmel import RATE
from petrichor_training.recipe import Recipe, from_table
from petrichor_training.truncation import choose_truncation

SIZE = 12


def test_a_direction_that_is_there_is_found_with_its_correlation() -> None:
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((600, SIZE))
    truth = rng.standard_normal(SIZE)
    truth /= np.linalg.norm(truth)
    exact, noise = latents @ truth, rng.standard_normal(600)
    found = fit_directions(latents, {"exact": exact, "noisy": exact + noise, "nothing": noise, "still": np.ones(600)})
    assert [direction.name for direction in found] == ["exact", "noisy", "nothing"]
    exactly, noisily, nothing = found
    assert exactly.vector @ truth > 0.999 and exactly.correlation > 0.999
    assert noisily.vector @ truth > 0.95
    spread = np.corrcoef(exact + noise, exact)[0, 1]  # about the square root of a half
    assert noisily.correlation == pytest.approx(spread, abs=0.03)
    assert abs(nothing.correlation) < 0.15
    for direction in found:
        assert direction.vector.dtype == np.float32
        assert np.linalg.norm(direction.vector) == pytest.approx(1.0, rel=1e-5)


def test_fewer_clips_than_coordinates_promise_nothing() -> None:
    rng = np.random.default_rng(2)
    (found,) = fit_directions(rng.standard_normal((100, 500)), {"chance": rng.standard_normal(100)})
    assert abs(found.correlation) < 0.35


def test_principal_components_are_ordered_and_rise_with_what_they_are_told() -> None:
    rng = np.random.default_rng(3)
    hidden = rng.standard_normal((400, 5))
    turned = np.linalg.qr(rng.standard_normal((30, 30)))[0][:5]
    points = (hidden * [9, 5, 3, 2, 1]) @ turned + 7.0
    found = principal(points, hidden[:, 1])
    assert list(found) == ["pc1", "pc2", "pc3", "pc4"]
    for index, scores in enumerate(found.values()):
        assert abs(np.corrcoef(scores, hidden[:, index])[0, 1]) > 0.95
        assert np.corrcoef(scores, hidden[:, 1])[0, 1] > 0
    assert np.std(found["pc1"]) > np.std(found["pc2"]) > np.std(found["pc4"])


def test_the_nearest_truncation_is_chosen_and_of_equals_the_largest() -> None:
    rng = np.random.default_rng(4)

    def spread_by(truncation: float) -> np.ndarray:
        return truncation * rng.standard_normal((4000, 3))

    chosen, distances = choose_truncation(spread_by, 1.4 * rng.standard_normal((4000, 3)), 0.0)
    assert chosen == 1.4
    assert list(distances) == ["0.5", "0.7", "1", "1.4", "2", "3"]
    assert distances["1.4"] == min(distances.values())
    assert choose_truncation(spread_by, 3 * rng.standard_normal((4000, 3)), trained=2.0)[0] == 2.0
    same = rng.standard_normal((4000, 3))
    assert choose_truncation(lambda truncation: same, 2 * same, 0.0)[0] == 3.0


def whistle(latent: np.ndarray) -> np.ndarray:
    """A bird of three habits: level, pitch and number of calls follow three coordinates, on faint hiss."""
    time = np.arange(16_000) / 16_000
    gain, pitch, calls = 0.2 * 10 ** (latent[0, 0] / 10), 2500 * 2 ** (latent[0, 1] / 4), 4 + round(2 * latent[0, 2])
    gate = np.maximum(0, np.sin(2 * np.pi * max(calls, 1) * time)) ** 4
    hiss = 1e-3 * np.random.default_rng(int(abs(latent[0, 3]) * 1e6)).standard_normal(16_000)
    return (gain * gate * np.sin(2 * np.pi * pitch * time) + hiss).astype(np.float32)


@pytest.fixture
def recipe() -> Recipe:
    table = {"network": {"latent_size": SIZE}, "export": {"clips_measured": 200}, "prepare": {"rate": 16_000}}
    return from_table({"base": "bird", **table})


def test_what_a_network_does_is_found_by_listening(recipe: Recipe) -> None:
    rng = np.random.default_rng(5)
    windows = np.stack([whistle(rng.standard_normal((1, SIZE))) for _ in range(150)])
    data = Dataset(windows, windows[:0], {"frames": 16_000}, "")
    explored = explore(whistle, recipe, data)
    vectors = {name.removeprefix("direction/"): vector for name, vector in explored.arrays().items()}
    for name, coordinate in (("loudness", 0), ("brightness", 1), ("density", 2)):
        assert vectors[name][coordinate] > 0.9, name
        assert explored.correlations[name] > 0.8
    assert vectors["intensity"][0] > 0.3 and vectors["intensity"][2] > 0.3
    assert explored.truncation in (1.4, 2.0, 3.0)  # they were drawn from a whole normal distribution
    assert explored.distances[f"{explored.truncation:g}"] < explored.distances["0.5"]
    assert RATE == 48_000


def test_a_recipe_can_name_its_truncation_and_do_without(recipe: Recipe) -> None:
    data = Dataset(np.zeros((1, 16_000), np.float32), np.zeros((0, 16_000), np.float32), {"frames": 16_000}, "")
    fixed = from_table({"base": "bird", "export": {"clips_measured": 0, "truncation": 0.7}})
    explored = explore(whistle, fixed, data)
    assert (explored.truncation, explored.directions, explored.distances) == (0.7, [], {})
