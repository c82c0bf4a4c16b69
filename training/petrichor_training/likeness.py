"""Where a stretch of a sound, or of its features, stands again in another, and how exactly."""

from __future__ import annotations

import numpy as np

QUIETEST = 1e-2  # of the liveliest stretch's norm: what is quieter is like nothing


class Haystack:
    """A long series in which short ones are looked for.

    Args:
        series: Shape [frames, bands].
        longest: Frames of the longest piece that will be looked for.

    Attributes:
        frames: Of the series.
    """

    def __init__(self, series: np.ndarray, longest: int) -> None:
        """Transform it once for all pieces."""
        self.frames = len(series)
        self._size = 1 << int(np.ceil(np.log2(len(series) + longest)))
        self._spectra = np.fft.rfft(series, self._size, axis=0)
        self._energy = np.concatenate(([0.0], np.cumsum(np.sum(np.square(series), axis=1, dtype=np.float64))))

    def norms(self, length: int) -> np.ndarray:
        """Return the norm of every stretch of so many frames, by where it begins. Shape [frames - length + 1]"""
        norms = np.sqrt(np.maximum(self._energy[length:] - self._energy[: len(self._energy) - length], 1e-9))
        return np.maximum(norms, QUIETEST * norms.max())

    def correlations(self, piece: np.ndarray) -> np.ndarray:
        """Return the correlation of a piece with every stretch of its length, -1…1.

        Args:
            piece: Shape [frames, bands], no longer than the series or than the longest piece.

        Returns:
            By where the stretch begins. Shape [frames of the series - frames of the piece + 1]
        """
        products = np.sum(self._spectra * np.conj(np.fft.rfft(piece, self._size, axis=0)), axis=1)
        count = self.frames - len(piece) + 1
        found = np.fft.irfft(products, self._size)[:count]
        return found / (self.norms(len(piece)) * max(float(np.linalg.norm(piece)), 1e-9))
