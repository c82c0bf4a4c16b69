"""A run's state in one file that is always whole: weights, optimisers, epoch and step."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from petrichor_training.errors import CheckpointError
from petrichor_training.gan import Gan

NAME = "checkpoint.npz"
BEST = "best.npz"  # only what is exported: see `assessment`


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: Epochs finished.
        step: Steps taken in all.
        within: Steps taken in the unfinished epoch.
        sums: Of the figures over those.
        settings: The recipe, to be compared on resuming.
    """

    epoch: int
    step: int
    within: int
    sums: dict[str, float]
    settings: dict[str, Any]


def _groups(gan: Gan) -> dict[str, Sequence[keras.Variable]]:
    return {
        "generator": gan.generator.weights,
        "averaged": gan.averaged.weights,
        "discriminator": gan.discriminator.weights,
        "g_optimizer": gan.g_optimizer.variables,
        "d_optimizer": gan.d_optimizer.variables,
    }


def save_checkpoint(folder: Path, gan: Gan, progress: Progress) -> None:
    """Write the state; whoever is killed here leaves the previous state untouched.

    Args:
        folder: Of the run.
        gan: Compiled networks.
        progress: How far it is.
    """
    _write(folder / NAME, _groups(gan), progress)


def save_averaged(path: Path, gan: Gan, progress: Progress) -> None:
    """Write only what is exported; whoever is killed here leaves the file as it was.

    Args:
        path: In the folder of the run.
        gan: Its networks.
        progress: How far it is.
    """
    _write(path, {"averaged": gan.averaged.weights}, progress)


def _write(path: Path, groups: dict[str, Sequence[keras.Variable]], progress: Progress) -> None:
    arrays = {
        f"{group}/{index}": keras.ops.convert_to_numpy(variable)
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }
    arrays["progress"] = np.frombuffer(json.dumps(progress.__dict__).encode(), np.uint8)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def read_progress(folder: Path, name: str = NAME) -> Progress | None:
    """How far the run in a folder is.

    Args:
        folder: Of the run.
        name: Of the file in it.

    Returns:
        None where there is no checkpoint.

    Raises:
        CheckpointError: It is damaged.
    """
    path = folder / name
    if not path.is_file():
        return None
    try:
        # Opened here: numpy leaves a file that is no archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Progress(**json.loads(arrays["progress"].tobytes()))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(path, f"cannot be read: {error}") from error


def _assign(path: Path, groups: dict[str, Sequence[keras.Variable]]) -> None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            for group, variables in groups.items():
                for index, variable in enumerate(variables):
                    variable.assign(arrays[f"{group}/{index}"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(path, f"does not fit this recipe: {error}") from error


def load_checkpoint(folder: Path, gan: Gan) -> None:
    """Put a checkpoint's state into networks that have been built.

    Args:
        folder: Of the run; must hold a checkpoint.
        gan: Networks of the same recipe.

    Raises:
        CheckpointError: It is damaged, or of another architecture.
    """
    _assign(folder / NAME, _groups(gan))


def load_averaged(folder: Path, generator: keras.Model, name: str = NAME) -> None:
    """Put the averaged generator of a checkpoint into a network.

    Args:
        folder: Of the run.
        generator: Of the same recipe.
        name: Of the file in it.

    Raises:
        CheckpointError: There is none, it is damaged, or of another architecture.
    """
    _assign(folder / name, {"averaged": generator.weights})
