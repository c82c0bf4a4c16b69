"""The two networks of a recipe."""

from __future__ import annotations

import keras

from petrichor_training import bird_networks, rain_networks
from petrichor_training.layers import fold_into
from petrichor_training.recipe import Recipe


def build_generator(recipe: Recipe, frames: int) -> keras.Model:
    """The generator, untrained.

    Args:
        recipe: The settings.
        frames: Samples per clip.

    Returns:
        A model of latents to waveforms (bird) or images (rain).
    """
    if recipe.base == "rain":
        return rain_networks.generator(recipe.network)
    return bird_networks.generator(recipe.network, frames)


def build_discriminator(recipe: Recipe, frames: int) -> keras.Model:
    """The discriminator, untrained.

    Args:
        recipe: The settings.
        frames: Samples per clip.

    Returns:
        A model of waveforms or images to logits.
    """
    if recipe.base == "rain":
        return rain_networks.discriminator(recipe.network, recipe.analysis.image)
    return bird_networks.discriminator(recipe.network, frames)


def for_inference(recipe: Recipe, trained: keras.Model) -> keras.Model:
    """The generator as it is exported.

    Args:
        recipe: The settings.
        trained: The trained generator.

    Returns:
        The same function without what only training needs.
    """
    if recipe.base != "rain":
        return trained
    twin = rain_networks.generator(recipe.network, folded=True)
    fold_into(trained, twin)
    return twin
