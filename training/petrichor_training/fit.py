"""The training loop: batches in, checkpoints, samples and curves out; it can be stopped after any step.

A run folder holds ``checkpoint.npz``, ``recipe.json``, ``losses.csv``, ``probs.csv``, ``losses.png``,
``probabilities.png``, ``samples/`` and, where it is assessed, ``best.npz`` and ``quality.csv``. Where there
is a checkpoint, the run goes on from it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from petrichor_training.ahead import Ahead
from petrichor_training.diagnosis import diagnosis
from petrichor_training.diary import Diary
from petrichor_training.errors import DivergedError
from petrichor_training.pace import Pace
from petrichor_training.run import Run
from petrichor_training.samples import write_samples

Report = Callable[[int, int, int, dict[str, float]], None]  # epoch, step in it, steps per epoch, latest figures
AfterEpoch = Callable[[Run, dict[str, float]], None]


def silent_report(epoch: int, step: int, steps: int, figures: dict[str, float]) -> None:
    """Report nothing."""


@dataclass
class Stop:
    """When to stop; looked at after every step.

    Attributes:
        asked: Somebody wants it to end now, and to be saved.
        seconds: Wall-clock limit.
        steps: Of the run in all.
    """

    asked: bool = False
    seconds: float = float("inf")
    steps: int = sys.maxsize
    begun: float = field(default_factory=time.monotonic)

    def due(self, run: Run) -> bool:
        """Whether to stop."""
        return self.asked or run.step >= self.steps or time.monotonic() - self.begun >= self.seconds


@dataclass
class Waited:
    """Where the time went.

    Attributes:
        data: Seconds in which the processor waited for batches.
        steps: Seconds of computation.
        other: Seconds of samples, curves and checkpoints.
    """

    data: float = 0.0
    steps: float = 0.0
    other: float = 0.0

    def __str__(self) -> str:
        """Say it in shares."""
        whole = max(self.data + self.steps + self.other, 1e-9)
        busy, waiting, rest = (f"{100 * part / whole:.1f} %" for part in (self.steps, self.data, self.other))
        return f"{self.steps:.1f} s of computation ({busy}), {waiting} waiting for data, {rest} samples and checkpoints"


def fit(
    run: Run, report: Report = silent_report, stop: Stop | None = None, after_epoch: Sequence[AfterEpoch] = ()
) -> Waited:
    """Train until the recipe's last epoch or until it is to stop; either way it is saved.

    Args:
        run: From `open_run`.
        report: Called after every step.
        stop: Looked at after every step.
        after_epoch: Called with the run and the epoch's mean figures.

    Returns:
        Where the time went.

    Raises:
        DivergedError: A loss or a weight is not finite; the last checkpoint is kept as it is.
    """
    stop = Stop() if stop is None else stop
    with closing(Ahead(run)) as ahead:
        loop = _Loop(run, report, ahead)
        while run.epoch < run.recipe.fit.epochs:
            overdue = time.monotonic() - run.saved_at >= run.recipe.fit.checkpoint_seconds
            stopping, saving = run.steps.agreed(stop.due(run), overdue)
            if stopping:
                break
            if saving:
                loop.save()
            if loop.step():
                loop.end_epoch(after_epoch)
        loop.save()
    return loop.waited


class _Loop:
    """The steps of one call of `fit`."""

    def __init__(self, run: Run, report: Report, ahead: Ahead) -> None:
        self.run, self.report, self.ahead = run, report, ahead
        with run.steps.scope():
            self.both, self.alone = run.steps.both(run.gan), run.steps.discriminator(run.gan)
        self.diary = Diary(run.folder, run.epoch)
        self.waited = Waited()
        self.pace = Pace.of(run.folder)
        self.compiled = False
        run.saved_at = time.monotonic()

    def step(self) -> bool:
        """Take one step; returns whether it was the epoch's last."""
        run, begin = self.run, time.monotonic()
        *before, last = self.ahead.take()
        drawn = time.monotonic()
        run.set_rates()
        for batch in before:
            self.alone(*batch)
        figures = self.both(*last)
        taken = time.monotonic() - drawn
        self.waited.data += drawn - begin
        self.waited.steps += taken
        self.pace, self.compiled = self.pace.after(taken) if self.compiled else self.pace, True
        if not all(np.isfinite(value) for value in figures.values()):
            raise DivergedError(run.epoch + 1, run.within + 1, str(diagnosis(run.gan, figures)))
        run.step, run.within = run.step + 1, run.within + 1
        for name, value in figures.items():
            run.sums[name] = run.sums.get(name, 0.0) + value
        self.report(run.epoch + 1, run.within, run.steps_per_epoch, figures)
        return run.within >= run.steps_per_epoch

    def end_epoch(self, after_epoch: Sequence[AfterEpoch]) -> None:
        """Count the epoch, write what people read, and call what wants to know of it."""
        run, begin = self.run, time.monotonic()
        means = {name: total / run.within for name, total in run.sums.items()}
        run.epoch, run.within, run.sums = run.epoch + 1, 0, {}
        if run.steps.chief:
            self.diary.add(run.epoch, means)
            if run.epoch % run.recipe.fit.sample_every == 0:
                write_samples(run.folder / "samples", run.epoch, run.gan.averaged, run.recipe, run.data)
        for act in after_epoch:
            act(run, means)
        self.waited.other += time.monotonic() - begin

    def save(self) -> None:
        """Write a checkpoint and draw the curves."""
        begin = time.monotonic()
        self.run.save()
        if self.run.steps.chief:
            self.diary.plot()
            self.pace.write(self.run.folder)
        self.waited.other += time.monotonic() - begin
