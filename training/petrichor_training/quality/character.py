"""What a listener would say of a sound in a word: how loud, how bright, how busy, how wide."""

from __future__ import annotations

import numpy as np

from petrichor_training.inspection import NFFT, power_spectrum
from petrichor_training.quality.logmel import RATE, log_mel

FLUX_DB = 1.5  # mean rise over all bands, of a frame, above what is usual around it, that counts as an onset


def loudness_db(sound: np.ndarray) -> float:
    """Return the RMS, dB re full scale; -120 for silence."""
    return float(20 * np.log10(max(float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))), 1e-6)))


def brightness_hz(sound: np.ndarray) -> float:
    """Return the centre of gravity of the power spectrum, Hz.

    Args:
        sound: Shape [frames], at 48 kHz.
    """
    power = power_spectrum(sound)
    return float(np.sum(power * np.fft.rfftfreq(NFFT, 1 / RATE)) / max(float(power.sum()), 1e-20))


def onset_density(sound: np.ndarray) -> float:
    """Return how many events begin per second.

    An event is a moment at which the rise of the log spectrum, averaged over bands from 500 Hz upwards, has a peak of
    `FLUX_DB` or more above its median around it.

    Args:
        sound: Shape [frames], half a second or more, at 48 kHz.

    Reference:
        Dixon 2006, "Onset detection revisited" (spectral flux).
    """
    levels = log_mel(sound, 40)[:, 6:]
    flux = np.mean(np.maximum(np.diff(levels, axis=0), 0.0), axis=1)
    span = 25  # frames, a quarter of a second to either side
    padded = np.pad(flux, span, mode="reflect") if len(flux) > span else np.pad(flux, span, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * span + 1), axis=1)
    inner = flux[1:-1]
    peak = (inner > flux[:-2]) & (inner >= flux[2:]) & (inner > around[1:-1] + FLUX_DB)
    return float(np.sum(peak) / (len(sound) / RATE))


def density_spread(sound: np.ndarray) -> float:
    """Return how dense rain is, as the negative spread of its 5-ms log envelope between 2 and 9 kHz, dB.

    Drops that fuse are no longer counted as onsets; their envelope only becomes smoother.

    Args:
        sound: Shape [frames], half a second or more, at 48 kHz.
    """
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    band = np.fft.irfft(np.where((frequencies > 2000) & (frequencies < 9000), spectrum, 0), len(sound))
    frames = band[: len(band) // 240 * 240].reshape(-1, 240)
    return -float(np.std(10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)))
