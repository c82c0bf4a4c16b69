"""The rain networks: a DCGAN on images, with spectral normalisation and self-attention.

The generator enlarges by repeating pixels before a 3×3 convolution, which leaves no checkerboard; only the last,
cheapest enlargement to one channel is a transposed convolution, whose kernel (4) is a multiple of its stride (2).
It pads with the edge's own pixels: zeros there would draw a frame around every image, a seam in time.
"""

from __future__ import annotations

import keras

from petrichor_training.layers import Grain, SelfAttention, SpectralConv, SpectralDense, dcgan_start, judged_image
from petrichor_training.settings import NetworkSettings

SEED_PIXELS = 4  # the side of the first image


def generator(settings: NetworkSettings, channels_out: int = 1, folded: bool = False) -> keras.Model:
    """Latent to image.

    Args:
        settings: Channels from 4×4 pixels upwards.
        channels_out: Spectrograms of the same sound in an image.
        folded: Spectral normalisation is already in the kernels.

    Returns:
        A model: [batch, latent_size] to [batch, side, side, channels_out], 0…1.
    """
    folded = folded or not settings.spectral_normalisation
    latent = keras.Input((settings.latent_size,), name="latent")
    first, *rest = settings.generator
    x = SpectralDense(SEED_PIXELS**2 * first, folded=folded, name="seed")(latent)
    x = keras.layers.Reshape((SEED_PIXELS, SEED_PIXELS, first))(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.95)(x))
    side = SEED_PIXELS
    for channels in rest:
        side *= 2
        x = keras.layers.UpSampling2D(2)(x)
        x = SpectralConv(channels, 3, edge=True, folded=folded, name=f"conv_{side}")(x)
        x = Grain(name=f"grain_{side}")([keras.layers.BatchNormalization(momentum=0.95)(x), latent])
        x = keras.layers.ReLU()(x)
        if side == settings.attention_at:
            x = SelfAttention(folded=folded, name="attention")(x)
    image = keras.layers.Conv2DTranspose(
        channels_out, 4, strides=2, padding="same", kernel_initializer=dcgan_start(), activation="sigmoid", name="image"
    )(x)
    return keras.Model(latent, image, name="generator")


def discriminator(settings: NetworkSettings, side: int, channels: int = 1) -> keras.Model:
    """Image to the logit of being real.

    Args:
        settings: Channels from the image downwards, each halving its side.
        side: Pixels.
        channels: Spectrograms in an image.

    Returns:
        A model: [batch, side, side, channels] to [batch, 1].
    """
    image = keras.Input((side, side, channels), name="image")
    logit = judged_image(image, settings.discriminator, settings.spectral_normalisation)
    return keras.Model(image, logit, name="discriminator")
