"""The mel scale, and the matrices to a spectrum on it and back. Pure functions, any thread or process.

Reference:
    Slaney 1998, "Auditory Toolbox": linear to 1 kHz, logarithmic above.
"""

from __future__ import annotations

import numpy as np

_KNEE_HZ, _KNEE = 1000.0, 15.0  # where the scale turns from linear to logarithmic
_STEP = np.log(6.4) / 27  # of the logarithm, per mel above the knee


def mel(hz: np.ndarray | float) -> np.ndarray:
    """Return the place of a frequency on the mel scale.

    Args:
        hz: Hz, 0 or more.
    """
    hz = np.asarray(hz, np.float64)
    return np.where(hz < _KNEE_HZ, hz * (_KNEE / _KNEE_HZ), _KNEE + np.log(np.maximum(hz, 1e-9) / _KNEE_HZ) / _STEP)


def hz_of_mel(place: np.ndarray | float) -> np.ndarray:
    """Return the frequency at a place on the mel scale, Hz."""
    place = np.asarray(place, np.float64)
    return np.where(place < _KNEE, place * (_KNEE_HZ / _KNEE), _KNEE_HZ * np.exp((place - _KNEE) * _STEP))


def to_mel_matrix(bands: int, bins: int, rate: int) -> np.ndarray:
    """Return the matrix that takes power per bin to mean power in bands evenly spaced in mel, 0 Hz to half the rate.

    Args:
        bands: Two or more.
        bins: Of the spectrum, 0 Hz to half the rate.
        rate: Hz.

    Returns:
        Triangles, no narrower than the bins are apart; rows sum to 1, float32. Shape [bands, bins]
    """
    centres = hz_of_mel(np.linspace(0.0, mel(rate / 2), bands))
    apart = rate / 2 / (bins - 1)
    below = np.maximum(np.diff(centres, prepend=2 * centres[0] - centres[1]), apart)
    above = np.maximum(np.diff(centres, append=2 * centres[-1] - centres[-2]), apart)
    distance = np.arange(bins) * apart - centres[:, None]
    weights = np.maximum(1.0 - np.where(distance < 0, -distance / below[:, None], distance / above[:, None]), 0.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def from_mel_matrix(bands: int, bins: int, rate: int) -> np.ndarray:
    """Return the matrix that takes levels of those bands to levels per bin: the two nearest bands, interpolated.

    Args:
        bands: As in `to_mel_matrix`.
        bins: As in `to_mel_matrix`.
        rate: Hz.

    Returns:
        Rows sum to 1, float32. Shape [bins, bands]
    """
    places = mel(np.arange(bins) * (rate / 2 / (bins - 1))) / mel(rate / 2) * (bands - 1)
    lower = np.minimum(places.astype(int), bands - 2)
    share = np.minimum(places - lower, 1.0)
    matrix = np.zeros((bins, bands), np.float32)
    matrix[np.arange(bins), lower] = 1.0 - share
    matrix[np.arange(bins), lower + 1] = share
    return matrix
