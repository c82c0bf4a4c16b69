"""Judges of textures: each looks at all of a stretch at one pace and answers once.

Most forty milliseconds of rain are like most others, so a judge of patches stays at chance. These take the mean, the
spread and the strongest moments of what they see over the whole stretch.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from petrichor_training.layers import SpectralConv1D, SpectralDense
from petrichor_training.streaming.conditions import FLOOR
from petrichor_training.streaming.lapped import averaged, powers
from petrichor_training.streaming.zones import COUNTS, ZONES

Tensor = Any

WIDTH, DEPTH, SEEN = 32, 3, 5  # channels, convolutions, blocks that each sees
STRONGEST = 0.06  # share of moments
# Zones that each looks at, averaged to the blocks of the first, and over so many of those.
VIEWS: tuple[tuple[tuple[int, ...], int], ...] = (((2, 3), 1), ((0, 1, 2, 3), 1), ((0, 1, 2, 3), 8))


class PooledDiscriminator(keras.Model):
    """From sound to one logit, the sum of all views'.

    Args:
        centre: Mean log power of every band. Shape [BANDS]
    """

    def __init__(self, centre: np.ndarray) -> None:
        """Make the layers."""
        super().__init__(name="discriminator")
        self._centres = np.split(centre.astype(np.float32), np.cumsum(COUNTS)[:-1])
        self._convolutions = [[SpectralConv1D(WIDTH, SEEN) for _ in range(DEPTH)] for _ in VIEWS]
        self._answers = [SpectralDense(1) for _ in VIEWS]

    def call(self, sound: Tensor | dict[str, Tensor], training: bool = False) -> Tensor:
        """Shape [batch, frames] to [batch, 1]; where there are songs beside the sound, they are not looked at."""
        sound = sound["sound"] if isinstance(sound, dict) else sound
        hops = sound.shape[1] // ZONES[0].size - 1
        found = [power[:, : hops * zone.blocks] for zone, power in zip(ZONES, powers(sound), strict=True)]
        logits = 0.0
        for (zones, pace), convolutions, answer in zip(VIEWS, self._convolutions, self._answers, strict=True):
            seen = [
                self._seen(found[zone], zone, ZONES[zone].blocks // ZONES[zones[0]].blocks * pace) for zone in zones
            ]
            signal = ops.concatenate(seen, axis=2)
            for convolution in convolutions:
                signal = ops.leaky_relu(convolution(signal, training=training), 0.2)
            logits = logits + answer(_pooled(signal), training=training)
        return logits

    def _seen(self, power: Tensor, zone: int, blocks: int) -> Tensor:
        return 0.5 * (ops.log(averaged(power, blocks) + FLOOR) - self._centres[zone])


def _pooled(signal: Tensor) -> Tensor:
    """Mean, spread and strongest moments over time. Shape [batch, 3 · channels]"""
    most = max(1, round(STRONGEST * signal.shape[1]))
    strongest = ops.mean(ops.sort(signal, axis=1)[:, -most:], axis=1)
    spread = ops.sqrt(ops.var(signal, axis=1) + 1e-6)
    return ops.concatenate((ops.mean(signal, axis=1), spread, strongest), axis=1)
