"""The training loop: batches in, checkpoints, samples and curves out; it can be stopped at any time.

A run folder holds ``checkpoint.npz``, ``recipe.json``, ``losses.csv``, ``probs.csv``, ``losses.png``,
``probabilities.png`` and ``samples/``. Where there is a checkpoint, the run goes on from it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from petrichor_training.block_adam import BlockAdam
from petrichor_training.checkpoint import Progress, load_checkpoint, read_progress, save_checkpoint
from petrichor_training.dataset import Dataset
from petrichor_training.diary import Diary
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.gan import Gan
from petrichor_training.latents import draw_latents
from petrichor_training.networks import build_discriminator, build_generator
from petrichor_training.recipe import Recipe
from petrichor_training.samples import write_samples

log = logging.getLogger(__name__)

Report = Callable[[int, int, int, dict[str, float]], None]  # epoch, step in it, steps per epoch, latest figures


def silent_report(epoch: int, step: int, steps: int, figures: dict[str, float]) -> None:
    """Report nothing."""


def use_devices(threads: int = 0) -> None:
    """Let GPU memory grow as needed, and limit threads; to be called before anything is computed.

    Args:
        threads: For one operation; 0 = as many as there are cores.
    """
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def build_gan(recipe: Recipe, frames: int) -> Gan:
    """Both networks and their optimisers, from the recipe's seed.

    Args:
        recipe: The settings.
        frames: Samples per clip.

    Returns:
        A compiled `Gan`.
    """
    keras.utils.set_random_seed(recipe.fit.seed)
    generator, averaged = build_generator(recipe, frames), build_generator(recipe, frames)
    gan = Gan(generator, averaged, build_discriminator(recipe, frames))
    optimizer = BlockAdam if recipe.fit.optimizer == "block-adam" else keras.optimizers.Adam
    gan.compile(
        d_optimizer=optimizer(recipe.fit.discriminator_rate, beta_1=recipe.fit.beta_1),
        g_optimizer=optimizer(recipe.fit.generator_rate, beta_1=recipe.fit.beta_1),
        loss=recipe.fit.loss,
        average=recipe.fit.average,
    )
    return gan


@dataclass
class Run:
    """One run: networks, data, randomness and how far it is."""

    folder: Path
    recipe: Recipe
    data: Dataset
    gan: Gan
    rng: np.random.Generator
    epoch: int = 0
    step: int = 0
    saved_at: float = 0.0

    def save(self) -> None:
        """Write a checkpoint."""
        state = dict(self.rng.bit_generator.state)
        save_checkpoint(self.folder, self.gan, Progress(self.epoch, self.step, state, _plain(self.recipe)))
        self.saved_at = time.monotonic()

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        progress = read_progress(self.folder)
        if progress is None:
            return
        for section in ("base", "network"):
            got, wanted = progress.settings.get(section), _plain(self.recipe)[section]
            if got != wanted:
                raise CheckpointError(self.folder, f"was begun with {section} = {got}, the recipe says {wanted}")
        load_checkpoint(self.folder, self.gan)
        self.epoch, self.step = progress.epoch, progress.step
        self.rng.bit_generator.state = progress.random_state
        log.info("going on after epoch %d, step %d", self.epoch, self.step)


def _plain(recipe: Recipe) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(recipe.as_dict()))
    return plain


def open_run(folder: Path, recipe: Recipe, data: Dataset) -> Run:
    """Begin a run, or go on with the one in the folder.

    Args:
        folder: Of the run, made if need be.
        recipe: The settings.
        data: The prepared cache.

    Returns:
        A run ready to train.

    Raises:
        CheckpointError: The folder holds another recipe's run, or a damaged one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder, recipe, data, build_gan(recipe, data.frames), np.random.default_rng(recipe.fit.seed))
    run.resume()
    (folder / "recipe.json").write_text(json.dumps(_plain(recipe), indent=1), "utf-8")
    return run


def fit(run: Run, report: Report = silent_report, seconds: float = float("inf")) -> int:
    """Train until the recipe's last epoch, the time limit, or Ctrl-C; every way out saves.

    Args:
        run: From `open_run`.
        report: Called after every step.
        seconds: Wall-clock limit; checked after every epoch.

    Returns:
        Epochs finished.

    Raises:
        DivergedError: A loss is not finite; the last checkpoint is kept as it is.
    """
    step = tf.function(run.gan.train_step)
    diary, started = Diary(run.folder, run.epoch), time.monotonic()
    run.saved_at = started
    with contextlib.suppress(KeyboardInterrupt):
        while run.epoch < run.recipe.fit.epochs and time.monotonic() - started < seconds:
            means = _epoch(run, step, report)
            run.epoch += 1
            diary.add(run.epoch, means)
            if run.epoch % run.recipe.fit.sample_every == 0:
                write_samples(run.folder / "samples", run.epoch, run.gan.averaged, run.recipe, run.data)
            if time.monotonic() - run.saved_at >= run.recipe.fit.checkpoint_seconds:
                run.save()
                diary.plot()
    run.save()
    diary.plot()
    return run.epoch


def _epoch(run: Run, step: Callable[..., Any], report: Report) -> dict[str, float]:
    """One pass; returns the means of what the steps gave."""
    settings, data = run.recipe.fit, run.data
    size = min(settings.batch, len(data.train))
    steps = settings.steps_per_epoch or len(data.train) // size
    sums: dict[str, float] = {}
    for index, batch in enumerate(data.batches(size, steps, run.rng)):
        latents = draw_latents(run.rng, size, run.recipe.network)
        given = step((tf.constant(batch), tf.constant(latents)))
        figures = {name: float(value) for name, value in given.items()}
        if not all(np.isfinite(value) for value in figures.values()):
            raise DivergedError(run.epoch + 1, index + 1, _diagnosis(run.gan, figures))
        run.step += 1
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + value / steps
        report(run.epoch + 1, index + 1, steps, figures)
    return sums


def _diagnosis(gan: Gan, figures: dict[str, float]) -> str:
    """Which figures and which weights are no longer numbers, and what usually helps."""
    bad = [name for name, value in figures.items() if not np.isfinite(value)]
    sick = [_sick(network) for network in (gan.generator, gan.discriminator)]
    where = "; ".join(filter(None, sick)) or "all weights still finite"
    return f"{', '.join(bad)} not finite; {where}. Go on from the last checkpoint with a lower discriminator_rate."


def _sick(network: keras.Model) -> str:
    """The first weights of a network that are not finite."""
    paths = [weight.path for weight in network.weights if not np.all(np.isfinite(weight.numpy()))]
    return f"in the {network.name} {len(paths)} weights not finite, first {paths[0]}" if paths else ""
