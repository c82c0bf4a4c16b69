"""What a streaming texture is trained on: pairs of stretches, the coordinates of their windows, and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petrichor_training.streaming.conditions import Conditions
from petrichor_training.streaming.noise import draw_noise
from petrichor_training.streaming.song_network import BATCH, draw_songs
from petrichor_training.streaming.syllables import IDENTITY, Songs
from petrichor_training.streaming.texture_network import MEMORY
from petrichor_training.streaming.zones import HOP, RATE

if TYPE_CHECKING:
    from petrichor_training.settings import FitSettings

Inputs = dict[str, np.ndarray]
PLAYED = (0.1, 0.5, 0.9)  # intensities at which clips are made that people or measures listen to, in turn


def hops_of(seconds: float) -> int:
    """Return how many whole hops a stretch of so many seconds has."""
    return int(seconds * RATE / HOP)


def draw_batch(
    rng: np.random.Generator, windows: np.ndarray, conditions: Conditions, settings: FitSettings
) -> tuple[np.ndarray, Inputs]:
    """Return two stretches of each of some windows, and what two more are made from.

    Args:
        rng: Where randomness comes from.
        windows: Shape [windows, frames]
        conditions: Of the windows.
        settings: How many, and how long.

    Returns:
        The stretches of one window beside one another, Shape [2 · batch, frames], and the generator's inputs.
    """
    frames = hops_of(settings.crop_seconds) * HOP
    chosen = rng.choice(len(windows), settings.batch, p=conditions.shares / conditions.shares.sum())
    real = np.empty((2 * settings.batch, frames), np.float32)
    for place, window in enumerate(chosen):
        first = rng.integers(0, windows.shape[1] - 2 * frames + 1)
        second = rng.integers(first + frames, windows.shape[1] - frames + 1)
        for half, start in enumerate(rng.permutation((first, second))):
            real[2 * place + half] = windows[window, start : start + frames]
    twice = np.repeat(chosen, 2)
    inputs = draw_noise(rng, len(twice), MEMORY + 1 + hops_of(settings.crop_seconds))
    told = {"latent": conditions.latents, "intensity": conditions.intensities, "offset": conditions.offsets}
    return real, inputs | {name: array[twice] for name, array in told.items()}


def with_songs(
    rng: np.random.Generator, real: np.ndarray, inputs: Inputs, songs: Songs, replicas: int = 1
) -> tuple[dict[str, np.ndarray], Inputs]:
    """Return a batch of a texture with one of the songs in it.

    Args:
        rng: Where randomness comes from.
        real: From `draw_batch`.
        inputs: From `draw_batch`.
        songs: What was sung.
        replicas: That share it, each the same number of syllables.

    Returns:
        `sound` and `songs`, and the inputs of a `ChorusGenerator`.
    """
    sung, drawn = draw_songs(rng, songs, BATCH - BATCH % replicas)
    nobody = np.zeros((len(inputs["latent"]), IDENTITY), np.float32)
    whole = {**inputs, **drawn, "latent": np.concatenate((nobody, inputs["latent"]), axis=1)}
    return {"sound": real, "songs": sung}, whole


def played(latents: np.ndarray, seconds: float, seed: int) -> Inputs:
    """Return the generator's inputs for clips from latents, at the intensities of `PLAYED` in turn.

    Args:
        latents: Shape [clips, latent_size].
        seconds: Of each.
        seed: Of the noise.
    """
    inputs = draw_noise(np.random.default_rng(seed), len(latents), MEMORY + 1 + hops_of(seconds))
    intensities = np.resize(np.array(PLAYED, np.float32), len(latents))[:, None]
    return {**inputs, "latent": latents.astype(np.float32), "intensity": intensities}
