"""Three sounds per epoch, from three latents that never change, so that learning can be heard."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import soundfile
from keras import ops

from petrichor_training.dataset import Dataset
from petrichor_training.diary import draw_images
from petrichor_training.latents import debug_latents
from petrichor_training.recipe import Recipe


def write_samples(folder: Path, epoch: int, generator: keras.Model, recipe: Recipe, data: Dataset) -> None:
    """Write epoch-NNN-1.wav to -3.wav and, for rain, their pictures.

    Args:
        folder: Made if need be.
        epoch: Goes into the names.
        generator: The averaged network.
        recipe: The settings.
        data: Gives the clip's length and the log range.
    """
    folder.mkdir(exist_ok=True)
    made = ops.convert_to_numpy(generator(debug_latents(recipe.network), training=False))
    if recipe.base == "rain":
        draw_images(made[..., 0], folder / f"epoch-{epoch:03d}.png")
        made = np.stack([_sound(image[..., 0], recipe, data) for image in made])
    for index, audio in enumerate(made):
        soundfile.write(folder / f"epoch-{epoch:03d}-{index + 1}.wav", audio, recipe.prepare.rate, "PCM_16")


def _sound(image: np.ndarray, recipe: Recipe, data: Dataset) -> np.ndarray:
    from petrichor_training.spectrogram_images import sound_of  # noqa: PLC0415  (only for rain)

    low, high = data.summary["log_min"], data.summary["log_max"]
    return np.clip(sound_of(image, data.frames, low, high, recipe.analysis), -1, 1)
