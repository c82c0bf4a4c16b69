"""Latent vectors, drawn by numpy so that a run can be stopped and resumed exactly."""

from __future__ import annotations

import numpy as np

from petrichor_training.settings import NetworkSettings


def draw_latents(rng: np.random.Generator, count: int, settings: NetworkSettings) -> np.ndarray:
    """Standard normal latents; coordinates beyond the truncation are drawn again.

    Args:
        rng: Where randomness comes from.
        count: Vectors wanted.
        settings: Size and truncation (0 = none).

    Returns:
        Float32. Shape [count, latent_size].

    Reference:
        Brock et al. 2018, the truncation trick.
    """
    latents = rng.standard_normal((count, settings.latent_size))
    while settings.truncation > 0:
        beyond = np.abs(latents) > settings.truncation
        if not np.any(beyond):
            break
        latents[beyond] = rng.standard_normal(int(np.sum(beyond)))
    return latents.astype(np.float32)


def debug_latents(settings: NetworkSettings) -> np.ndarray:
    """The three fixed latents from which every epoch's samples are made. Shape [3, latent_size]."""
    return draw_latents(np.random.default_rng(3), 3, settings)
