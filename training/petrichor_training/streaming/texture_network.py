"""The generator of a streaming texture: causal, from noise to the powers of every band, at four paces.

Each of the `zones` has its own pace. At the slowest, grain, drops and slow processes come in; what its blocks make of
them is handed to the next, twice as fast, which adds its own. Every zone has two outcomes, a background and events,
whose powers add. Latent and intensity turn every zone (FiLM), say how rare drops are, and, by two matrices, what level
and spread each band has, so that the network itself makes only texture. Convolutions are separable.

Arithmetic only, and `step` has to do the same: change both.

Reference:
    Perez et al. 2018 (FiLM); Yu & Koltun 2016 (dilated convolutions); Chollet 2017 (separable ones).
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from petrichor_training.streaming.conditions import Conditions
from petrichor_training.streaming.lapped import sounds
from petrichor_training.streaming.noise import DROPS, GRAINS, SLOW
from petrichor_training.streaming.zones import BANDS, COUNTS, HOP, ZONES

Tensor = Any

DILATIONS = ((1, 2, 4), (1, 2), (1, 2), (1, 2))  # of every zone's blocks
TAPS = 3
INSIDE = 32  # numbers that stand for latent and intensity
LEAK = 0.2
SMALLEST = 1e-4  # power of a carrier whose logarithm is still taken
MEAN_LOG = 1.27  # minus the mean of the logarithm of a squared Gaussian
LOUDEST = 8.0  # logarithm of power above a band's usual, in its spreads: no voice may burst
STRENGTH = 1.5  # of a drop
NEVER = 80.0  # a threshold that no drop reaches: chance has a mean of 1 and falls off exponentially
# Hops that a block of the finest zone looks back, all zones together.
MEMORY = math.ceil(sum((TAPS - 1) * sum(each) / zone.blocks for zone, each in zip(ZONES, DILATIONS, strict=True)))


def film_sizes(widths: tuple[int, ...]) -> list[int]:
    """Return how many numbers each zone's first block is turned by."""
    return [2 * width for width in widths]


class TextureGenerator(keras.Model):
    """From conditions and noise to sound.

    Args:
        widths: Channels of each zone's blocks, coarsest zone first.
        latent_size: Coordinates.
        conditions: Whose matrices bands begin from; None: nothing but zeros, to be filled by a checkpoint.
        drops: Whether there are any. Without, thresholds begin where none is reached, and stay there: as nothing comes
            of them, nothing moves them.
        slow: Whether slow processes are heard. Without, their weights begin as zeros, and stay so.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        latent_size: int,
        conditions: Conditions | None = None,
        drops: bool = True,
        slow: bool = True,
    ) -> None:
        """Make the weights."""
        super().__init__(name="generator")
        self.widths, self.latent_size, self._drops, self._slow = widths, latent_size, drops, slow
        self._named: dict[str, keras.Variable] = {}
        self._add_conditioning(conditions)
        for index, width in enumerate(widths):
            self._add_zone(index, width)
        self.built = True

    def _matrix(self, name: str, rows: int, columns: int, gain: float = 1.0) -> None:
        start = keras.initializers.RandomNormal(0.0, gain / np.sqrt(rows))
        self._named[name] = self.add_weight(shape=(rows, columns), initializer=start, name=name)

    def _vector(self, name: str, values: np.ndarray) -> None:
        start = keras.initializers.Constant(values.astype(np.float32))
        self._named[name] = self.add_weight(shape=values.shape, initializer=start, name=name)

    def _add_conditioning(self, conditions: Conditions | None) -> None:
        self._matrix("enter", self.latent_size + 1, INSIDE)
        self._vector("enter_bias", np.zeros(INSIDE))
        self._matrix("dense", INSIDE, INSIDE, 1.4)
        self._vector("dense_bias", np.zeros(INSIDE))
        turned = sum(film_sizes(self.widths))
        self._matrix("film", INSIDE, turned, 0.3)
        self._vector("film_bias", np.zeros(turned))
        self._matrix("thresholds", INSIDE, sum(DROPS), 0.5)
        thresholds = np.concatenate([np.linspace(1.0, 5.0, count) for count in DROPS])
        self._vector("thresholds_bias", thresholds if self._drops else np.full_like(thresholds, NEVER))
        self._matrix("blends", INSIDE, BANDS, 0.1)
        self._vector("blends_bias", np.full(BANDS, 0.7))
        blank = np.zeros((self.latent_size + 3, BANDS))
        self._vector("levels", blank if conditions is None else conditions.levels)
        self._vector("spreads", blank if conditions is None else conditions.spreads)

    def _add_zone(self, index: int, width: int) -> None:
        inputs = GRAINS[index] + DROPS[index] + (self.widths[index - 1] if index else SLOW)
        self._matrix(f"in_{index}", inputs, width)
        if not (index or self._slow):
            heard = np.arange(inputs) < inputs - SLOW
            self._named["in_0"].assign(self._named["in_0"] * heard[:, None])
        self._vector(f"in_{index}_bias", np.zeros(width))
        for block in range(len(DILATIONS[index])):
            self._matrix(f"taps_{index}_{block}", TAPS, width)
            self._matrix(f"mix_{index}_{block}", width, width, 1.4)
            self._vector(f"mix_{index}_{block}_bias", np.zeros(width))
            self._matrix(f"out_{index}_{block}", width, width, 0.4)
        self._matrix(f"head_{index}", width, 2 * COUNTS[index], 0.3)
        # Events begin faint, or the network never learns to keep them for what stands out.
        self._vector(f"head_{index}_bias", np.repeat((0.0, -3.0), COUNTS[index]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name."""
        return {name: ops.convert_to_numpy(variable) for name, variable in self._named.items()}

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Return sound.

        Args:
            inputs: `latent`, Shape [batch, latent_size]; `intensity`, Shape [batch, 1]; what `draw_noise` gives; in
                training `offset`, Shape [batch, BANDS]: what latent and intensity leave of a window's levels. Without
                it the network would make up for that over time, and breathe too much.
            training: Makes no difference.

        Returns:
            What no longer depends on how it began. Shape [batch, (hops - 1 - MEMORY) · HOP]
        """
        del training
        coefficients = []
        for index, logs in enumerate(self.log_powers(inputs)):
            signs = ops.sign(inputs[f"carrier_{index}"])
            coefficients.append(ops.exp(0.5 * logs) * signs)
        return sounds(coefficients)[:, MEMORY * HOP :]

    def log_powers(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Return the log powers of every zone. Shape [batch, blocks, count] each"""
        given = self._conditioned(inputs["latent"], inputs["intensity"])
        turns = ops.split(given["film"], np.cumsum(film_sizes(self.widths))[:-1].tolist(), axis=1)
        places = np.cumsum(COUNTS)[:-1].tolist()
        blends, levels, spreads = (ops.split(given[name], places, axis=1) for name in ("blends", "levels", "spreads"))
        thresholds = ops.split(given["thresholds"], np.cumsum(DROPS)[:-1].tolist(), axis=1)
        if "offset" in inputs:
            levels = ops.split(given["levels"] + inputs["offset"], places, axis=1)
        signal, found = None, []
        for index in range(len(ZONES)):
            signal = self._zone(index, inputs, signal, thresholds[index], turns[index][:, None])
            head = self._dense(f"head_{index}", ops.leaky_relu(signal, LEAK))
            carrier = ops.log(ops.square(inputs[f"carrier_{index}"]) + SMALLEST) + MEAN_LOG
            background = head[..., : COUNTS[index]] + blends[index][:, None] * carrier
            powers = sum(ops.exp(ops.minimum(part, LOUDEST)) for part in (background, head[..., COUNTS[index] :]))
            found.append(levels[index][:, None] + spreads[index][:, None] * ops.log(powers))
        return found

    def _conditioned(self, latent: Tensor, intensity: Tensor) -> dict[str, Tensor]:
        inside = ops.concatenate((latent, 2.0 * intensity - 1.0), axis=1)
        for name in ("enter", "dense"):
            inside = ops.leaky_relu(self._dense(name, inside), LEAK)
        along = ops.concatenate((latent, intensity, ops.square(intensity), ops.ones_like(intensity)), axis=1)
        return {
            "film": self._dense("film", inside),
            "thresholds": ops.softplus(self._dense("thresholds", inside)),
            "blends": ops.sigmoid(self._dense("blends", inside)),
            "levels": ops.matmul(along, self._named["levels"]),
            "spreads": ops.exp(ops.matmul(along, self._named["spreads"])),
        }

    def _zone(
        self, index: int, inputs: dict[str, Tensor], before: Tensor | None, thresholds: Tensor, turn: Tensor
    ) -> Tensor:
        """One zone's blocks. Shape [batch, blocks, width]"""
        noise, grains, drops = inputs[f"noise_{index}"], GRAINS[index], DROPS[index]
        first, second = noise[..., grains : grains + drops], noise[..., grains + drops :]
        chance = 0.5 * (ops.square(first) + ops.square(second))  # of two Gaussians: exponentially distributed
        events = STRENGTH * ops.relu(chance - thresholds[:, None])
        if before is None:
            coarser = inputs["slow"] if self._slow else ops.zeros_like(inputs["slow"])
        else:
            coarser = ops.repeat(before, 2, axis=1)
        signal = self._dense(f"in_{index}", ops.concatenate((noise[..., :grains], events, coarser), axis=2))
        width = self.widths[index]
        for block, dilation in enumerate(DILATIONS[index]):
            mixed = tapped(ops.leaky_relu(signal, LEAK), self._named[f"taps_{index}_{block}"], dilation)
            mixed = self._dense(f"mix_{index}_{block}", mixed)
            if not block:
                mixed = mixed * (1.0 + turn[..., :width]) + turn[..., width:]
            signal = signal + ops.matmul(ops.leaky_relu(mixed, LEAK), self._named[f"out_{index}_{block}"])
        return signal

    def _dense(self, name: str, inputs: Tensor) -> Tensor:
        return ops.matmul(inputs, self._named[name]) + self._named[f"{name}_bias"]


def tapped(signal: Tensor, weights: Tensor, dilation: int) -> Tensor:
    """Return every channel's weighted sum of each block and two earlier ones, zeros before the beginning.

    Args:
        signal: Shape [batch, blocks, width]
        weights: Of each channel, the earliest block's first. Shape [TAPS, width]
        dilation: Blocks from tap to tap.
    """
    blocks, reach = signal.shape[1], (TAPS - 1) * dilation
    padded = ops.pad(signal, ((0, 0), (reach, 0), (0, 0)))
    return sum(padded[:, tap * dilation : tap * dilation + blocks] * weights[tap] for tap in range(TAPS))
