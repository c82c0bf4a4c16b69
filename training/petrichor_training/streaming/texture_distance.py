"""How unlike two textures are: a distance of distributions between what was recorded and what is made.

Of each stretch, statistics are taken of its powers in all bands: marginals, steps in time, how bands go together, at
paces from a millisecond to the whole stretch. The energy distance then compares two stretches of a recording and two
that were made from its coordinates: it is least where made ones differ from recorded ones no more than from each
other, so that it never pays to make the average of all rain.

Arithmetic in Keras operations, for the training step.

Reference:
    McDermott & Simoncelli 2011 (texture statistics); Székely & Rizzo 2013 (energy distance); Gritsenko et al. 2020, "A
    spectral energy distance for parallel speech synthesis".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from petrichor_training.streaming.conditions import FLOOR
from petrichor_training.streaming.lapped import averaged, powers
from petrichor_training.streaming.zones import COUNTS, ZONES

Tensor = Any

QUANTILES, SAMPLED = 32, 512  # of a marginal, from so many moments at most
STEPS = (1, 2, 4)  # blocks between which steps in time are looked at
PACES = {1: 1.0, 4: 1.5, 16: 2.5, 64: 4.0}  # hops that are averaged, and how much the smaller movements left then count
QUIETEST = 1e-6  # of a zone's usual power


class TextureDistance:
    """Between recorded and made stretches.

    Args:
        centre: Mean log power of every band over all recordings: each is held against its own. Shape [BANDS]
    """

    def __init__(self, centre: np.ndarray) -> None:
        """Keep the centre by zone."""
        self._centre = centre.astype(np.float32)
        self._centres = np.split(self._centre, np.cumsum(COUNTS)[:-1])

    def __call__(self, real: Tensor, made: Tensor) -> Tensor:
        """Return the energy distance less what does not depend on the made ones. A scalar.

        Args:
            real: Two stretches of each window, one after the other. Shape [2 · windows, frames]
            made: Two from the coordinates of each, in the same order. Shape [2 · windows, frames]
        """
        recorded, fakes = self.statistics(real), self.statistics(made)
        classes = np.repeat(np.arange(len(fakes)), [part.shape[1] for part in fakes])
        ones, others = (ops.concatenate(parts, axis=1) for parts in (recorded, fakes))
        pairs = [(fake, one) for fake in (others[::2], others[1::2]) for one in (ones[::2], ones[1::2])]
        across = sum(_between(*pair, classes) for pair in pairs)
        return ops.mean(0.5 * across - _between(others[::2], others[1::2], classes))

    def statistics(self, sound: Tensor) -> list[Tensor]:
        """Return the statistics of stretches, by class; each class of about the same weight.

        Args:
            sound: Whole hops. Shape [batch, frames]
        """
        hops = sound.shape[1] // (ZONES[0].size) - 1
        found = [power[:, : hops * zone.blocks] for zone, power in zip(ZONES, powers(sound), strict=True)]
        classes = [part for index, power in enumerate(found) for part in self._of_zone(index, power)]
        together = ops.concatenate([averaged(power, zone.blocks) for zone, power in zip(ZONES, found, strict=True)], 2)
        for pace, weight in PACES.items():
            if together.shape[1] >= 2 * pace:
                classes += self._of_pace(averaged(together, pace), weight)
        classes.append(_scaled(self._logs(averaged(together, together.shape[1]), self._centre)))
        return classes

    def _of_zone(self, index: int, power: Tensor) -> list[Tensor]:
        logs = self._logs(power, self._centres[index])
        whole = ops.mean(power * np.exp(-self._centres[index]), axis=2, keepdims=True)
        total = ops.log(whole + QUIETEST)
        found = [_scaled(part) for part in _marginals([logs, total], QUANTILES)]
        found += [_scaled(part, 0.7) for part in _marginals([_steps(logs, lag) for lag in STEPS], 8)]
        found += [_scaled(part, 0.5) for part in _marginals([_steps(total, lag) for lag in (*STEPS, 8)], 16)]
        moving = logs - ops.mean(logs, axis=1, keepdims=True)
        return [*found, _scaled(_covariance(moving, 0)), *(_scaled(_covariance(moving, lag), 0.7) for lag in (1, 3))]

    def _of_pace(self, power: Tensor, weight: float) -> list[Tensor]:
        logs = self._logs(power, self._centre)
        moving = weight * (logs - ops.mean(logs, axis=1, keepdims=True))
        return [
            _scaled(_quantiles(logs, min(QUANTILES, logs.shape[1]))),
            _scaled(_quantiles(weight * _steps(logs, 1), min(16, logs.shape[1] - 1)), 0.5),
            _scaled(_covariance(moving, 0)),
            _scaled(_covariance(moving, 1), 0.7),
        ]

    @staticmethod
    def _logs(power: Tensor, centre: np.ndarray) -> Tensor:
        return 0.5 * (ops.log(power + FLOOR) - centre)


def _steps(logs: Tensor, lag: int) -> Tensor:
    return ops.abs(logs[:, lag:] - logs[:, :-lag])


def _quantiles(values: Tensor, count: int) -> Tensor:
    """Values of every band in order, as `count` means. Shape [batch, count, bands]"""
    stride = -(-values.shape[1] // SAMPLED)
    ordered = ops.sort(values[:, ::stride], axis=1)
    each = ordered.shape[1] // count
    begin = (ordered.shape[1] - each * count) // 2
    kept = ordered[:, begin : begin + each * count]
    return ops.mean(ops.reshape(kept, (-1, count, each, values.shape[2])), axis=2)


def _marginals(several: list[Tensor], count: int) -> list[Tensor]:
    """Quantiles of several series, sorted at one go: every sort is many nodes to trace before the first step."""
    shortest = min(series.shape[1] for series in several)
    together = _quantiles(ops.concatenate([series[:, :shortest] for series in several], axis=2), count)
    places = np.cumsum([series.shape[2] for series in several])[:-1].tolist()
    return list(ops.split(together, places, axis=2))


def _covariance(moving: Tensor, lag: int) -> Tensor:
    """Between all bands, `lag` blocks apart. Shape [batch, bands, bands]"""
    later, earlier = moving[:, lag:], moving[:, : moving.shape[1] - lag]
    return ops.matmul(ops.transpose(later, (0, 2, 1)), earlier) / later.shape[1]


def _scaled(values: Tensor, weight: float = 1.0) -> Tensor:
    """As one vector per stretch, whose length does not grow with its number of entries."""
    flat = ops.reshape(values, (values.shape[0], -1))
    return flat * (weight / np.sqrt(flat.shape[1]))


def _between(one: Tensor, other: Tensor, classes: np.ndarray) -> Tensor:
    """Sum over classes of the Euclidean distances; `classes` says which each entry is of. Shape [windows]"""
    squares = ops.segment_sum(ops.transpose(ops.square(one - other)), classes, int(classes[-1]) + 1)
    return ops.sum(ops.sqrt(squares + 1e-8), axis=0)
