"""What a listener would say of a sound in a word: how loud, how bright, how busy, how wide."""

from __future__ import annotations

import numpy as np

from petrichor_training.inspection import NFFT, power_spectrum
from petrichor_training.quality.logmel import RATE, log_mel

FLUX_DB = 2.0  # RMS rise over all bands, above what is usual around it, that counts as an onset
FRAME = 240  # samples, 5 ms: about as long as a drop sounds
LAG = 2  # frames between which a rise is looked for: a frame's window is two hops long


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

    What of each band lies above its usual level is compared with what lay there, or in a neighbouring band, `LAG`
    frames before. An event is a moment at which the root mean square of the rises, over bands from 500 Hz upwards, has
    a peak of `FLUX_DB` or more above its median around it: a whistle in three bands counts like a drop in all of them.

    Args:
        sound: Shape [frames], half a second or more, at 48 kHz.

    Returns:
        Short calls that begin at random, 10 dB above hiss, are counted to within a third up to 8 per second; denser
        ones fuse: of 20 calls or drops per second 10 to 13 are counted.

    Reference:
        Böck & Widmer 2013, "Maximum filter vibrato suppression for onset detection".
    """
    levels = log_mel(sound, 40)[:, 6:]
    above = np.maximum(levels - np.median(levels, axis=0), 0.0)
    beside = np.pad(above, ((0, 0), (1, 1)), mode="edge")
    before = np.maximum(np.maximum(beside[:, :-2], beside[:, 1:-1]), beside[:, 2:])
    flux = np.sqrt(np.mean(np.square(np.maximum(above[LAG:] - before[:-LAG], 0.0)), axis=1))
    span = 25  # frames, a quarter of a second to either side
    padded = np.pad(flux, span, mode="reflect") if len(flux) > span else np.pad(flux, span, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * span + 1), axis=1)
    inner = flux[1:-1]
    peak = (inner > flux[:-2]) & (inner >= flux[2:]) & (inner > around[1:-1] + FLUX_DB)
    return float(np.sum(peak) / (len(sound) / RATE))


def event_rate(sound: np.ndarray) -> float:
    """Return how many events there are per second, whether or not they can still be told apart.

    What falls at random makes a power that fluctuates the less the more of it there is: of equal events, each as long
    as a frame, a frame's mean power squared over its variance is the number of events in it. Taken between 2 and 9 kHz
    in frames of 5 ms. Drops differ in strength and length, so this is a scale, not a count: of showers from 5 to 3000
    drops per second it gives about a quarter. Hiss of that band by itself gives some 7000.

    Args:
        sound: Shape [frames], half a second or more, at 48 kHz.

    Returns:
        Events per second; 0 for silence.

    Reference:
        Rice 1944, "Mathematical analysis of random noise" (Campbell's theorem: mean and variance of shot noise).
    """
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    band = np.fft.irfft(np.where((frequencies > 2000) & (frequencies < 9000), spectrum, 0), len(sound))
    frames = np.mean(np.square(band[: len(band) // FRAME * FRAME].reshape(-1, FRAME)), axis=1)
    variance = float(np.var(frames))
    return float(np.mean(frames)) ** 2 / variance * RATE / FRAME if variance > 0 else 0.0
