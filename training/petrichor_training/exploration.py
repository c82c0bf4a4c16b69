"""What a trained network's latent space is good for on stage: directions, and the truncation to begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from petrichor.latent import draw
from petrichor_training.dataset import Dataset, as_input
from petrichor_training.directions import LEAST, Direction, fit_directions, principal
from petrichor_training.hearing import Hearing, described
from petrichor_training.measure import Clip
from petrichor_training.recipe import Recipe
from petrichor_training.truncation import choose_truncation

FEWER = 4  # times fewer clips for each truncation than for the directions
TOGETHER = ("density", "loudness")  # are intensity, in equal parts
LEAST_CLIPS = 128  # for a Fréchet distance of some hundred dimensions


@dataclass(frozen=True, eq=False)
class Explored:
    """What was found.

    Attributes:
        directions: Those that do what they say.
        correlations: Of all that were fitted, by name.
        truncation: To begin with.
        distances: Of the truncations tried, by name; none where the recipe names one.
    """

    truncation: float
    directions: list[Direction] = field(default_factory=list)
    correlations: dict[str, float] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what goes into the voice file."""
        return {f"direction/{direction.name}": direction.vector for direction in self.directions}


def explore(clip: Clip, recipe: Recipe, data: Dataset) -> Explored:
    """Listen to a network all over its latent space.

    Args:
        clip: The network that is exported.
        recipe: Its recipe; ``export.clips_measured`` says how long to listen, 0 = not at all.
        data: What it learned from.
    """
    settings, count = recipe.export, recipe.export.clips_measured
    if not count:
        return Explored(settings.truncation or 1.0)
    hearing = Hearing(recipe, data)
    truncation, distances = settings.truncation, dict[str, float]()
    if not truncation:
        few = max(LEAST_CLIPS, count // FEWER)
        real = _points_of_windows(hearing, data, few)
        points = partial(_points_at, clip, recipe, hearing, few)
        truncation, distances = choose_truncation(points, real, recipe.network.truncation)
    latents = _latents(recipe, count, recipe.network.truncation or 3.0)
    measures, points_there = described(hearing.sound(clip(latent[None]), i) for i, latent in enumerate(latents))
    intensity = np.sum([_standardised(measures[name]) for name in TOGETHER], axis=0)
    measures = {"intensity": intensity, **measures, **principal(points_there, measures["brightness"])}
    fitted = fit_directions(latents, measures)
    correlations = {direction.name: round(direction.correlation, 3) for direction in fitted}
    return Explored(truncation, [d for d in fitted if d.correlation >= LEAST], correlations, distances)


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-9)


def _latents(recipe: Recipe, count: int, truncation: float) -> np.ndarray:
    rng = np.random.default_rng(17)
    return np.stack([draw(rng, recipe.network.latent_size, truncation) for _ in range(count)])


def _points_at(clip: Clip, recipe: Recipe, hearing: Hearing, count: int, truncation: float) -> np.ndarray:
    latents = _latents(recipe, count, truncation)
    return described(hearing.sound(clip(latent[None]), index) for index, latent in enumerate(latents))[1]


def _points_of_windows(hearing: Hearing, data: Dataset, count: int) -> np.ndarray:
    chosen = np.unique(np.linspace(0, len(data.train) - 1, count).astype(int))
    windows = as_input(data.train[chosen])
    clips = windows[..., 0] if windows.ndim == 4 else windows
    return described(hearing.sound(window, index) for index, window in enumerate(clips))[1]
