"""One hop of a streaming texture as a LiteRT graph: what `texture_network` does, with its past in a state.

TensorFlow only. The graph is built from a trained generator's weights, which become constants; few, large operations,
for each costs the host half a microsecond whatever it does. Beside the trained sound, which is the middle, it makes a
side of the same powers with signs of its own, so that left and right differ as they do outdoors and their sum is the
middle. The side is made of sines: a cosine and a sine add to one power whatever their signs, two cosines would be loud
in one block and gone in the next, as Gaussian noise is, and drops would drown in that.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from petrichor_training.streaming.noise import DROPS, GRAINS, KEEP, SLOW, columns
from petrichor_training.streaming.texture_network import (
    DILATIONS,
    LEAK,
    LOUDEST,
    MEAN_LOG,
    SMALLEST,
    STRENGTH,
    TAPS,
    film_sizes,
)
from petrichor_training.streaming.zones import BANDS, COUNTS, HOP, ZONES, overlapping

Arrays = dict[str, np.ndarray]

SIGNATURE = "step"
CHANNELS = 2
# Of the side's amplitude against the middle's: left and right correlate by 0.28 then, the median of the six rain
# recordings that are more than one channel twice (0.20 to 0.64).
SIDE = 0.75
MIDDLE = 1 / math.sqrt(1 + SIDE**2)  # so that each channel is as loud as the trained sound
QUIETER_DB = 12.0  # at intensity 0 than at 1
BLOCKS = tuple(zone.blocks for zone in ZONES)
NOISES = [blocks * columns(index) for index, blocks in enumerate(BLOCKS)]
CARRIERS = [CHANNELS * blocks * count for blocks, count in zip(BLOCKS, COUNTS, strict=True)]
NOISE_SIZE = sum(NOISES) + sum(CARRIERS) + SLOW


def state_sizes(widths: tuple[int, ...]) -> list[int]:
    """Return the lengths of the parts of the state: slow processes, every layer's past, every zone's last block."""
    pasts = [(TAPS - 1) * d * width for width, each in zip(widths, DILATIONS, strict=True) for d in each]
    return [SLOW, *pasts, *(CHANNELS * count for count in COUNTS)]


class TextureStep(tf.Module):
    """The graph.

    Args:
        weights: Of a `TextureGenerator`, by name.
        widths: Its channels.
    """

    def __init__(self, weights: Arrays, widths: tuple[int, ...]) -> None:
        """Keep the weights as constants and make the function `step`."""
        super().__init__()
        self._widths = widths
        self._weights = {name: tf.constant(array, tf.float32) for name, array in weights.items()}
        self.latent_size = weights["enter"].shape[0] - 1
        self.state_size = sum(state_sizes(widths))
        self.shapes = {
            "noise": (1, NOISE_SIZE),
            "latent": (1, self.latent_size),
            "intensity": (1, 1),
            "state": (1, self.state_size),
        }
        signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in self.shapes.items()]
        self.step = tf.function(self._step, input_signature=signature)

    def _step(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Make one hop; see `petrichor.voice_file` for what a stream voice is."""
        noises = tf.split(noise[0], [*NOISES, *CARRIERS, SLOW])
        states = tf.split(state[0], state_sizes(self._widths))
        given = self._conditioned(latent, intensity)
        slow = KEEP * states[0] + np.sqrt(1 - np.square(KEEP)) * noises[-1]
        heads, pasts = self._heads(noises, slow[None], states[1:], given)
        carriers = noises[len(ZONES) : -1]
        amplitudes = self._amplitudes(heads, carriers, given, intensity)
        lasts = states[1 + len(pasts) :]
        middles, sides, kept = [], [], []
        for zone, carrier, amplitude, last in zip(ZONES, carriers, amplitudes, lasts, strict=True):
            shape = (CHANNELS, zone.blocks, zone.count)
            values = tf.sign(tf.reshape(carrier, shape)) * tf.reshape(amplitude, (1, *shape[1:]))
            seen = tf.concat((tf.reshape(last, (CHANNELS, 1, zone.count)), values), 1)
            middle, side = tf.unstack(tf.concat((seen[:, :-1], seen[:, 1:]), 2))
            middles.append(tf.reshape(middle @ overlapping(zone), (HOP,)))
            sides.append(tf.reshape(side @ overlapping(zone, sines=True), (HOP,)))
            kept.append(tf.reshape(seen[:, -1], (-1,)))
        middle, side = MIDDLE * tf.add_n(middles), MIDDLE * SIDE * tf.add_n(sides)
        audio = tf.stack((middle + side, middle - side), 1)[None]
        return {"audio": audio, "state": tf.concat((slow, *pasts, *kept), 0)[None]}

    def _conditioned(self, latent: tf.Tensor, intensity: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = self._weights
        inside = tf.concat((latent, 2.0 * intensity - 1.0), 1)
        for name in ("enter", "dense"):
            inside = tf.nn.leaky_relu(inside @ weights[name] + weights[f"{name}_bias"], LEAK)
        names, sizes = ("film", "thresholds", "blends"), (sum(film_sizes(self._widths)), sum(DROPS), BANDS)
        matrix = tf.concat([weights[name] for name in names], 1)
        bias = tf.concat([weights[f"{name}_bias"] for name in names], 0) + self._ones()
        film, thresholds, blends = tf.split(inside @ matrix + bias, sizes, axis=1)
        along = tf.concat((latent, intensity, tf.square(intensity)), 1)
        both = tf.concat((weights["levels"], weights["spreads"]), 1)
        levels, spreads = tf.split(along @ both[:-1] + both[-1], (BANDS, BANDS), axis=1)
        return {
            "film": film,
            "thresholds": tf.nn.softplus(thresholds),
            "blends": tf.nn.sigmoid(blends),
            "levels": levels,
            "spreads": tf.exp(spreads),
        }

    def _ones(self) -> np.ndarray:
        """1 where a block's factor is added to, so that no step has to."""
        halves = [np.repeat((1.0, 0.0), size // 2) for size in film_sizes(self._widths)]
        return np.concatenate((*halves, np.zeros(sum(DROPS) + BANDS))).astype(np.float32)

    def _heads(
        self, noises: list[tf.Tensor], slow: tf.Tensor, pasts: list[tf.Tensor], given: dict[str, tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Both outcomes of every zone, Shape [blocks, 2 · count] each, and the blocks' new pasts."""
        halves = [size // 2 for size in film_sizes(self._widths) for _ in range(2)]
        turns = iter(tf.split(given["film"], halves, axis=1))  # of every layer a factor and a term
        thresholds = tf.split(given["thresholds"], DROPS, axis=1)
        signal, heads, kept, old = slow, [], [], iter(pasts)
        for index, width in enumerate(self._widths):
            noise = tf.reshape(noises[index], (BLOCKS[index], columns(index)))
            grain, first, second = tf.split(noise, (GRAINS[index], DROPS[index], DROPS[index]), axis=1)
            chance = 0.5 * (tf.square(first) + tf.square(second))
            events = STRENGTH * tf.nn.relu(chance - thresholds[index])
            coarser = signal if index == 0 else tf.reshape(tf.concat((signal, signal), 1), (BLOCKS[index], -1))
            signal = self._dense(f"in_{index}", tf.concat((grain, events, coarser), 1))
            for block, dilation in enumerate(DILATIONS[index]):
                reach = (TAPS - 1) * dilation
                before = tf.reshape(next(old), (reach, width))
                seen = tf.concat((before, tf.nn.leaky_relu(signal, LEAK)), 0)
                kept.append(tf.reshape(seen[-reach:], (-1,)))
                signal += self._block(index, block, seen, next(turns), next(turns))
            heads.append(self._dense(f"head_{index}", tf.nn.leaky_relu(signal, LEAK)))
        return heads, kept

    def _block(self, index: int, block: int, seen: tf.Tensor, factor: tf.Tensor, term: tf.Tensor) -> tf.Tensor:
        blocks, width = BLOCKS[index], self._widths[index]
        places = np.arange(blocks)[:, None] + DILATIONS[index][block] * np.arange(TAPS)
        taps = tf.reshape(tf.gather(seen, places.ravel().astype(np.int32)), (blocks, TAPS * width))
        mixed = tf.nn.leaky_relu(self._dense(f"taps_{index}_{block}", taps) * factor + term, LEAK)
        return mixed @ self._weights[f"out_{index}_{block}"]

    def _amplitudes(
        self, heads: list[tf.Tensor], carriers: list[tf.Tensor], given: dict[str, tf.Tensor], intensity: tf.Tensor
    ) -> list[tf.Tensor]:
        """Of the coefficients of every zone, all zones computed together. Shape [blocks · count] each"""
        sizes = [blocks * count for blocks, count in zip(BLOCKS, COUNTS, strict=True)]
        halves = [tf.split(head, 2, axis=1) for head in heads]
        background, events = (tf.concat([tf.reshape(pair[n], (-1,)) for pair in halves], 0) for n in (0, 1))
        middles = tf.concat([carrier[:size] for carrier, size in zip(carriers, sizes, strict=True)], 0)
        band = _band_of_each()
        blends, levels, spreads = (tf.gather(given[name][0], band) for name in ("blends", "levels", "spreads"))
        grain = tf.math.log(tf.square(middles) + SMALLEST) + MEAN_LOG
        power = tf.exp(tf.minimum(background + blends * grain, LOUDEST)) + tf.exp(tf.minimum(events, LOUDEST))
        quieter = QUIETER_DB * math.log(10) / 10 * (intensity[0] - 1.0)
        return tf.split(tf.exp(0.5 * (levels + spreads * tf.math.log(power) + quieter)), sizes)

    def _dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        return inputs @ self._weights[name] + self._weights[f"{name}_bias"]


def _band_of_each() -> np.ndarray:
    """Which band each coefficient of a hop belongs to, all zones' blocks in order."""
    places, found = 0, []
    for blocks, count in zip(BLOCKS, COUNTS, strict=True):
        found.append(np.tile(np.arange(places, places + count), blocks))
        places += count
    return np.concatenate(found).astype(np.int32)


def host_noise(drawn: dict[str, np.ndarray], sides: np.random.Generator) -> np.ndarray:
    """Return what `draw_steps` gave of one stretch as the host would hand it to `step`, hop by hop.

    Args:
        drawn: Of one stretch.
        sides: Draws the signs of the side.

    Returns:
        Without what the slow processes begin with. Shape [hops, 1, NOISE_SIZE]
    """
    steps = drawn["steps"][0, 1:]
    hops = len(steps)
    parts: list[Any] = [drawn[f"noise_{index}"][0].reshape(hops, -1) for index in range(len(ZONES))]
    for index in range(len(ZONES)):
        middle = drawn[f"carrier_{index}"][0].reshape(hops, -1)
        parts += [np.concatenate((middle, sides.standard_normal(middle.shape, np.float32)), 1)]
    return np.concatenate((*parts, steps), 1)[:, None].astype(np.float32)


def save_step(weights: Arrays, widths: tuple[int, ...], folder: Path) -> None:
    """Write a SavedModel with the one signature that a stream voice has.

    Args:
        weights: Of a `TextureGenerator`, by name.
        widths: Its channels.
        folder: Where to.
    """
    module = TextureStep(weights, widths)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.step.get_concrete_function()})
