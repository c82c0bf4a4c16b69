"""What the recordings differ in, as coordinates a performer can play: a latent vector and an intensity per window.

The intensity is a window's rank in density, from single drops to hiss. The latent holds what else its bands do: their
levels, how much these move, and at which pace; principal components, each given a Gaussian's distribution, so that
truncation means something. Two matrices lead back from there to the level and the spread of every band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from petrichor_training.quality.character import event_rate
from petrichor_training.streaming.measured import Measured, gaussian_components, share_below
from petrichor_training.streaming.zones import RATE, ZONES, waves

NAME = "conditions.npz"
VERSION = 2  # of how they are found, zones and measures included: raised when the same windows would get others
FLOOR = 1e-9  # added to powers before their logarithm is taken: 70 dB below a window's level
PACES = (0.02, 0.08, 0.32)  # seconds over which powers are averaged, to see how much they move at which pace
WEIGHTS = (1.0, 2.0, 3.0)  # of levels, spreads and movements when components are looked for
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Conditions(Measured):
    """Of the windows that a streaming voice learns from.

    Attributes:
        latents: Shape [windows, latent_size]
        intensities: 0…1. Shape [windows, 1]
        shares: How often each window is to be drawn; recordings count by the root of their length. Shape [windows]
        levels: From `coordinates` to the mean log powers of the bands. Shape [latent_size + 3, BANDS]
        spreads: The same to the logarithm of their standard deviation.
        offsets: What those leave of the bands' mean log powers in each window. Shape [windows, BANDS]
        centre: Mean log power of every band over all windows. Shape [BANDS]
    """

    file_name = NAME
    called = "conditions"

    latents: np.ndarray
    intensities: np.ndarray
    shares: np.ndarray
    levels: np.ndarray
    spreads: np.ndarray
    offsets: np.ndarray
    centre: np.ndarray


def coordinates(latents: np.ndarray, intensities: np.ndarray) -> np.ndarray:
    """Return what levels and spreads are read from: latent, intensity, its square, and 1.

    Args:
        latents: Shape [count, latent_size].
        intensities: 0…1. Shape [count, 1]
    """
    return np.concatenate((latents, intensities, np.square(intensities), np.ones_like(intensities)), axis=1)


def conditions_of(windows: np.ndarray, groups: np.ndarray, latent_size: int) -> Conditions:
    """Find the coordinates of windows.

    Args:
        windows: At `RATE`, of one level but for those whose peaks forbid it. Shape [windows, frames]
        groups: The recording group of each. Shape [windows]
        latent_size: Coordinates wanted.

    Raises:
        ValueError: There are no more windows than coordinates, or more coordinates than measures.
    """
    if len(windows) <= latent_size + 3:
        raise ValueError(
            f"{len(windows)} windows, expected more than {latent_size + 3}, three beyond the coordinates of a texture"
        )
    described = [_described(window) for window in windows]
    levels, spreads, movements = (np.stack(part) for part in zip(*described, strict=True))
    shares = _shares(groups)
    intensities = share_below(np.array([event_rate(window) for window in windows]), shares)[:, None]
    latents = _latents((levels, spreads, movements), intensities, shares, latent_size)
    along = coordinates(latents, intensities)
    both = [_regression(along, wanted, shares, RIDGE) for wanted in (levels, spreads)]
    arrays = (latents, intensities, shares, *both, levels - along @ both[0], shares @ levels)
    return Conditions(*(array.astype(np.float32) for array in arrays))


def log_powers(window: np.ndarray) -> list[np.ndarray]:
    """Return the log powers of a window in every zone. Shape [blocks, count] each

    Args:
        window: At `RATE`. Shape [frames]
    """
    found = []
    for zone in ZONES:
        pieces = np.lib.stride_tricks.sliding_window_view(window, 2 * zone.size)[:: zone.size]
        real, imaginary = (np.square(pieces @ wave) for wave in waves(zone))
        found.append(np.log(0.5 * (real + imaginary) + FLOOR))
    return found


def _described(window: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the bands' log powers, logarithms of their spreads, and how much they move at every pace."""
    logs = log_powers(window)
    levels = np.concatenate([log.mean(axis=0) for log in logs])
    spreads = np.concatenate([np.log(log.std(axis=0)) for log in logs])
    movements = [
        _movement(np.exp(log), zone.size, pace) for zone, log in zip(ZONES, logs, strict=True) for pace in PACES
    ]
    return levels, spreads, np.array(movements)


def _movement(powers: np.ndarray, size: int, pace: float) -> float:
    blocks = max(1, round(pace * RATE / size))
    whole = powers[: len(powers) // blocks * blocks]
    averaged = whole.reshape(-1, blocks, powers.shape[1]).mean(axis=1)
    return float(np.log(averaged).std(axis=0).mean())


def _shares(groups: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    shares = 1 / np.sqrt(counts[places])
    return np.asarray(shares / shares.sum())


def _latents(
    described: tuple[np.ndarray, ...], intensities: np.ndarray, shares: np.ndarray, latent_size: int
) -> np.ndarray:
    """Principal components of what intensity does not explain, each as a Gaussian. Shape [windows, latent_size]"""
    whole = np.concatenate([weight * part for weight, part in zip(WEIGHTS, described, strict=True)], axis=1)
    along = np.concatenate((np.ones_like(intensities), intensities, np.square(intensities)), axis=1)
    rest = whole - along @ _regression(along, whole, shares, 0.0)
    return gaussian_components(rest, shares, latent_size)


def _regression(along: np.ndarray, wanted: np.ndarray, shares: np.ndarray, ridge: float) -> np.ndarray:
    """Weighted least squares. Shape [columns of along, columns of wanted]"""
    weighted = along * shares[:, None]
    return np.linalg.solve(weighted.T @ along + ridge * np.eye(along.shape[1]), weighted.T @ wanted)
