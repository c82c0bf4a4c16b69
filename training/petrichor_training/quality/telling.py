"""Telling apart: whether a classifier can tell what a voice plays from recordings, where it has heard neither before.

A distance asks after statistics that somebody has chosen, some of which a voice was trained by. A classifier chooses
for itself: a small network learns from log-mel spectrograms to tell some seeds of a voice from some of the recordings
kept apart, and is then asked about other seeds and other recordings. The same is done with recordings that the voice
learned from in its place, as many of them: few recordings differ from few others too, so that is what a voice's figure
has to be held against. Whatever tells the two apart counts, the noise of a microphone and the edge of a codec too.

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
STEPS = 160
HALF_BATCH = 16  # crops of each kind in a step
LEARNING_RATE = 1e-3  # of Adam
RANGE_DB = 50.0  # below an excerpt's loudest band and moment: what is softer is one floor, whoever made it

Pictures = list[np.ndarray]  # by origin, Shape [excerpts, frames, MELS] each


@dataclass(frozen=True)
class Told:
    """How well two kinds of sound can be told apart.

    Attributes:
        value: Of a pair of unheard excerpts, one of each kind, how often the right one is named (the area under the
            ROC curve); the median of the draws. 0.5 = guessed, 1 = always right; less than 0.5 where the two are alike
            and the origins few and different, so that what one half teaches is wrong of the other.
        low: 10th percentile of the draws.
        high: 90th percentile.
    """

    value: float
    low: float
    high: float


class Jury:
    """Classifiers that learn to tell something from recordings kept apart, and are asked about others of both.

    Args:
        apart: The recordings. Excerpts of two seconds or more, all of one length.
        draws: Classifiers, each of which learns from another half; one or more.
    """

    LEAST = 4  # origins of each kind: two to learn from, two to be asked about

    def __init__(self, apart: Sequence[Excerpt], draws: int) -> None:
        """Look at the recordings, once for all."""
        self._apart = pictures(apart)
        self._draws = draws

    def told(self, excerpts: Sequence[Excerpt]) -> Told | None:
        """Return how well these can be told from the recordings.

        Args:
            excerpts: As those kept apart.

        Returns:
            None where either are of fewer than `LEAST` origins. On a CPU the same for the same excerpts.
        """
        kinds = pictures(excerpts), self._apart
        origins = min(map(len, kinds))
        if origins < self.LEAST:
            return None
        classifier, rng = _Classifier(), np.random.default_rng(1)
        areas = [classifier.draw([halves(kind, origins, rng) for kind in kinds], rng) for _ in range(self._draws)]
        low, middle, high = (float(value) for value in np.percentile(areas, (10, 50, 90)))
        return Told(middle, low, high)


def pictures(excerpts: Sequence[Excerpt]) -> Pictures:
    """Return spectrograms without their loudness, 0…1, by origin."""
    by_origin: dict[str, list[np.ndarray]] = {}
    for excerpt in excerpts:
        levels = log_mel(excerpt.sound)
        seen = np.maximum(levels - levels.max(), -RANGE_DB) / RANGE_DB + 1
        by_origin.setdefault(excerpt.origin, []).append(seen.astype(np.float32))
    return [np.stack(each) for each in by_origin.values()]


def halves(kind: Pictures, origins: int, rng: np.random.Generator) -> tuple[Pictures, Pictures]:
    """Return pictures to learn from and pictures to be asked about, of different origins.

    Args:
        kind: All there are.
        origins: How many are taken, half of them for each; `Jury.LEAST` or more.
        rng: Draws them.
    """
    chosen = rng.permutation(len(kind))[:origins]
    return [kind[each] for each in chosen[: origins // 2]], [kind[each] for each in chosen[origins // 2 :]]


def area(ones: np.ndarray, others: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs in which the one's score is the higher, ties halved.

    Args:
        ones: Scores of what is to have the higher ones. Shape [ones]
        others: Shape [others]
    """
    differences = ones[:, None] - others[None, :]
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


class _Classifier:
    """A network that is taught anew, from the same weights, for every draw."""

    def __init__(self) -> None:
        self._network = _network()
        self._network.optimizer.build(self._network.trainable_variables)
        self._changing = [*self._network.variables, *self._network.optimizer.variables]
        self._fresh = [ops.convert_to_numpy(variable) for variable in self._changing]

    def draw(self, kinds: Sequence[tuple[Pictures, Pictures]], rng: np.random.Generator) -> float:
        """Learn from the first half of both kinds; return the area for the others, each origin counting alike."""
        for variable, fresh in zip(self._changing, self._fresh, strict=True):
            variable.assign(fresh)
        labels = np.repeat([[1.0], [0.0]], HALF_BATCH, axis=0).astype(np.float32)
        for _ in range(STEPS):
            crops = [_crop(learned, rng) for learned, _ in kinds for _ in range(HALF_BATCH)]
            self._network.train_on_batch(np.stack(crops), labels)
        ones, others = ([self._scores(origin) for origin in unheard] for _, unheard in kinds)
        return float(np.mean([area(one, other) for one in ones for other in others]))

    def _scores(self, origin: np.ndarray) -> np.ndarray:
        """Return what is said of the middle of each picture, where no recording begins or ends. Shape [excerpts]"""
        start = (origin.shape[1] - CROP) // 2
        return np.asarray(ops.convert_to_numpy(self._network(origin[:, start : start + CROP], training=False)))[:, 0]


def _crop(learned: Pictures, rng: np.random.Generator) -> np.ndarray:
    """Return a piece of any picture of any origin. Shape [CROP, MELS]"""
    origin = learned[rng.integers(len(learned))]
    picture = origin[rng.integers(len(origin))]
    start = rng.integers(len(picture) - CROP + 1)
    return picture[start : start + CROP]


def _network() -> keras.Model:
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
            kernel_initializer=keras.initializers.HeNormal(depth),
        )(patterns)
    summary = ops.concatenate((ops.mean(patterns, axis=1), ops.max(patterns, axis=1)), axis=-1)
    summary = keras.layers.Dropout(0.5, seed=0)(keras.layers.Flatten()(summary))
    logits = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(0))(summary)
    network = keras.Model(crops, logits)
    network.compile(keras.optimizers.Adam(LEARNING_RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    return network
