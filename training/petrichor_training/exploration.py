"""What a trained network's latent space is good for on stage: directions, and the truncation to begin with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from petrichor.latent import draw
from petrichor_training.dataset import Dataset, evenly
from petrichor_training.directions import Direction, fit_directions, least_correlation, principal
from petrichor_training.hearing import Hearing, described, points_of
from petrichor_training.recipe import Recipe
from petrichor_training.truncation import choose_truncation

if TYPE_CHECKING:
    from petrichor_training.measure import Clip

log = logging.getLogger(__name__)

TOGETHER = ("density", "loudness")  # are intensity, in equal parts
CLIPS = 256  # for each truncation, and windows, for a Fréchet distance of a hundred dimensions
LEAST_WINDOWS = 8  # of what was learned from, to choose a truncation by


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
        recipe: Its recipe; ``export`` says whether to choose a truncation and from how many clips to fit directions.
        data: What it learned from.
    """
    hearing = Hearing(recipe, data)
    truncation, distances = recipe.export.truncation, dict[str, float]()
    if not truncation and len(data.train) < LEAST_WINDOWS:
        truncation = usual_truncation(recipe)
        log.warning("%d windows are too few to choose a truncation by: %g", len(data.train), truncation)
    elif not truncation:
        points = partial(_points_at, clip, recipe, hearing)
        truncation, distances = choose_truncation(points, points_of_windows(hearing, data), recipe.network.truncation)
    if not recipe.export.clips_measured:
        return Explored(truncation, distances=distances)
    return _with_directions(Explored(truncation, distances=distances), clip, recipe, hearing)


def usual_truncation(recipe: Recipe) -> float:
    """Return the truncation of a voice that nobody chose one for."""
    return recipe.export.truncation or min(recipe.network.truncation or 2.0, 3.0)


def _with_directions(explored: Explored, clip: Clip, recipe: Recipe, hearing: Hearing) -> Explored:
    count = recipe.export.clips_measured
    latents = latents_at(recipe, count, recipe.network.truncation or 3.0)
    measures, points = described(hearing.sound(clip(latent[None]), index) for index, latent in enumerate(latents))
    intensity = np.sum([_standardised(measures[name]) for name in TOGETHER], axis=0)
    fitted = fit_directions(latents, {"intensity": intensity, **measures, **principal(points, measures["brightness"])})
    kept = [direction for direction in fitted if direction.correlation >= least_correlation(count)]
    correlations = {direction.name: round(direction.correlation, 3) for direction in fitted}
    return replace(explored, directions=kept, correlations=correlations)


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-9)


def latents_at(recipe: Recipe, count: int, truncation: float) -> np.ndarray:
    """Return latents, always the same ones. Shape [count, latent_size]

    Args:
        recipe: Says how large they are.
        count: How many.
        truncation: Coordinates beyond ± this are drawn again.
    """
    rng = np.random.default_rng(17)
    return np.stack([draw(rng, recipe.network.latent_size, truncation) for _ in range(count)])


def _points_at(clip: Clip, recipe: Recipe, hearing: Hearing, truncation: float) -> np.ndarray:
    latents = latents_at(recipe, CLIPS, truncation)
    return points_of(hearing.sound(clip(latent[None]), index) for index, latent in enumerate(latents))


def points_of_windows(hearing: Hearing, data: Dataset) -> np.ndarray:
    """Return the log-mel points of windows learned from, evenly chosen. Shape [windows, dimensions]

    Args:
        hearing: Of the recipe.
        data: What is learned from.
    """
    return points_of(hearing.sounds(evenly(data.train, CLIPS)))
