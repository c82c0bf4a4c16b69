"""Directions in a latent space along which what is heard changes: named ones, and those of the largest differences.

For networks that were never told what loud or dense means: their clips are measured, and each measure is fitted by a
ridge regression on the latents. Its correlation is that of clips which the fit had not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

COMPONENTS = 4
FOLDS = 5
RIDGES = 10.0 ** np.arange(-2, 4)  # times the number of latents
LEAST = 0.2  # correlation below which a direction would promise what it does not do


@dataclass(frozen=True, eq=False)
class Direction:
    """One direction.

    Attributes:
        name: "intensity", "loudness", "density", "brightness", or "pc1" to "pc4".
        vector: Of length 1, towards more. Shape [latent_size], float32
        correlation: Of the place along it with what was measured, on clips that the fit had not seen.
    """

    name: str
    vector: np.ndarray
    correlation: float


def principal(points: np.ndarray, along: np.ndarray) -> dict[str, np.ndarray]:
    """Return the places of clips on the principal components of their points.

    Args:
        points: Shape [clips, dimensions].
        along: What rises along every component, since its sign is arbitrary. Shape [clips]

    Returns:
        "pc1" and so on, the largest first. Shape [clips] each
    """
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    scores = (left * sizes)[:, :COMPONENTS].T
    signs = [np.sign(score @ (along - along.mean())) or 1.0 for score in scores]
    return {f"pc{index + 1}": sign * score for index, (sign, score) in enumerate(zip(signs, scores, strict=True))}


def fit_directions(latents: np.ndarray, measures: dict[str, np.ndarray]) -> list[Direction]:
    """Fit one direction to each measure.

    Args:
        latents: Shape [clips, latent_size].
        measures: By name. Shape [clips] each

    Returns:
        In the order of the measures; those that do not differ between clips are left out.
    """
    changing = {name: values for name, values in measures.items() if np.std(values) > 1e-9}
    if not changing:
        return []
    wanted = np.stack([(values - values.mean()) / values.std() for values in changing.values()], axis=1)
    correlations = _correlations(_unseen(latents, wanted), wanted)
    vectors = _fitted(latents, wanted)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
    return [
        Direction(name, units[:, index].astype(np.float32), float(correlations[index]))
        for index, name in enumerate(changing)
    ]


def least_correlation(clips: int) -> float:
    """Return the correlation below which a direction is not to be trusted: `LEAST`, or four times what chance gives."""
    return max(LEAST, 4 / np.sqrt(clips))


def _unseen(latents: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return what fits say of the clips that each had not seen, ridge and all. Shape [clips, measures]"""
    guess = np.zeros_like(wanted)
    for kept in _folds(len(latents)):
        guess[~kept] = latents[~kept] @ _fitted(latents[kept], wanted[kept])
    return guess


def _fitted(latents: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the regression on each measure, each with the ridge that foretells clips left out best.

    Shape [latent_size, measures]
    """
    guesses = np.zeros((len(RIDGES), *wanted.shape))
    for kept in _folds(len(latents)):
        for guess, vectors in zip(guesses, _ridges(latents[kept], wanted[kept]), strict=True):
            guess[~kept] = latents[~kept] @ vectors
    best = np.argmax([_correlations(guess, wanted) for guess in guesses], axis=0)
    whole = _ridges(latents, wanted)
    return np.stack([whole[ridge][:, measure] for measure, ridge in enumerate(best)], axis=1)


def _folds(count: int) -> Iterator[np.ndarray]:
    """Give which of so many clips are kept, leaving a fold out at a time. Shape [count]"""
    for fold in range(FOLDS):
        yield np.arange(count) % FOLDS != fold


def _ridges(latents: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """Return regressions with each of `RIDGES`. Shape [latent_size, measures] each"""
    left, sizes, right = np.linalg.svd(latents.astype(np.float64), full_matrices=False)
    turned = left.T @ wanted
    return [right.T @ (turned * (sizes / (sizes**2 + ridge * len(latents)))[:, None]) for ridge in RIDGES]


def _correlations(guess: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the correlation of every column with its own; 0 where a guess never changes. Shape [measures]"""
    one, other = guess - guess.mean(axis=0), wanted - wanted.mean(axis=0)
    lengths = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    return np.sum(one * other, axis=0) / np.maximum(lengths, 1e-12)
