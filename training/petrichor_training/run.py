"""One training run: its networks, its data and how far it is, exact to the step.

Nothing random is carried along: every batch, latent and share is drawn from the recipe's seed, the epoch and the step,
so that a run that was stopped anywhere goes on as if it never had been.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from petrichor_training.block_adam import BlockAdam
from petrichor_training.checkpoint import NAME, Progress, load_checkpoint, read_progress, save_checkpoint
from petrichor_training.dataset import Dataset
from petrichor_training.diagnosis import diagnosis
from petrichor_training.errors import CheckpointError, DivergedError
from petrichor_training.gan import Gan
from petrichor_training.latents import draw_latents
from petrichor_training.networks import build_discriminator, build_generator
from petrichor_training.recipe import Recipe
from petrichor_training.settings import AnalysisSettings, NetworkSettings
from petrichor_training.streaming.batches import draw_batch, with_songs
from petrichor_training.streaming.chorus import ChorusDistance
from petrichor_training.streaming.texture_distance import TextureDistance

if TYPE_CHECKING:
    from petrichor_training.backend import Steps

HEARD_ONLY = ("iterations",)  # settings that no network sees

log = logging.getLogger(__name__)

# Recordings (where there are songs: by name), latents (for streams: the generator's inputs by name), shares: see
# `losses.mixed`.
Batch = tuple[Any, Any, np.ndarray]
SLOWEST = 0.05  # of its rates, that a run whose rates decay ends with


def build_gan(recipe: Recipe, data: Dataset) -> Gan:
    """Both networks and their optimisers, from the recipe's seed.

    Args:
        recipe: The settings.
        data: What they will learn from.

    Returns:
        Networks that can be trained.
    """
    keras.utils.set_random_seed(recipe.fit.seed)
    generator, averaged = (build_generator(recipe, data.frames, data.conditions) for _ in range(2))
    discriminator = build_discriminator(recipe, data.frames, data.conditions)
    kind = ChorusDistance if recipe.sings else TextureDistance
    distance = kind(data.conditions.centre) if data.conditions else None
    gan = Gan(generator, averaged, discriminator, recipe.fit, distance)
    optimizer = BlockAdam if recipe.fit.optimizer == "block-adam" else keras.optimizers.Adam
    gan.use_optimizers(
        discriminator=optimizer(recipe.fit.discriminator_rate, beta_1=recipe.fit.beta_1),
        generator=optimizer(recipe.fit.generator_rate, beta_1=recipe.fit.beta_1),
    )
    return gan


@dataclass
class Run:
    """One run.

    Attributes:
        folder: Where it is kept.
        recipe: Its settings.
        data: What it learns from.
        steps: How batches are computed.
        gan: The networks.
        epoch: Epochs finished.
        within: Steps taken in the epoch after those.
        step: Steps taken in all.
        sums: Of the figures over the steps of the unfinished epoch.
    """

    folder: Path
    recipe: Recipe
    data: Dataset
    steps: Steps
    gan: Gan
    epoch: int = 0
    within: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    saved_at: float = 0.0

    @property
    def batch(self) -> int:
        """Recordings in a batch: fewer than asked for only where there are fewer."""
        size = min(self.recipe.fit.batch, len(self.data.train))
        return max(size - size % self.steps.replicas, self.steps.replicas)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until the next epoch."""
        each = self.batch * self.recipe.fit.discriminator_steps
        return self.recipe.fit.steps_per_epoch or max(1, len(self.data.train) // each)

    def batches(self, epoch: int, within: int) -> list[Batch]:
        """Return the batches of one step, the last of which is for both networks; wherever the run is.

        Args:
            epoch: Epochs finished before it.
            within: Steps of its epoch before it.
        """
        count, seed = self.recipe.fit.discriminator_steps, self.recipe.fit.seed
        found: list[Batch] = []
        for index in range(within * count, (within + 1) * count):
            rng = np.random.default_rng((seed, epoch, index))
            if self.data.conditions is not None:
                fit = dataclasses.replace(self.recipe.fit, batch=self.batch)
                real, inputs = draw_batch(rng, self.data.train, self.data.conditions, fit)
                shares = rng.random(len(real), np.float32)
                if self.data.songs is None:
                    found.append((real, inputs, shares))
                else:
                    sung, whole = with_songs(rng, real, inputs, self.data.songs, self.steps.replicas)
                    found.append((sung, whole, shares))
                continue
            latents = draw_latents(rng, self.batch, self.recipe.network)
            shares = rng.random(self.batch, np.float32)
            found.append((self.data.batch(self.batch, (seed, epoch), index), latents, shares))
        return found

    def set_rates(self) -> None:
        """Give the optimisers the rates of the coming step: it is the recipe that says them, whatever they kept."""
        fit = self.recipe.fit
        left = fit.epochs - self.epoch - self.within / self.steps_per_epoch
        share = max(SLOWEST, min(1.0, left / (fit.decay * fit.epochs))) if fit.decay else 1.0
        self.gan.g_optimizer.learning_rate = fit.generator_rate * share
        self.gan.d_optimizer.learning_rate = fit.discriminator_rate * share

    def save(self) -> None:
        """Write a checkpoint; every machine keeps its own.

        Raises:
            DivergedError: A weight is not finite, which no later loss could tell in time; nothing is written.
        """
        wrong = diagnosis(self.gan, {})
        if wrong:
            raise DivergedError(self.epoch + 1, self.within + 1, wrong)
        save_checkpoint(self.folder, self.gan, self.progress(self.sums))
        self.saved_at = time.monotonic()

    def progress(self, sums: dict[str, float]) -> Progress:
        """Return how far it is, to be kept with these figures."""
        return Progress(self.epoch, self.step, self.within, sums, plain(self.recipe) | told(self.data))

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        progress = read_progress(self.folder)
        if progress is None:
            return
        check_recipe(self.folder, progress, self.recipe, self.data)
        load_checkpoint(self.folder, self.gan)
        self.epoch, self.step, self.within = progress.epoch, progress.step, progress.within
        self.sums = dict(progress.sums)
        log.info("going on after epoch %d and %d steps, step %d in all", self.epoch, self.within, self.step)


def told(data: Dataset) -> dict[str, Any]:
    """Return what a run has to remember of its cache: what was kept apart, and what levels and latents mean."""
    return {"cache": data.summary["fingerprint"]}


def check_recipe(folder: Path, progress: Progress, recipe: Recipe, data: Dataset) -> None:
    """See that a run was begun with the networks, and on the images or coordinates, that are asked for.

    Args:
        folder: Of the run.
        progress: Its checkpoint's.
        recipe: The settings; what a checkpoint does not know yet was at its default.
        data: What it is to go on with, or be exported with.

    Raises:
        CheckpointError: It was not.
    """
    wanted = plain(recipe)
    cache = progress.settings.get("cache")  # of clips, older runs do not tell it
    if cache != told(data)["cache"] and (cache is not None or recipe.streams):
        reason = "was begun on another cache, of which levels, latents and what is kept apart mean something else"
        raise CheckpointError(folder, f"{reason}: begin a new run")
    if progress.settings.get("base") != recipe.base:
        raise CheckpointError(folder, f"is of base {progress.settings.get('base')}, the recipe says {recipe.base}")
    for section, defaults in (("network", NetworkSettings()), ("analysis", AnalysisSettings())):
        begun = {**json.loads(json.dumps(dataclasses.asdict(defaults))), **progress.settings.get(section, {})}
        for key, value in wanted[section].items():
            if begun[key] != value and key not in HEARD_ONLY:
                reason = f"was begun with {section}.{key} = {begun[key]}, the recipe says {value}"
                raise CheckpointError(folder, reason)


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe's settings as JSON has them."""
    settings: dict[str, Any] = json.loads(json.dumps(recipe.as_dict()))
    return settings


def open_run(folder: Path, recipe: Recipe, data: Dataset, steps: Steps) -> Run:
    """Begin a run, or go on with the one in the folder.

    Args:
        folder: Of the run, made if need be.
        recipe: The settings.
        data: The prepared cache.
        steps: How batches are computed, from `backend.open_steps`.

    Returns:
        A run ready to train.

    Raises:
        CheckpointError: The folder holds another recipe's run, or a damaged one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with steps.scope():
        run = Run(folder, recipe, data, steps, build_gan(recipe, data))
        run.resume()
    if not steps.alike(run.step):
        reason = f"is at step {run.step}, another machine's run at another: give all of them one machine's {NAME}"
        raise CheckpointError(folder, reason)
    (folder / "recipe.json").write_text(json.dumps(plain(recipe), indent=1), "utf-8")
    return run
