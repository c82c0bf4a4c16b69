"""Log-mel spectrograms and their statistics, as points for the Fréchet distance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from petrichor.mel import hz_of_mel, mel

RATE = 48_000  # Hz, of the sounds that are measured
WINDOW, HOP = 1024, 480  # frames: 21 and 10 ms
MELS = 64
LOW_HZ, HIGH_HZ = 60.0, 20_000.0
FLOOR_DB = -80.0  # below the loudest band of the excerpt


@lru_cache(maxsize=8)
def mel_filters(
    rate: int = RATE, nfft: int = WINDOW, mels: int = MELS, low: float = LOW_HZ, high: float = HIGH_HZ
) -> np.ndarray:
    """Return triangular filters of equal area. Shape [mels, nfft / 2 + 1]

    Args:
        rate: Hz.
        nfft: Frames per spectrum.
        mels: Filters.
        low: Where the first begins, Hz.
        high: Where the last ends, Hz.

    Reference:
        Slaney 1998, "Auditory Toolbox".
    """
    corners = hz_of_mel(np.linspace(mel(low), mel(high), mels + 2))
    bins = np.fft.rfftfreq(nfft, 1 / rate)
    widths = np.diff(corners)
    rise = (bins[None, :] - corners[:-2, None]) / widths[:-1, None]
    fall = (corners[2:, None] - bins[None, :]) / widths[1:, None]
    return np.maximum(0.0, np.minimum(rise, fall)) * (2 / (corners[2:] - corners[:-2]))[:, None]


def log_mel(sound: np.ndarray, mels: int = MELS) -> np.ndarray:
    """Return a log-mel spectrogram. Shape [1 + (frames - WINDOW) / HOP, mels]

    Args:
        sound: Shape [frames], `WINDOW` frames or more, at `RATE`.
        mels: Bands.

    Returns:
        Power in dB, of which differences count, no less than `FLOOR_DB` below its own loudest.
    """
    filters, window = mel_filters(mels=mels).T, np.hanning(WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    power = np.empty((len(frames), mels))
    for start in range(0, len(frames), 4096):  # an hour of sound should not need all memory
        part = slice(start, start + 4096)
        power[part] = np.square(np.abs(np.fft.rfft(frames[part] * window, axis=1))) @ filters
    power *= 2 / (RATE * np.sum(window**2))
    return 10 * np.log10(np.maximum(power, max(float(power.max()) * 10 ** (FLOOR_DB / 10), 1e-20)))


def log_mel_point(sound: np.ndarray) -> np.ndarray:
    """Return the statistics of one excerpt: mean, spread and liveliness of every second band's level.

    Args:
        sound: Shape [frames], at `RATE`; about a second.

    Returns:
        dB, relative to the excerpt's mean level, so that loudness does not count. Shape [3 * MELS / 2]
    """
    levels = log_mel(sound, MELS // 2)
    steps = np.diff(levels, axis=0)
    return np.concatenate((levels.mean(axis=0) - levels.mean(), levels.std(axis=0), steps.std(axis=0)))
