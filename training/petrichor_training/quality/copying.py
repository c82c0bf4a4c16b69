"""Copying: whether a voice says its training recordings by heart.

A generator that has learned a few recordings and plays nothing else is near to recordings by every distance between
distributions. So its stretches are looked for in all that it learned from, as repetition is looked for within a sound:
by the correlation of log-mel spectrograms, whatever the phases. Only what is loud counts: a voice may copy a call and
lay its own noise under it. What is right is told by recordings kept apart: they are as like those learned from as
sounds of one kind are that were never copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from petrichor_training.likeness import Haystack
from petrichor_training.quality.logmel import log_mel
from petrichor_training.quality.repetition import BANDS, STRETCH, centred

RANGE_DB = 30.0  # below a sound's loudest band and moment, in which it is looked at
LIVELY = 0.5  # of the typical stretch's norm in what was learned from: in less, nothing happens that could be copied
NEAREST = 0.95  # this share of the stretches of recordings kept apart is less like what was learned from than a copy
BLOCK = 1 << 16  # spectrogram frames transformed at once, eleven minutes


@dataclass(frozen=True, eq=False)
class Found:
    """The nearest in what was learned from, for every lively stretch of some sounds.

    Attributes:
        likeness: Correlation with it, -1…1. Shape [stretches]
        places: Which piece of what was learned from it is in, each as long as a stretch. Shape [stretches]
    """

    likeness: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Copying:
    """How much of a voice is said by heart.

    Attributes:
        median: Of the stretches' correlations with their nearest in what was learned from.
        highest: Of them.
        share: Of stretches that are copies: more like what was learned from than 95 % of recordings kept apart are.
        limit: The correlation above which they are.
        places: Different pieces of what was learned from among the nearest, as if all were equally frequent.
        stretches: That were looked for.
    """

    median: float
    highest: float
    share: float
    limit: float
    places: float
    stretches: int


class Learned:
    """What was learned from, in which copies are looked for.

    Args:
        sounds: From `loud_levels`. Shape [frames, BANDS] each
        stretch: Spectrogram frames that are compared at once.

    Raises:
        ValueError: None as long as a stretch.
    """

    def __init__(self, sounds: Iterable[np.ndarray], stretch: int = STRETCH) -> None:
        """Transform it once for all."""
        moving = [centred(levels) for levels in sounds if len(levels) >= stretch]
        if not moving:
            raise ValueError(f"nothing of {stretch} spectrogram frames or more was learned from")
        self._stretch = stretch
        self._blocks = [Haystack(block, stretch) for block in _blocks(moving, stretch)]
        self._first = np.cumsum([0, *(block.frames for block in self._blocks)])
        self._quietest = LIVELY * float(np.median(np.concatenate([block.norms(stretch) for block in self._blocks])))

    def nearest(self, sounds: Iterable[np.ndarray]) -> Found:
        """Look for every lively stretch.

        Args:
            sounds: As those learned from. Shape [frames, BANDS] each
        """
        found = [self._look_for(stretch) for levels in sounds for stretch in self._lively(centred(levels))]
        likeness, places = np.array(found).reshape(-1, 2).T
        return Found(likeness, (places // self._stretch).astype(int))

    def _lively(self, moving: np.ndarray) -> Iterable[np.ndarray]:
        for start in range(0, len(moving) - self._stretch + 1, self._stretch // 2):
            stretch = moving[start : start + self._stretch]
            if np.linalg.norm(stretch) >= self._quietest:
                yield stretch

    def _look_for(self, stretch: np.ndarray) -> tuple[float, int]:
        best, place = -1.0, 0
        for block, first in zip(self._blocks, self._first, strict=False):
            correlations = block.correlations(stretch)
            at = int(np.argmax(correlations))
            if correlations[at] > best:
                best, place = float(correlations[at]), int(first) + at
        return best, place


def loud_levels(sound: np.ndarray) -> np.ndarray:
    """Return what is loud of a sound, as its copies are looked for. Shape [frames, BANDS]

    Args:
        sound: Shape [frames], at `logmel.RATE`.
    """
    levels = log_mel(sound, BANDS)
    return np.maximum(levels, levels.max() - RANGE_DB)


def copying(found: Found, apart: Found) -> Copying | None:
    """Tell copies from likeness.

    Args:
        found: Of a voice.
        apart: Of recordings kept apart from what was learned from.

    Returns:
        None where nothing happens in the one or the other.
    """
    if not len(found.likeness) or not len(apart.likeness):
        return None
    limit = float(np.quantile(apart.likeness, NEAREST))
    return Copying(
        float(np.median(found.likeness)),
        float(np.max(found.likeness)),
        float(np.mean(found.likeness > limit)),
        limit,
        different(found.places),
        len(found.likeness),
    )


def different(places: np.ndarray) -> float:
    """Return how many different values there are, as if all were equally frequent.

    Args:
        places: Shape [values], one or more.

    Returns:
        The exponential of the entropy, 1 or more.
    """
    shares = np.unique(places, return_counts=True)[1] / len(places)
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _blocks(pieces: Sequence[np.ndarray], apart: int) -> Iterable[np.ndarray]:
    """Join pieces to longer ones, so far apart that no stretch lies in two of them."""
    gap = np.zeros((apart, pieces[0].shape[1]))
    block: list[np.ndarray] = []
    for piece in pieces:
        if block and sum(map(len, block)) + len(piece) > BLOCK:
            yield np.concatenate(block)
            block = []
        block += [piece, gap]
    yield np.concatenate(block)
