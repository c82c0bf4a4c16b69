"""A prepared cache, and batches from it whose order can be stopped and resumed exactly."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from petrichor_training.errors import DataError
from petrichor_training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training windows, memory-mapped.

    Attributes:
        train: Shape [count, frames] float32, or [count, image, image] uint8.
        validation: As `train`.
        summary: What ``prepared.json`` holds.
        credits: Markdown.
    """

    train: np.ndarray
    validation: np.ndarray
    summary: dict[str, Any]
    credits: str

    @property
    def frames(self) -> int:
        """Samples per window."""
        return int(self.summary["frames"])

    def batches(self, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Batches of one epoch, reshuffled.

        Args:
            size: Windows per batch; smaller only where the data are fewer.
            steps: Batches wanted; 0 = once through the data, the remainder left for another epoch.
            rng: Decides the order.

        Yields:
            Float32 batches, Shape [size, frames] or [size, image, image, 1].
        """
        size = min(size, len(self.train))
        per_pass = len(self.train) // size
        order = rng.permutation(len(self.train))
        for step in range(steps or per_pass):
            start = step % per_pass * size
            if step and start == 0:
                order = rng.permutation(len(self.train))
            yield as_input(self.train[np.sort(order[start : start + size])])


def as_input(windows: np.ndarray) -> np.ndarray:
    """Windows as the discriminator takes them.

    Args:
        windows: Shape [count, frames] float32 or [count, image, image] uint8.

    Returns:
        Float32: sound as it is; images as 0…1, Shape [count, image, image, 1].
    """
    if windows.dtype == np.uint8:
        return windows[..., None].astype(np.float32) / 255.0
    return np.asarray(windows, dtype=np.float32)


def _check_settings(path: Path, summary: dict[str, Any], recipe: Recipe) -> None:
    for section in ("prepare", "analysis"):
        wanted = json.loads(json.dumps(dataclasses.asdict(getattr(recipe, section))))
        for key, value in wanted.items():
            got = summary.get(section, {}).get(key)
            if got != value:
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
    return Dataset(train, validation, summary, credits)
