"""A prepared cache, and batches from it whose order can be stopped and resumed exactly."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from petrichor_training.errors import DataError
from petrichor_training.recipe import Recipe
from petrichor_training.streaming.conditions import Conditions
from petrichor_training.streaming.syllables import IDENTITY, Songs


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training windows, memory-mapped.

    Attributes:
        train: Shape [count, frames] float32, or [count, image, image, channels] uint8.
        validation: As `train`.
        summary: What ``prepared.json`` holds.
        credits: Markdown.
        conditions: Of the windows, for a stream.
        songs: What birds sang in them, for a stream that sings.
    """

    train: np.ndarray
    validation: np.ndarray
    summary: dict[str, Any]
    credits: str
    conditions: Conditions | None = None
    songs: Songs | None = None

    @property
    def frames(self) -> int:
        """Samples per window."""
        return int(self.summary["frames"])

    def batch(self, size: int, seed: tuple[int, ...], index: int) -> np.ndarray:
        """One of the batches of an epoch, whichever of them was asked for before.

        Args:
            size: Recordings in it, no more than there are.
            seed: Decides the order; another for every epoch.
            index: From 0; where the data are used up they begin again in another order, the remainder left out.

        Returns:
            Float32, Shape [size, frames] or [size, image, image, channels].
        """
        per_pass = len(self.train) // size
        order = _order((*seed, index // per_pass), len(self.train))
        start = index % per_pass * size
        return as_input(self.train[np.sort(order[start : start + size])])


@lru_cache(maxsize=2)
def _order(seed: tuple[int, ...], count: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)


def as_input(windows: np.ndarray) -> np.ndarray:
    """Windows as the discriminator takes them.

    Args:
        windows: Shape [count, frames] float32 or [count, image, image, channels] uint8.

    Returns:
        Float32, the same shape: sound as it is; images as 0…1.
    """
    if windows.dtype == np.uint8:
        return windows.astype(np.float32) / 255.0
    return np.asarray(windows, dtype=np.float32)


def evenly(windows: np.ndarray, most: int) -> np.ndarray:
    """Return so many windows at most, evenly chosen, as the discriminator takes them.

    Args:
        windows: As in `as_input`.
        most: How many.
    """
    return as_input(windows[np.unique(np.linspace(0, len(windows) - 1, min(most, len(windows))).astype(int))])


def decides(recipe: Recipe) -> tuple[str, ...]:
    """Return the sections of a recipe that decide what a cache holds."""
    return ("prepare", "analysis") if recipe.base == "rain" else ("prepare",)


def _check_settings(path: Path, summary: dict[str, Any], recipe: Recipe) -> None:
    for section in decides(recipe):
        wanted = json.loads(json.dumps(dataclasses.asdict(getattr(recipe, section))))
        for key, value in wanted.items():
            got = summary.get(section, {}).get(key)
            if got != value and not (got is None and not value):  # what a cache does not know yet was not asked for
                raise DataError(path, f"prepared with {section}.{key} = {got}, the recipe says {value}: prepare again")


def load_dataset(path: Path, recipe: Recipe) -> Dataset:
    """Open a prepared cache.

    Args:
        path: The folder `prepare` wrote.
        recipe: Must ask for what was prepared.

    Returns:
        The data.

    Raises:
        DataError: No cache, or one prepared with other settings, or nothing in it.
    """
    try:
        summary = json.loads((path / "prepared.json").read_text("utf-8"))
        train, validation = (np.load(path / f"{name}.npy", mmap_mode="r") for name in ("train", "validation"))
        credits = (path / "CREDITS.md").read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DataError(path, f"not a prepared cache ({error}); run petrichor-train prepare first") from error
    if summary.get("base") != recipe.base:
        raise DataError(path, f"prepared for {summary.get('base')}, the recipe is {recipe.base}")
    _check_settings(path, summary, recipe)
    if len(train) == 0:
        raise DataError(path, "holds no training windows")
    if not recipe.streams:
        return Dataset(train, validation, summary, credits)
    conditions = Conditions.load(path)
    own = IDENTITY if recipe.sings else 0
    got, wanted = conditions.latents.shape[1] + own, recipe.network.latent_size
    if got != wanted:
        raise DataError(path, f"prepared with network.latent_size = {got}, the recipe says {wanted}: prepare again")
    return Dataset(train, validation, summary, credits, conditions, Songs.load(path) if recipe.sings else None)
