"""The two networks of a recipe."""

from __future__ import annotations

import keras
import numpy as np

from petrichor_training import bird_networks, rain_networks
from petrichor_training.layers import fold_into
from petrichor_training.recipe import Recipe
from petrichor_training.streaming.batches import hops_of
from petrichor_training.streaming.chorus import ChorusGenerator
from petrichor_training.streaming.conditions import Conditions
from petrichor_training.streaming.pooled import PooledDiscriminator
from petrichor_training.streaming.syllables import IDENTITY
from petrichor_training.streaming.texture_network import TextureGenerator
from petrichor_training.streaming.zones import HOP


def build_generator(recipe: Recipe, frames: int, conditions: Conditions | None = None) -> keras.Model:
    """The generator, untrained.

    Args:
        recipe: The settings.
        frames: Samples per clip.
        conditions: Of the windows that a stream learns from; not needed where a checkpoint will be loaded.

    Returns:
        A model of latents to waveforms (bird) or images (rain), or of conditions and noise to waveforms (streams).
    """
    if recipe.streams:
        network = recipe.network
        coordinates = network.latent_size - (IDENTITY if recipe.sings else 0)
        texture = TextureGenerator(network.generator, coordinates, conditions, network.drops, network.slow)
        return ChorusGenerator(texture) if recipe.sings else texture
    if recipe.base == "rain":
        return rain_networks.generator(recipe.network, _channels(recipe))
    return bird_networks.generator(recipe.network, frames)


def build_discriminator(recipe: Recipe, frames: int, conditions: Conditions | None = None) -> keras.Model:
    """The discriminator, untrained.

    Args:
        recipe: The settings.
        frames: Samples per clip.
        conditions: Of the windows that a stream learns from.

    Returns:
        A model of waveforms or images to logits.
    """
    if recipe.streams:
        assert conditions is not None, "a stream's cache has them"
        judge = PooledDiscriminator(conditions.centre)
        judge(np.zeros((1, hops_of(recipe.fit.crop_seconds) * HOP), np.float32))
        return judge
    if recipe.base == "rain":
        return rain_networks.discriminator(recipe.network, recipe.analysis.image, _channels(recipe))
    if recipe.analysis.views:
        return bird_networks.spectrogram_discriminator(recipe.network, frames, recipe.analysis, recipe.prepare.rate)
    return bird_networks.discriminator(recipe.network, frames)


def for_inference(recipe: Recipe, trained: keras.Model) -> keras.Model:
    """The generator as it is exported.

    Args:
        recipe: The settings.
        trained: The trained generator.

    Returns:
        The same function without what only training needs.
    """
    if recipe.base != "rain" or not recipe.network.spectral_normalisation:
        return trained
    twin = rain_networks.generator(recipe.network, _channels(recipe), folded=True)
    fold_into(trained, twin)
    return twin


def _channels(recipe: Recipe) -> int:
    """Of the rain's images: what is heard, and what is only judged beside it."""
    return 1 + len(recipe.analysis.views)
