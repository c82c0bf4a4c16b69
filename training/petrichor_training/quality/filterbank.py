"""Auditory filter banks, in the frequency domain: subbands of sound, and modulation bands of their envelopes.

Filters are half cosines over an auditory frequency scale. Neighbours overlap by half, and the squares of all responses
add up to one between the centres of the first and the last.

Reference:
    McDermott & Simoncelli 2011, "Sound texture perception via statistics of the auditory periphery", Neuron 71.
    Glasberg & Moore 1990 (the ERB scale).
"""

from __future__ import annotations

import numpy as np
from scipy.fft import next_fast_len

EARS_Q = 9.26449  # of auditory filters, after Glasberg and Moore
NARROWEST = 24.7  # Hz, their bandwidth where the frequency is low
SPARE = 4  # frames of an envelope for each bin of its band: compressed, it still is smooth between them


def erb_number(hz: np.ndarray | float) -> np.ndarray:
    """Return how many auditory bandwidths lie below a frequency.

    Args:
        hz: Hz, 0 or more.
    """
    return EARS_Q * np.log1p(np.asarray(hz) / (NARROWEST * EARS_Q))


def hz_of_erb(number: np.ndarray | float) -> np.ndarray:
    """Return the frequency below which so many auditory bandwidths lie, in Hz."""
    return NARROWEST * EARS_Q * np.expm1(np.asarray(number) / EARS_Q)


def half_cosines(scale: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the responses of filters that reach from centre to centre of their neighbours.

    Args:
        scale: Place of each frequency on the auditory scale. Shape [bins].
        centres: Equally spaced on that scale. Shape [filters].

    Returns:
        Amplitudes, 0…1. Shape [filters, bins].
    """
    distance = (scale[None, :] - centres[:, None]) / (centres[1] - centres[0])
    return np.where(np.abs(distance) < 1, np.cos(np.pi / 2 * np.clip(distance, -1, 1)), 0.0)


def erb_centres(low_hz: float, high_hz: float, count: int) -> np.ndarray:
    """Return centre frequencies that are equally spaced on the ERB scale, in Hz. Shape [count]."""
    return hz_of_erb(np.linspace(erb_number(low_hz), erb_number(high_hz), count))


def subband_envelopes(sound: np.ndarray, rate: int, centres: np.ndarray, fewest: int = 1) -> list[np.ndarray]:
    """Return the Hilbert envelopes of the subbands of a sound, each with no more frames than it needs.

    Args:
        sound: Shape [frames].
        rate: Hz.
        centres: Of the subbands, from `erb_centres`, Hz. Shape [bands].
        fewest: Frames wanted of each at least.

    Returns:
        Amplitudes of each band, at evenly spaced times, `SPARE` times as many as its width asks for.
    """
    spectrum = np.fft.rfft(sound)
    scale = erb_number(np.fft.rfftfreq(len(sound), 1 / rate))
    envelopes = []
    for response in half_cosines(scale, erb_number(centres)):
        (inside,) = np.nonzero(response)
        band = 2 * (spectrum * response)[inside[0] : inside[-1] + 1]
        frames = min(next_fast_len(max(SPARE * len(band), fewest)), len(sound))
        # Moved down to 0 Hz, which changes the phase of the analytic signal and not its length.
        envelopes.append(np.abs(np.fft.ifft(band, frames)) * (frames / len(sound)))
    return envelopes


def modulation_bands(envelopes: np.ndarray, rate: float, centres: np.ndarray) -> np.ndarray:
    """Return the analytic modulation bands of envelopes.

    Args:
        envelopes: Shape [bands, frames].
        rate: Of the envelopes, Hz.
        centres: Modulation frequencies, equally spaced in octaves, Hz. Shape [modulations].

    Returns:
        Complex; the real part is the band. Shape [bands, modulations, frames].
    """
    frames = envelopes.shape[1]
    spectra = np.fft.fft(envelopes - envelopes.mean(axis=1, keepdims=True), axis=1)
    frequencies = np.fft.fftfreq(frames, 1 / rate)
    scale = np.log2(np.maximum(frequencies, 1e-3))
    responses = 2 * half_cosines(scale, np.log2(centres)) * (frequencies > 0)
    return np.fft.ifft(spectra[:, None, :] * responses[None], axis=2)


def resampled(envelope: np.ndarray, frames: int) -> np.ndarray:
    """Return an envelope with fewer frames, what is too fast for them left out. Shape [frames]

    Args:
        envelope: Shape [many].
        frames: Wanted, no more than there are.
    """
    spectrum = np.fft.rfft(envelope)[: frames // 2 + 1]
    return np.fft.irfft(spectrum, frames) * (frames / len(envelope))
