"""What tests ask of recorded sound. Arrays are [frames, channels]."""

from __future__ import annotations

import numpy as np


def level(sound: np.ndarray) -> float:
    """Return the RMS over everything."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the peak of the normalised cross-correlation of the left channels: 1 for the same sound, shifted."""
    left, right = one[:, 0].astype(np.float64), other[:, 0].astype(np.float64)
    size = 1 << int(np.ceil(np.log2(len(left) + len(right))))
    product = np.fft.rfft(left, size) * np.conj(np.fft.rfft(right, size))
    return float(np.abs(np.fft.irfft(product)).max() / (np.linalg.norm(left) * np.linalg.norm(right)))


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
