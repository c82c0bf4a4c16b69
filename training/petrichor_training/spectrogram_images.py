"""Log-squared spectrogram images and back, as the published rain experiment makes them (TensorFlow only).

Reference: tensorflow-io's ``tfio.audio.spectrogram`` and ``inverse_spectrogram`` (Griffin-Lim).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio

from petrichor_training.recipe import AnalysisSettings


def image_of(audio: np.ndarray, settings: AnalysisSettings) -> tuple[np.ndarray, float, float]:
    """One window of sound as an image.

    Args:
        audio: Shape [frames + window - stride]: with the samples that the last frames reach into, because
            frames over zero padding would teach a click at every clip's end.
        settings: Analysis parameters.

    Returns:
        The image, Shape [image, image], 0…1, time first, lowest frequency first; and the smallest and largest
        log of squared magnitude that 0 and 1 stand for.
    """
    image, low, high = _image_of(tf.constant(audio, tf.float32), settings)
    return image.numpy(), float(low), float(high)


@tf.function(reduce_retracing=True)
def _image_of(audio: tf.Tensor, settings: AnalysisSettings) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    magnitude = tfio.audio.spectrogram(audio, settings.nfft, settings.window, settings.stride)
    whole = tf.shape(audio)[0] // settings.stride - (settings.window - settings.stride) // settings.stride
    magnitude = magnitude[:whole]
    logs = tf.math.log(tf.square(magnitude) + settings.log_offset)
    low, high = tf.reduce_min(logs), tf.reduce_max(logs)
    scaled = (logs - low) / tf.maximum(high - low, 1e-6)
    size = [settings.image, settings.image]
    resized = tf.image.resize(scaled[..., None], size, method="bicubic", antialias=False)
    # Bicubic interpolation overshoots a little.
    return tf.clip_by_value(resized[..., 0], 0.0, 1.0), low, high


def sound_of(image: np.ndarray, frames: int, log_min: float, log_max: float, settings: AnalysisSettings) -> np.ndarray:
    """An image as sound: area interpolation, then Griffin-Lim.

    Args:
        image: Shape [image, image], 0…1.
        frames: Samples wanted.
        log_min: Log of squared magnitude that 0 stands for.
        log_max: Log of squared magnitude that 1 stands for.
        settings: Analysis parameters.

    Returns:
        Shape [frames].
    """
    rows = -(-frames // settings.stride)
    size = [rows, settings.nfft // 2 + 1]
    full = tf.image.resize(tf.constant(image, tf.float32)[..., None], size, method="area")[..., 0]
    magnitude = tf.sqrt(tf.exp(full * (log_max - log_min) + log_min))
    audio = tfio.audio.inverse_spectrogram(
        magnitude, settings.nfft, settings.window, settings.stride, iterations=settings.iterations
    )
    return np.asarray(audio.numpy()[:frames], dtype=np.float32)
