"""What streams are conditioned on, once it is measured on recordings: kept in a cache, and found as coordinates.

Pure; numpy and scipy.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from scipy.stats import norm

from petrichor_training.errors import DataError
from petrichor_training.replacement import replacing

T = TypeVar("T", bound="Measured")

BEYOND = 1e-3  # of probability: no coordinate lies further out


class Measured:
    """Base of a dataclass of arrays that a prepared cache holds in one file."""

    file_name: ClassVar[str]
    called: ClassVar[str]  # in messages

    def save(self, folder: Path) -> None:
        """Write them into a prepared cache."""
        with replacing(folder / self.file_name) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **self.__dict__)

    @classmethod
    def load(cls: type[T], folder: Path) -> T:
        """Read those of a prepared cache.

        Raises:
            DataError: There are none, or the file is damaged.
        """
        try:
            with (folder / cls.file_name).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})  # type: ignore[attr-defined]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(folder, f"no {cls.called} in it ({error}); run petrichor-train prepare again") from error


def gaussian_components(rest: np.ndarray, shares: np.ndarray, count: int) -> np.ndarray:
    """Return principal components, each given a Gaussian's distribution.

    Args:
        rest: What is to be told apart, of mean 0. Shape [things, measures]
        shares: How much each counts, 1 in all. Shape [things]
        count: Components wanted.

    Returns:
        Shape [things, count]

    Raises:
        ValueError: There are fewer.
    """
    _, _, components = np.linalg.svd(rest * np.sqrt(shares)[:, None], full_matrices=False)
    if count > len(components):
        raise ValueError(
            f"{len(components)} components to be told apart, expected {count}, one for each coordinate of a latent"
        )
    kept = components[:count]
    signs = np.sign(kept[np.arange(count), np.argmax(np.abs(kept), axis=1)])  # else they are the library's whim
    places = rest @ (kept * signs[:, None]).T
    below = np.stack([share_below(column, shares) for column in places.T], axis=1)
    return np.asarray(norm.ppf(np.clip(below, BEYOND, 1 - BEYOND)))


def share_below(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return how much of all is below each value, half of its own share included: 0…1. Shape [things]"""
    order = np.argsort(values)
    below = np.empty(len(values))
    below[order] = np.cumsum(shares[order]) - 0.5 * shares[order]
    return below
