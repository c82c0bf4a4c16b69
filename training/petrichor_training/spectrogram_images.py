"""Log-squared spectrogram images, as the published rain experiment makes them (TensorFlow only).

Reference: tensorflow-io's ``tfio.audio.spectrogram``.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio

from petrichor.mel import to_mel_matrix
from petrichor_training.settings import AnalysisSettings


def image_of(audio: np.ndarray, settings: AnalysisSettings, rate: int) -> tuple[np.ndarray, float, float]:
    """One window of sound as an image of one or, with ``views``, several spectrograms.

    Args:
        audio: Shape [frames + longest window - stride]: with the samples that the last frames reach into, because
            frames over zero padding would teach a click at every clip's end.
        settings: Analysis parameters.
        rate: Hz.

    Returns:
        The image, Shape [image, image, 1 + views], 0…1, time first, lowest frequency first, every channel scaled by
        its own range; and the smallest and largest log of squared magnitude that 0 and 1 stand for in the first.
    """
    windows = (settings.window, *settings.views)
    longest = max(windows)
    made = []
    for window in windows:
        # Frames of all windows are centred at the same times.
        early = (longest - window) // 2
        part = audio[early : len(audio) - longest + window + early]
        made.append(_image_of(tf.constant(part, tf.float32), window, settings, rate))
    _, low, high = made[0]
    return np.stack([image.numpy() for image, _, _ in made], axis=-1), float(low), float(high)


@tf.function(reduce_retracing=True)
def _image_of(
    audio: tf.Tensor, window: int, settings: AnalysisSettings, rate: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    nfft = settings.nfft * window // settings.window
    power = tf.square(tfio.audio.spectrogram(audio, nfft, window, settings.stride))
    power = power[: (tf.shape(audio)[0] - window) // settings.stride + 1]
    if settings.mel:
        power = tf.matmul(power, to_mel_matrix(settings.image, nfft // 2 + 1, rate), transpose_b=True)
    logs = tf.math.log(power + settings.log_offset)
    low, high = tf.reduce_min(logs), tf.reduce_max(logs)
    scaled = (logs - low) / tf.maximum(high - low, 1e-6)
    size = [settings.image, settings.image]
    resized = tf.image.resize(scaled[..., None], size, method="bicubic", antialias=False)
    # Bicubic interpolation overshoots a little.
    return tf.clip_by_value(resized[..., 0], 0.0, 1.0), low, high
