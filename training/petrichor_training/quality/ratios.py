"""Distances to recordings kept apart, relative to the distance that other recordings have from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DRAWS = 60  # for the spread of a ratio
TAKEN = 2 / 3  # of the origins, in each draw

Distance = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points and where each comes from.

    Attributes:
        points: Shape [points, dimensions]
        origins: A recording's group or a voice's seed. Shape [points]
    """

    points: np.ndarray
    origins: np.ndarray

    def part(self, rng: np.random.Generator) -> np.ndarray:
        """Return the points of two thirds of the origins, two origins or more where there are."""
        origins = np.unique(self.origins)
        count = min(max(2, round(TAKEN * len(origins))), len(origins))
        return self.points[np.isin(self.origins, rng.choice(origins, count, replace=False))]

    def means(self) -> np.ndarray:
        """Return the mean point of each origin. Shape [origins, dimensions]"""
        return np.stack([self.points[self.origins == origin].mean(axis=0) for origin in np.unique(self.origins)])


@dataclass(frozen=True)
class Ratio:
    """A distance relative to that between training and validation recordings.

    Attributes:
        value: The median of the draws. 1 = as far from the recordings kept apart as other recordings are; less is
            nearer.
        low: A tenth of the draws gave less.
        high: A tenth gave more.
        distance: Between all of the voice and all that was kept apart.
    """

    value: float
    low: float
    high: float
    distance: float


def ratio(distance: Distance, voice: Cloud, train: Cloud, validation: Cloud, draws: int = DRAWS) -> Ratio:
    """Return how far a voice is from recordings kept apart, in units of what the recordings it learned from are.

    Distances of few points are larger than those of many, so both sides of each draw take a like share of theirs.

    Args:
        distance: Between two sets of points, Shape [points, dimensions].
        voice: What it plays.
        train: The recordings it may have learned from.
        validation: Recordings of other sources.
        draws: Of parts of all three, one or more.
    """
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(draws):
        apart = validation.part(rng)
        ratios.append(distance(voice.part(rng), apart) / max(distance(train.part(rng), apart), 1e-9))
    low, middle, high = (float(value) for value in np.percentile(ratios, (10, 50, 90)))
    return Ratio(middle, low, high, distance(voice.points, validation.points))
