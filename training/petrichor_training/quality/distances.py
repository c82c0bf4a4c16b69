"""Distances between two sets of points: how unlike what a voice makes is to what was recorded.

Both are zero only for equal distributions (the Fréchet distance: for equal means and covariances).
"""

from __future__ import annotations

import numpy as np


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Euclidean distances. Shape [len(one), len(other)]

    Args:
        one: Shape [points, dimensions].
        other: Shape [points, dimensions].
    """
    squares = np.sum(one**2, 1)[:, None] + np.sum(other**2, 1)[None, :] - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0.0))


def spread(points: np.ndarray) -> float:
    """Return the mean distance between two different points of a set.

    Args:
        points: Shape [points, dimensions].

    Raises:
        ValueError: Fewer than two points.
    """
    count = len(points)
    if count < 2:
        raise ValueError(f"got {count} points, expected two or more")
    return float(between(points, points).sum() / (count * (count - 1)))


def energy_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return twice the mean distance between two sets less the mean distances within each, each point's to itself too.

    Args:
        one: Shape [points, dimensions].
        other: Shape [points, dimensions].

    Returns:
        0 or more; two draws of one distribution are a little apart, the less the more points there are.

    Reference:
        Székely & Rizzo 2013, "Energy statistics".
    """
    return float(2 * between(one, other).mean() - between(one, one).mean() - between(other, other).mean())


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Fréchet distance of the two normal distributions with the sets' means and covariances.

    Args:
        one: Shape [points, dimensions].
        other: Shape [points, dimensions].

    Returns:
        In squares of the points' unit, 0 or more.

    Raises:
        ValueError: Fewer than two points.

    Reference:
        Dowson & Landau 1982; Heusel et al. 2017 (its use for generators).
    """
    for points in (one, other):
        if len(points) < 2:
            raise ValueError(f"got {len(points)} points, expected two or more")
    apart = one.mean(axis=0) - other.mean(axis=0)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = _root(np.atleast_2d(first))
    # The eigenvalues of `first @ second` are those of this symmetric matrix, which no rounding makes complex.
    shared = np.linalg.eigvalsh(root @ np.atleast_2d(second) @ root)
    trace = np.trace(np.atleast_2d(first)) + np.trace(np.atleast_2d(second))
    return max(float(apart @ apart + trace - 2 * np.sum(np.sqrt(np.maximum(shared, 0.0)))), 0.0)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
