"""What chance gives to a streaming texture: grain, drops, signs, and slow processes with which it breathes.

In training it is drawn here for whole stretches; on stage the host draws it for a few hops at once, and the network
keeps the slow processes in its state.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from petrichor_training.streaming.zones import HOP, RATE, ZONES

GRAINS = (12, 16, 16, 16)  # Gaussian channels of each zone
DROPS = (6, 6, 6, 6)  # channels of each zone in which now and then something happens
TIMES = (0.05, 0.2, 0.8, 3.0)  # seconds: how long the slow processes remember
TOGETHER = 4  # slow processes of each
SLOW = TOGETHER * len(TIMES)
KEEP = np.exp(-HOP / (np.repeat(TIMES, TOGETHER) * RATE)).astype(np.float32)  # of themselves, in a hop


def columns(zone: int) -> int:
    """Return how many Gaussian numbers each block of a zone takes: grain, and two for each drop."""
    return GRAINS[zone] + 2 * DROPS[zone]


def draw_noise(rng: np.random.Generator, count: int, hops: int) -> dict[str, np.ndarray]:
    """Return noise for so many hops, as the network takes it.

    Args:
        rng: Where randomness comes from.
        count: Stretches.
        hops: Of each.

    Returns:
        Float32: `noise_Z`, Shape [count, blocks, columns(Z)], and `carrier_Z`, Shape [count, blocks, zone.count], for
        every zone Z; `slow`, Shape [count, hops, SLOW].
    """
    drawn = draw_steps(rng, count, hops)
    drawn["slow"] = slow_processes(drawn.pop("steps"))
    return drawn


def draw_steps(rng: np.random.Generator, count: int, hops: int) -> dict[str, np.ndarray]:
    """Return the same with `steps` in place of `slow`: what `slow_processes` makes those from."""
    drawn: dict[str, np.ndarray] = {}
    for index, zone in enumerate(ZONES):
        blocks = hops * zone.blocks
        drawn[f"noise_{index}"] = rng.standard_normal((count, blocks, columns(index)), np.float32)
        drawn[f"carrier_{index}"] = rng.standard_normal((count, blocks, zone.count), np.float32)
    drawn["steps"] = rng.standard_normal((count, hops + 1, SLOW), np.float32)
    return drawn


def slow_processes(steps: np.ndarray) -> np.ndarray:
    """Return Ornstein-Uhlenbeck processes of unit variance.

    Args:
        steps: Gaussian; the first are where they begin. Shape [count, 1 + hops, SLOW]

    Returns:
        Float32. Shape [count, hops, SLOW]
    """
    gains = np.sqrt(1 - np.square(KEEP))
    found = np.empty((len(steps), steps.shape[1] - 1, SLOW), np.float32)
    for index, (keep, gain) in enumerate(zip(KEEP, gains, strict=True)):
        begin = keep * steps[:, :1, index]
        found[:, :, index] = lfilter([gain], [1.0, -keep], steps[:, 1:, index], axis=1, zi=begin)[0]
    return found
