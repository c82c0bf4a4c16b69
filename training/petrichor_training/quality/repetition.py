"""Repetition: whether a sound says again, note for note, what it said before.

A stretch is looked for everywhere else in the sound, by the correlation of whitened log-mel spectrograms. Birds repeat
their phrases, but not to the millisecond and the half decibel; a loop does, and so does a clip that is played twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from petrichor_training.likeness import Haystack
from petrichor_training.quality.logmel import HOP, RATE, log_mel

BANDS = 24
STRETCH = 64  # spectrogram frames, 0.64 s
SLOW = 100  # frames over which the mean is taken away: what stays the same is no event
FRAME_RATE = RATE / HOP  # Hz


@dataclass(frozen=True)
class Repetition:
    """How much a sound repeats itself.

    Attributes:
        highest: Correlation of the most alike pair of stretches, -1…1.
        median: Of the best matches of all stretches.
        lag: Seconds between that most alike pair.
        share: Of stretches that come again with a correlation above `limit`, 0…1.
        limit: Above it a stretch counts as said again.
    """

    highest: float
    median: float
    lag: float
    share: float
    limit: float


def repetition(sound: np.ndarray, limit: float = 0.9, stretches: int | None = None) -> Repetition:
    """Look for stretches that come again.

    Args:
        sound: Shape [frames], at 48 kHz; three seconds or more.
        limit: Correlation above which a stretch counts as said again.
        stretches: To be looked for, spread evenly over the sound; None for one beside the other.

    Raises:
        ValueError: Shorter than three seconds.
    """
    if len(sound) < 3 * RATE:
        raise ValueError(f"got {len(sound) / RATE:.2f} s, expected 3 s or more")
    features = _whitened(log_mel(sound, BANDS))
    haystack = Haystack(features, STRETCH)
    norms = haystack.norms(STRETCH)
    count = stretches or -(-len(features) // STRETCH)
    starts = np.unique(np.linspace(0, len(features) - STRETCH, count).astype(int))
    # Where nearly nothing happens, nothing is said again: a quarter of the typical energy is asked for.
    starts = starts[norms[starts] > 0.5 * np.median(norms)]
    best, lags = np.empty(len(starts)), np.empty(len(starts))
    for index, start in enumerate(starts):
        likeness = haystack.correlations(features[start : start + STRETCH])
        likeness[max(0, start - STRETCH) : start + STRETCH] = -1  # itself
        found = int(np.argmax(likeness))
        best[index], lags[index] = likeness[found], abs(found - start) / FRAME_RATE
    top = int(np.argmax(best))
    return Repetition(float(best[top]), float(np.median(best)), float(lags[top]), float(np.mean(best > limit)), limit)


def _whitened(levels: np.ndarray) -> np.ndarray:
    """Return levels less their slow mean, each band at the same spread."""
    moving = centred(levels)
    return moving / np.maximum(moving.std(axis=0), 1e-3)


def centred(levels: np.ndarray) -> np.ndarray:
    """Return levels less their slow mean.

    Args:
        levels: Shape [frames, bands].
    """
    window = min(SLOW, len(levels))
    padded = np.pad(levels, ((window // 2, window - window // 2 - 1), (0, 0)), mode="reflect")
    sums = np.cumsum(np.concatenate((np.zeros((1, levels.shape[1])), padded)), axis=0)
    return levels - (sums[window:] - sums[:-window]) / window
