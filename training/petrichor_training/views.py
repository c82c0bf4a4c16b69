"""A waveform as several log spectrograms at once, inside a network: gradients pass through."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from petrichor.inversion import area_matrix
from petrichor.mel import to_mel_matrix
from petrichor_training.settings import AnalysisSettings

Tensor = Any


class LogSpectrograms(keras.layers.Layer):
    """Log power spectrograms with different windows, of one size and side by side as channels.

    Args:
        analysis: Windows (``views``), offset, size and frequency scale.
        frames: Samples per clip.
        rate: Hz.
    """

    def __init__(self, analysis: AnalysisSettings, frames: int, rate: int, **options: Any) -> None:
        """Make the matrices from bins to rows."""
        super().__init__(**options)
        self.windows, self.offset, self.side = analysis.views, analysis.log_offset, analysis.image
        self.hop = max(frames // analysis.image, 1)
        self.matrices = [_rows(window, analysis, rate) for window in self.windows]

    def call(self, audio: Tensor) -> Tensor:
        """Shape [batch, frames] to [batch, side, side, windows]: time first, 0 at the offset, 1 about full scale."""
        return ops.stack([self._image(audio, *pair) for pair in zip(self.windows, self.matrices, strict=True)], axis=-1)

    def _image(self, audio: Tensor, window: int, matrix: np.ndarray) -> Tensor:
        # Half a window of silence before and after: every frame of every spectrogram is centred at the same time.
        around = ops.pad(audio, ((0, 0), (window // 2, window // 2 + self.hop)))
        real, imaginary = ops.stft(around, window, self.hop, window, window="hann", center=False)
        power = (ops.square(real) + ops.square(imaginary))[:, : self.side] / (0.375 * window)
        logs = ops.log(ops.matmul(power, matrix) + self.offset)
        return 1.0 - logs / math.log(self.offset)


def _rows(window: int, analysis: AnalysisSettings, rate: int) -> np.ndarray:
    """The matrix from bins to rows of an image. Shape [bins, side]."""
    bins = window // 2 + 1
    matrix = to_mel_matrix(analysis.image, bins, rate) if analysis.mel else area_matrix(bins, analysis.image)
    return matrix.T.copy()
