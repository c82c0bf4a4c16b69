"""How near what a run makes is to what it learns from, every so many epochs; the nearest weights are kept.

A GAN does not get better for ever: after its best epoch it may fall for a handful of sounds, or say by heart what it
learns from, which looks near. ``quality.csv`` and ``quality.png`` in the run's folder tell when, ``best.npz`` holds the
averaged generator as it was nearest without being a copy.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from keras import ops

from petrichor_training.checkpoint import BEST, read_progress, save_averaged
from petrichor_training.dataset import Dataset, evenly
from petrichor_training.diagnosis import diagnosis
from petrichor_training.diary import draw_quality
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.exploration import LEAST_WINDOWS, latents_at, points_of_windows, usual_truncation
from petrichor_training.hearing import Hearing, points_of
from petrichor_training.quality.copying import Found, Learned, copying, loud_levels
from petrichor_training.quality.distances import frechet_distance, spread
from petrichor_training.quality.repetition import STRETCH
from petrichor_training.replacement import replacing
from petrichor_training.run import Run
from petrichor_training.streaming.batches import played

CLIPS = 128
TOGETHER = 16  # clips made at once
WINDOWS = 256  # of those kept apart, that tell copies from likeness
SEARCHED = 1024  # of those learned from, in which copies are looked for
QUALITY = "quality.csv"
FOR_PEOPLE = (QUALITY, "quality.png")
COLUMNS = ["epoch", "step", "frechet", "variety", "copies"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assessed:
    """What one epoch came to.

    Attributes:
        epoch: From 1.
        step: Steps taken in all.
        frechet: Distance of what is made from what is learned, of their log-mel statistics: lower is nearer.
        variety: Mean distance between two clips over that between two windows: a generator that has fallen for one
            sound has none.
        copies: Share of the clips' lively stretches that are more like something learned from than windows kept apart
            are (see `quality.copying`), 0…1; not a number where none are kept apart.
    """

    epoch: int
    step: int
    frechet: float
    variety: float
    copies: float


class Assessor:
    """Assesses a run; called after each epoch.

    Args:
        run: Whose recipe says how often.
    """

    def __init__(self, run: Run) -> None:
        """Read what an earlier part of the run came to."""
        if run.step == 0:  # what is there is of another run
            for name in (BEST, *FOR_PEOPLE):
                (run.folder / name).unlink(missing_ok=True)
        if len(run.data.train) < LEAST_WINDOWS:
            log.warning("%d windows are too few to assess a run by: expected %d", len(run.data.train), LEAST_WINDOWS)
        self._judge: Judge | None = None
        self._rows = _rows(run.folder / QUALITY, run.epoch)
        self._nearest = _distance(run.folder)

    def __call__(self, run: Run, _figures: dict[str, float]) -> None:
        """Assess the epoch if it is its turn; keep its weights if none were nearer and they are no copies.

        Raises:
            DivergedError: What the generator makes is not finite.
        """
        every = run.recipe.fit.assess_every
        if not every or run.epoch % every or len(run.data.train) < LEAST_WINDOWS:
            return
        self._judge = self._judge or Judge(Hearing(run.recipe, run.data), run.data)
        found = self._judge(run)
        self._rows.append(found)
        table = pd.DataFrame(self._rows)
        with replacing(run.folder / QUALITY) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
        draw_quality(table, run.folder / "quality.png")
        if found.frechet < self._nearest and not found.copies > run.recipe.fit.most_copies:
            self._nearest = found.frechet
            save_averaged(run.folder / BEST, run.gan, run.progress({"frechet": found.frechet}))

    def close(self) -> None:
        """Nothing is open."""


class Judge:
    """Holds what a run makes against what it learns from.

    Args:
        hearing: Of the recipe.
        data: What is learned from.
    """

    def __init__(self, hearing: Hearing, data: Dataset) -> None:
        """Listen to the windows, once for all epochs."""
        self._hearing = hearing
        self._points = points_of_windows(hearing, data)
        levels = [loud_levels(sound) for sound in hearing.sounds(evenly(data.train, SEARCHED))]
        self._learned = Learned(levels, min(STRETCH, len(levels[0])))
        self._apart = self._nearest(hearing.sounds(evenly(data.validation, WINDOWS)))

    def __call__(self, run: Run) -> Assessed:
        """Assess a run as it is.

        Raises:
            DivergedError: What the generator makes is not finite.
        """
        latents = latents_at(run.recipe, CLIPS, usual_truncation(run.recipe))
        made = np.concatenate(
            [_clips(run, part, seed) for seed, part in enumerate(np.split(latents, CLIPS // TOGETHER))]
        )
        if not np.isfinite(made).all():
            raise DivergedError(run.epoch, run.steps_per_epoch, diagnosis(run.gan, {}) or "what it makes is not finite")
        sounds = list(self._hearing.sounds(made))
        points, copies = points_of(sounds), copying(self._nearest(sounds), self._apart)
        variety = spread(points) / max(spread(self._points), 1e-9)
        distance = frechet_distance(points, self._points)
        return Assessed(run.epoch, run.step, distance, variety, copies.share if copies else float("nan"))

    def _nearest(self, sounds: Iterable[np.ndarray]) -> Found:
        return self._learned.nearest(loud_levels(sound) for sound in sounds)


def _clips(run: Run, latents: np.ndarray, seed: int) -> np.ndarray:
    """What the averaged generator makes of latents; of streams, stretches as long as the windows they are held against.

    Shape [clips, …]
    """
    seconds = run.data.frames / run.recipe.prepare.rate
    inputs = played(latents, seconds, seed) if run.recipe.streams else latents
    return np.asarray(ops.convert_to_numpy(run.gan.averaged(inputs, training=False)))


def _rows(path: Path, epochs: int) -> list[Assessed]:
    """Those of the epochs that the run has finished."""
    try:
        rows = [[float(value) for value in row] for row in pd.read_csv(path)[COLUMNS].to_numpy()]
        return [Assessed(int(row[0]), int(row[1]), *row[2:]) for row in rows if row[0] <= epochs]
    except (OSError, ValueError, KeyError):
        return []


def _distance(folder: Path) -> float:
    """Of the weights that are kept."""
    try:
        kept = read_progress(folder, BEST)
    except CheckpointError as error:
        log.warning("%s: nothing is known of an earlier best", error)
        kept = None
    return kept.sums.get("frechet", float("inf")) if kept else float("inf")
