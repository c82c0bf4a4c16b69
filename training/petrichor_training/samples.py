"""Three sounds per epoch, from three latents that never change, so that learning can be heard."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import soundfile
from keras import ops

from petrichor.inversion import Analysis
from petrichor_training.dataset import Dataset
from petrichor_training.diary import draw_images
from petrichor_training.latents import debug_latents
from petrichor_training.played import inversion_of, sound_of
from petrichor_training.recipe import Recipe
from petrichor_training.streaming.batches import played

SECONDS = 4.0  # of a stream


def write_samples(folder: Path, epoch: int, generator: keras.Model, recipe: Recipe, data: Dataset) -> None:
    """Write epoch-NNN-1.wav to -3.wav and, for rain, their pictures; of a stream four seconds each, ever denser.

    Args:
        folder: Made if need be.
        epoch: Goes into the names.
        generator: The averaged network.
        recipe: The settings.
        data: Gives the clip's length and the log range.
    """
    folder.mkdir(exist_ok=True)
    latents = debug_latents(recipe.network)
    inputs = played(latents, SECONDS, 3) if recipe.streams else latents
    made = ops.convert_to_numpy(generator(inputs, training=False))
    if recipe.base == "rain":
        draw_images(made[..., 0], folder / f"epoch-{epoch:03d}.png")
        analysis = Analysis.from_info(inversion_of(recipe, data))
        made = np.clip([sound_of(image[..., 0], analysis)[: data.frames] for image in made], -1, 1)
    for index, audio in enumerate(made):
        soundfile.write(folder / f"epoch-{epoch:03d}-{index + 1}.wav", audio, recipe.prepare.rate, "PCM_16")
