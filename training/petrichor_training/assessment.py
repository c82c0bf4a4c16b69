"""How near what a run makes is to what it learns from, every so many epochs; the nearest weights are kept.

A GAN does not get better for ever: after its best epoch it may fall for a handful of sounds. ``quality.csv`` and
``quality.png`` in the run's folder tell when, ``best.npz`` holds the averaged generator as it was nearest.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from keras import ops

from petrichor_training.checkpoint import BEST, read_progress, save_averaged
from petrichor_training.diagnosis import diagnosis
from petrichor_training.diary import draw_quality
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.exploration import LEAST_WINDOWS, latents_at, points_of_windows, usual_truncation
from petrichor_training.hearing import Hearing, points_of
from petrichor_training.quality.distances import frechet_distance, spread
from petrichor_training.replacement import replacing
from petrichor_training.run import Run

CLIPS = 128
TOGETHER = 16  # clips made at once
FOR_PEOPLE = ("quality.csv", "quality.png")
COLUMNS = ["epoch", "step", "frechet", "variety"]

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
    """

    epoch: int
    step: int
    frechet: float
    variety: float


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
        self._hearing = Hearing(run.recipe, run.data)
        self._windows: np.ndarray | None = None
        self._rows = _rows(run.folder / "quality.csv", run.epoch)
        self._nearest = _distance(run.folder)

    def __call__(self, run: Run, _figures: dict[str, float]) -> None:
        """Assess the epoch if it is its turn; keep its weights if none were nearer.

        Raises:
            DivergedError: What the generator makes is not finite.
        """
        every = run.recipe.fit.assess_every
        if not every or run.epoch % every or len(run.data.train) < LEAST_WINDOWS:
            return
        found = self._assess(run)
        self._rows.append(found)
        table = pd.DataFrame(self._rows)
        with replacing(run.folder / "quality.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
        draw_quality(table, run.folder / "quality.png")
        if found.frechet < self._nearest:
            self._nearest = found.frechet
            save_averaged(run.folder / BEST, run.gan, run.progress({"frechet": found.frechet}))

    def close(self) -> None:
        """Nothing is open."""

    def _assess(self, run: Run) -> Assessed:
        if self._windows is None:
            self._windows = points_of_windows(self._hearing, run.data)
        latents = latents_at(run.recipe, CLIPS, usual_truncation(run.recipe))
        clips = [run.gan.averaged(part, training=False) for part in np.split(latents, CLIPS // TOGETHER)]
        made = np.concatenate([ops.convert_to_numpy(clip) for clip in clips])
        if not np.isfinite(made).all():
            raise DivergedError(run.epoch, run.steps_per_epoch, diagnosis(run.gan, {}) or "what it makes is not finite")
        made = made[..., 0] if made.ndim == 4 else made
        points = points_of(self._hearing.sound(clip, index) for index, clip in enumerate(made))
        variety = spread(points) / max(spread(self._windows), 1e-9)
        return Assessed(run.epoch, run.step, frechet_distance(points, self._windows), variety)


def _rows(path: Path, epochs: int) -> list[Assessed]:
    """Those of the epochs that the run has finished."""
    try:
        rows = [[float(value) for value in row] for row in pd.read_csv(path)[COLUMNS].to_numpy()]
        return [Assessed(int(row[0]), int(row[1]), row[2], row[3]) for row in rows if row[0] <= epochs]
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
