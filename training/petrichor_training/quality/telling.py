"""Telling apart: whether a classifier can tell what a voice plays from recordings, where it has heard neither before.

A distance asks after statistics that somebody has chosen, some of which a voice was trained by. A classifier chooses
for itself: a small network learns from log-mel spectrograms to tell some seeds of a voice from some of the recordings
kept apart, and is then asked about the other seeds and the other recordings. The same is done with recordings that
the voice learned from in its place: few recordings differ from few others too, so that is what 0.5 has to be held
against.

Reference:
    Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from petrichor_training.quality.excerpts import Excerpt
from petrichor_training.quality.logmel import MELS, log_mel

CROP = 192  # spectrogram frames looked at together, 1.9 s
MOST = 128  # excerpts of each side that are learned from, and that are asked about
STEPS = 160
HALF_BATCH = 16  # crops of each side in a step
LEARNING_RATE = 1e-3  # of Adam
SCALE_DB = 20.0  # divides levels, so that they are of the order of 1


@dataclass(frozen=True)
class Told:
    """How well two kinds of sound can be told apart.

    Attributes:
        value: The area under the ROC curve, median of the draws: of a pair of unheard excerpts, one of each kind, how
            often the right one is named. 0.5 = guessed, 1 = always right; less than 0.5 where the two are alike and the
            origins are few and differ, so that what is learned from one half is wrong of the other.
        low: A tenth of the draws gave less.
        high: A tenth gave more.
    """

    value: float
    low: float
    high: float


def told_apart(one: Sequence[Excerpt], other: Sequence[Excerpt], draws: int) -> Told | None:
    """Learn to tell two kinds of sound apart, and tell how well that goes with others of both.

    Args:
        one: Of several origins, half of which are learned from in each draw.
        other: The same of the other kind.
        draws: One or more.

    Returns:
        None where all of one kind are of one origin, which leaves nothing to ask about.
    """
    sides = [_Side(one), _Side(other)]
    if any(side.origins < 2 for side in sides):
        return None
    areas = [_draw(sides, seed) for seed in range(draws)]
    low, middle, high = (float(value) for value in np.percentile(areas, (10, 50, 90)))
    return Told(middle, low, high)


def area(ones: np.ndarray, others: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs in which the one's score is the higher, ties halved.

    Args:
        ones: Scores of what is to have the higher ones. Shape [ones]
        others: Shape [others]
    """
    differences = ones[:, None] - others[None, :]
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


class _Side:
    """One of the two kinds: spectrograms without their loudness, and where each comes from."""

    def __init__(self, excerpts: Sequence[Excerpt]) -> None:
        levels = np.stack([log_mel(excerpt.sound) for excerpt in excerpts])
        self._pictures = ((levels - levels.mean(axis=(1, 2), keepdims=True)) / SCALE_DB).astype(np.float32)
        self._origins = np.array([excerpt.origin for excerpt in excerpts])
        self.origins = len(np.unique(self._origins))

    def halves(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return pictures to learn from and pictures to be asked about, of different origins.

        Shape [pictures, frames, MELS] each
        """
        origins = rng.permutation(np.unique(self._origins))
        learned = np.isin(self._origins, origins[: len(origins) // 2])
        return self._some(learned, rng), self._some(~learned, rng)

    def _some(self, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self._pictures[rng.permutation(np.flatnonzero(chosen))[:MOST]]


def _draw(sides: Sequence[_Side], seed: int) -> float:
    """Return the area under the curve for one way to halve both sides."""
    rng = np.random.default_rng(seed)
    (ones, unheard_ones), (others, unheard_others) = (side.halves(rng) for side in sides)
    network = _network(seed)
    labels = np.repeat([[1.0], [0.0]], HALF_BATCH, axis=0).astype(np.float32)
    for _ in range(STEPS):
        crops = [_crop(pictures, rng) for pictures in (ones, others) for _ in range(HALF_BATCH)]
        network.train_on_batch(np.stack(crops), labels)
    return area(_scores(network, unheard_ones), _scores(network, unheard_others))


def _crop(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    picture = pictures[rng.integers(len(pictures))]
    start = rng.integers(len(picture) - CROP + 1)
    return picture[start : start + CROP]


def _scores(network: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Return the mean of what is said of the beginning and of the end of each. Shape [pictures]"""
    said = [network.predict_on_batch(part) for part in (pictures[:, :CROP], pictures[:, -CROP:])]
    return np.mean(said, axis=0)[:, 0]


def _network(seed: int) -> keras.Model:
    """Return a classifier of crops: local patterns, and per band how much there is of each and how strong it gets."""
    crops = keras.Input((CROP, MELS))
    patterns = ops.expand_dims(crops, -1)
    for depth, channels in enumerate((16, 32, 32)):
        patterns = keras.layers.Conv2D(
            channels,
            (5, 3),
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(10 * seed + depth),
        )(patterns)
    summary = ops.concatenate((ops.mean(patterns, axis=1), ops.max(patterns, axis=1)), axis=-1)
    summary = keras.layers.Dropout(0.5, seed=seed)(keras.layers.Flatten()(summary))
    logits = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed))(summary)
    network = keras.Model(crops, logits)
    network.compile(keras.optimizers.Adam(LEARNING_RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    return network
