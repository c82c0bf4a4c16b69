"""Latent vectors: seeded truncated-normal draws, clipping and strays. Pure functions, any thread or process.

Truncation is the usual trick for generative networks: coordinates beyond it are drawn again, so a small one keeps
to the most typical sounds and 0 leaves only the middle of the space.
"""

from __future__ import annotations

import numpy as np


def generator(*key: int) -> np.random.Generator:
    """Return the random generator that belongs to `key`: the same numbers give the same sequence.

    Args:
        key: Whole numbers; only their low 32 bits count, so negative OSC seeds are welcome.
    """
    return np.random.default_rng([number & 0xFFFFFFFF for number in key])


def draw(rng: np.random.Generator, size: int, truncation: float) -> np.ndarray:
    """Draw from a normal distribution truncated at ±`truncation`.

    Args:
        rng: Where the numbers come from.
        size: Coordinates.
        truncation: Standard deviations, 0…3 or more; 0 gives the middle of the space.

    Returns:
        float32. Shape [size]
    """
    if truncation <= 0:
        return np.zeros(size, np.float32)
    kept = np.empty(0)
    while len(kept) < size:
        kept = np.concatenate([kept, _accepted(rng, size, truncation)])
    return kept[:size].astype(np.float32)


def clip(latent: np.ndarray, truncation: float) -> np.ndarray:
    """Return `latent` with every coordinate within ±`truncation`. Shape [latent_size], float32."""
    return np.clip(latent, -truncation, truncation).astype(np.float32)


def stray(latent: np.ndarray, spread: float, truncation: float, rng: np.random.Generator) -> np.ndarray:
    """Return a neighbour of `latent`, mixed with a fresh draw so that its expected norm stays.

    Args:
        latent: Where to stray from. Shape [latent_size]
        spread: 0 (stay) … 1 (go anywhere).
        truncation: Bound of the draw and of the result, standard deviations.
        rng: Where the numbers come from.

    Returns:
        float32. Shape [latent_size]
    """
    other = draw(rng, len(latent), truncation)
    mixed = np.sqrt(1.0 - spread * spread) * latent + spread * other
    return clip(mixed, truncation)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square difference of two latents, in standard deviations per coordinate."""
    difference = one - other
    return float(np.sqrt(np.dot(difference, difference) / len(difference)))


def _accepted(rng: np.random.Generator, proposals: int, truncation: float) -> np.ndarray:
    """Return those of so many proposals that a truncated normal keeps: two thirds of them or more."""
    if truncation >= 1.0:
        values = rng.standard_normal(proposals)
        return values[np.abs(values) <= truncation]
    # Within one deviation the density is nearly flat: thin a uniform, which stays quick for the smallest bounds.
    values = rng.uniform(-truncation, truncation, proposals)
    return values[rng.random(proposals) <= np.exp(-0.5 * values * values)]
