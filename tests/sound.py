"""What tests ask of recorded sound. Arrays are [frames, channels]."""

from __future__ import annotations

import numpy as np


def level(sound: np.ndarray) -> float:
    """Return the RMS over everything."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def likeness(one: np.ndarray, other: np.ndarray, frames: int = 9600) -> float:
    """Return how exactly some stretch of `one` stands anywhere in `other`: 1 for the same sound, whenever it came.

    The best of many stretches counts, so that a moment in which a busy machine was late does not.
    """
    left, right = one[:, 0].astype(np.float64), other[:, 0].astype(np.float64)
    size = 1 << int(np.ceil(np.log2(len(right) + frames)))
    whole = np.fft.rfft(right, size)
    energy = np.concatenate(([0.0], np.cumsum(np.square(right))))
    norms = np.sqrt(np.maximum(energy[frames:] - energy[:-frames], 1e-12))
    best = 0.0
    for start in range(0, len(left) - frames, frames // 2):
        piece = left[start : start + frames]
        products = np.fft.irfft(whole * np.conj(np.fft.rfft(piece, size)))[: len(norms)]
        best = max(best, float((np.abs(products) / (norms * max(np.linalg.norm(piece), 1e-6))).max()))
    return best


def longest_silence(sound: np.ndarray) -> int:
    """Return the frames of the longest run of exact zeros."""
    loud = np.flatnonzero(np.abs(sound).max(1) > 0)
    return int(np.diff(np.concatenate(([-1], loud, [len(sound)]))).max()) - 1


def sounding(sound: np.ndarray) -> np.ndarray:
    """Leave out every silent frame."""
    return sound[np.abs(sound).max(1) > 0]


def find(mix: np.ndarray, piece: np.ndarray) -> int:
    """Return where `piece` stands exactly in `mix`; fail where it does not."""
    for start in np.flatnonzero((mix[: len(mix) - len(piece)] == piece[0]).all(1)):
        if np.array_equal(mix[start : start + len(piece)], piece):
            return int(start)
    raise AssertionError("what was heard is not in the recording")
