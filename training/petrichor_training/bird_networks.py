"""The published bird networks: waveforms from dense layers only."""

from __future__ import annotations

import keras

from petrichor_training.layers import judged_image
from petrichor_training.settings import AnalysisSettings, NetworkSettings
from petrichor_training.views import LogSpectrograms

SLOPE = 0.3  # of LeakyReLU below zero, as Keras had it when the experiment was made


def _facing_waveform(settings: NetworkSettings) -> keras.initializers.Initializer:
    """First weights of the two layers that face the waveform.

    Glorot's would be white noise at -15 dB in every clip, which training never quite removes.
    """
    if settings.faint_start > 0:
        return keras.initializers.RandomNormal(0.0, settings.faint_start)
    return keras.initializers.GlorotUniform()


def generator(settings: NetworkSettings, frames: int) -> keras.Model:
    """Latent to waveform.

    Args:
        settings: Widths.
        frames: Samples per clip.

    Returns:
        A model: [batch, latent_size] to [batch, frames], -1…1.
    """
    latent = keras.Input((settings.latent_size,), name="latent")
    x = latent
    for width in settings.generator:
        x = keras.layers.LeakyReLU(negative_slope=SLOPE)(keras.layers.Dense(width)(x))
    facing = _facing_waveform(settings)
    audio = keras.layers.Dense(frames, activation="tanh", kernel_initializer=facing, name="audio")(x)
    return keras.Model(latent, audio, name="generator")


def discriminator(settings: NetworkSettings, frames: int) -> keras.Model:
    """Waveform to the logit of being real (no sigmoid: the loss has it).

    Args:
        settings: Widths.
        frames: Samples per clip.

    Returns:
        A model: [batch, frames] to [batch, 1].
    """
    audio = keras.Input((frames,), name="audio")
    x = audio
    for index, width in enumerate(settings.discriminator):
        initial = _facing_waveform(settings) if index == 0 else "glorot_uniform"
        x = keras.layers.Dense(width, kernel_initializer=initial)(x)
        x = keras.layers.LeakyReLU(negative_slope=SLOPE)(x)
    return keras.Model(audio, keras.layers.Dense(1, name="logit")(x), name="discriminator")


def spectrogram_discriminator(
    settings: NetworkSettings, frames: int, analysis: AnalysisSettings, rate: int
) -> keras.Model:
    """Waveform, looked at as several spectrograms, to the logit of being real.

    Args:
        settings: Channels from the images downwards, each halving their side.
        frames: Samples per clip.
        analysis: Windows, size and frequency scale of the images.
        rate: Hz.

    Returns:
        A model: [batch, frames] to [batch, 1].

    Reference:
        The wish of both experiments' authors; RainGAN2 (2023) judges waveforms by several spectrograms.
    """
    audio = keras.Input((frames,), name="audio")
    images = LogSpectrograms(analysis, frames, rate, name="spectrograms")(audio)
    logit = judged_image(images, settings.discriminator, settings.spectral_normalisation)
    return keras.Model(audio, logit, name="discriminator")
