"""Hops of a streaming texture as a LiteRT graph: what `texture_network` does, with its past in a state.

TensorFlow only. The graph is built from a trained generator's weights, which become constants. It keeps to operations
that LiteRT's compiled kernels (XNNPACK) take, so that all of it is one piece to them: signals are [1, 1, blocks,
channels] and every layer a convolution, what belongs to all zones at once is one flat row, and noise and state are cut
by slices of one row.

Beside the trained sound, which is the middle, it makes a side of the same powers with signs of its own, so that left
and right differ as they do outdoors and their sum is the middle. The side is made of sines: a cosine and a sine add to
one power whatever their signs, two cosines would be loud in one block and gone in the next, as Gaussian noise is, and
drops would drown in that.

Reference:
    XNNPACK delegate: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/delegates/xnnpack/README.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from petrichor_training.streaming.high_pass import STATE_SIZE, HighPass
from petrichor_training.streaming.noise import DROPS, GRAINS, KEEP, SLOW
from petrichor_training.streaming.rows import cut, in_turn, joined
from petrichor_training.streaming.song_step import SongStep, noise_size, song_state_sizes
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
from petrichor_training.streaming.zones import COUNTS, ZONES, overlapping

Arrays = dict[str, np.ndarray]

SIGNATURE = "step"
CHANNELS = 2
# Of the side's amplitude against the middle's: left and right correlate by 0.28 then, the median of the six rain
# recordings that are more than one channel twice (0.20 to 0.64).
SIDE = 0.75
MIDDLE = 1 / math.sqrt(1 + SIDE**2)  # so that each channel is as loud as the trained sound
QUIET = 0.65  # of a chorus: the nearest bird alone at its loudest, with its octave, is just within full scale
WOOD = 0.2  # of what is around birds: as loud as it was found, fewer of them stand out than in recordings
NEARLY_NOTHING = 1e-20  # power of a carrier that has no sign
BLOCKS = tuple(zone.blocks for zone in ZONES)
GRAIN_SIZES = [blocks * count for blocks, count in zip(BLOCKS, GRAINS, strict=True)]
DROP_SIZES = [blocks * count for blocks, count in zip(BLOCKS, DROPS, strict=True)]
BAND_SIZES = [blocks * count for blocks, count in zip(BLOCKS, COUNTS, strict=True)]
NOISE_SIZES = [*GRAIN_SIZES, *2 * [sum(DROP_SIZES)], sum(BAND_SIZES), SLOW]
NOISE_SIZE = sum(NOISE_SIZES)


def state_sizes(widths: tuple[int, ...]) -> list[int]:
    """Return the lengths of the parts of the state.

    Slow processes; every layer's past; every zone's last block, of the middle and then of the side.
    """
    pasts = [(TAPS - 1) * d * width for width, each in zip(widths, DILATIONS, strict=True) for d in each]
    return [SLOW, *pasts, *CHANNELS * COUNTS]


class TextureStep(tf.Module):
    """The graph.

    Args:
        weights: Of a `TextureGenerator`, by name.
        widths: Its channels.
        hops: That it makes at one go, each as it would be alone: the same sums in the same order.
    """

    def __init__(self, weights: Arrays, widths: tuple[int, ...], hops: int = 1) -> None:
        """Keep the weights as constants and make the function `step`."""
        super().__init__()
        self._widths, self._weights, self.hops = widths, weights, hops
        latent_size = weights["enter"].shape[0] - 1
        self.shapes = {
            "noise": (hops, NOISE_SIZE),
            "latent": (1, latent_size),
            "intensity": (1, 1),
            "state": (1, sum(state_sizes(widths))),
        }
        signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in self.shapes.items()]
        self.step = tf.function(self._step, input_signature=signature, autograph=False)

    def _step(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Make all hops; see `petrichor.voice_info` for what a stream voice is."""
        sounds, state = self.hop(noise, latent, intensity, state)
        return {"audio": _left_and_right(sounds), "state": state}

    def hop(
        self,
        noise: tf.Tensor,
        latent: tf.Tensor,
        intensity: tf.Tensor,
        state: tf.Tensor,
        besides: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Make all hops, as part of a graph.

        Args:
            noise: Shape [hops, NOISE_SIZE]
            latent: Shape [1, latent_size]
            intensity: 0…1. Shape [1, 1]
            state: Shape [1, sum of state_sizes]
            besides: Power that the bands have besides, for blocks of one frame. Shape [hops, BANDS]

        Returns:
            Middle and side, Shape [CHANNELS, hops · HOP]; and the new state.
        """
        *grains, first, second, middle, steps = cut(noise, NOISE_SIZES)
        before, *pasts = cut(state, state_sizes(self._widths))
        turns, thresholds, blends, levels, spreads = self._conditioned(latent, intensity)
        slow = in_turn(lambda past, now: KEEP * past + now, before, np.sqrt(1 - np.square(KEEP)) * steps)
        squares = tf.square(first), tf.square(second)
        events = tf.nn.relu(squares[0] + squares[1] - thresholds)
        # Of two Gaussians, whose squares make a drop, three signs are free: theirs, and which of them is the larger.
        side = tf.concat((first, second, squares[0] - squares[1]), 1)[:, : sum(BAND_SIZES)]
        background, bright, kept = self._heads(grains, cut(events, DROP_SIZES), slow, pasts[: -2 * len(ZONES)], turns)
        grain = tf.math.log(tf.square(middle) + SMALLEST) + MEAN_LOG
        power = tf.exp(tf.minimum(background + blends * grain, LOUDEST)) + tf.exp(tf.minimum(bright, LOUDEST))
        amplitudes = tf.exp(levels + spreads * tf.math.log(power))
        if besides is not None:
            amplitudes = tf.sqrt(tf.square(amplitudes) + besides @ _blocks_of_bands())
        zones = len(ZONES)
        middle, middles = _overlapped(_signs(middle) * amplitudes, pasts[-2 * zones : -zones], sines=False)
        side, sides = _overlapped(_signs(side) * amplitudes, pasts[-zones:], sines=True)
        return tf.concat((middle, side), 0), joined((slow[-1:], *kept, *middles, *sides))

    def _conditioned(self, latent: tf.Tensor, intensity: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor, Any, Any]:
        """Factors and terms of the zones in turn; thresholds, blends, and half of levels and spreads, as flat rows."""
        weights = self._weights
        inside = tf.concat((latent, 2.0 * intensity - 1.0), 1)
        for name in ("enter", "dense"):
            inside = tf.nn.leaky_relu(inside @ weights[name] + weights[f"{name}_bias"], LEAK)
        expanded = {
            "film": np.arange(weights["film_bias"].size),
            "thresholds": _spread(DROPS),
            "blends": _spread(COUNTS),
        }
        matrix = np.concatenate([weights[name][:, places] for name, places in expanded.items()], 1)
        bias = np.concatenate([weights[f"{name}_bias"][places] for name, places in expanded.items()])
        bias[: expanded["film"].size] += _ones(self._widths)
        film, thresholds, blends = cut(inside @ matrix + bias, [places.size for places in expanded.values()])
        halves = [size // 2 for size in film_sizes(self._widths) for _ in range(2)]
        along = tf.concat((latent, intensity, tf.square(intensity)), 1)
        bands = _spread(COUNTS)
        both = np.concatenate([weights[name][:, bands] for name in ("levels", "spreads")], 1)
        both[:, : bands.size] *= 0.5
        both[-1, bands.size :] += math.log(0.5)
        levels, spreads = cut(along @ both[:-1] + both[-1], 2 * [bands.size])
        # Twice the thresholds, for events are not halved.
        twice = 2.0 * tf.math.log(1.0 + tf.exp(thresholds))
        return iter(cut(film, halves)), twice, tf.nn.sigmoid(blends), levels, tf.exp(spreads)

    def _heads(
        self, grains: list[tf.Tensor], events: list[tf.Tensor], slow: tf.Tensor, pasts: list[tf.Tensor], turns: Any
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Both outcomes of all zones as flat rows, one a hop, and the layers' new pasts."""
        signal, outcomes, kept, old = _rows(slow, self.hops), [], [], iter(pasts)
        for index, blocks in enumerate(BLOCKS):
            if index:
                signal = tf.reshape(tf.concat((signal, signal), 3), (1, 1, blocks * self.hops, -1))
            inputs = tf.concat((*(_rows(each[index], blocks * self.hops) for each in (grains, events)), signal), 3)
            matrix = self._weights[f"in_{index}"].copy()
            matrix[GRAINS[index] : GRAINS[index] + DROPS[index]] *= 0.5 * STRENGTH
            signal = _layer(inputs, matrix, self._weights[f"in_{index}_bias"])
            for block, dilation in enumerate(DILATIONS[index]):
                reach = (TAPS - 1) * dilation
                seen = tf.concat((_rows(next(old), reach), tf.nn.leaky_relu(signal, LEAK)), 2)
                kept.append(tf.reshape(seen[:, :, -reach:], (1, -1)))
                mixed = _tapped(seen, self._weights[f"taps_{index}_{block}"], dilation)
                mixed = _layer(mixed, *self._named(f"mix_{index}_{block}"))
                if not block:
                    mixed = mixed * next(turns) + next(turns)
                signal += _layer(tf.nn.leaky_relu(mixed, LEAK), self._weights[f"out_{index}_{block}"])
            bright, (matrix, bias) = tf.nn.leaky_relu(signal, LEAK), self._named(f"head_{index}")
            parts = zip(np.split(matrix, 2, 1), np.split(bias, 2), strict=True)
            outcomes.append([tf.reshape(_layer(bright, *part), (self.hops, -1)) for part in parts])
        background, standing_out = (tf.concat(parts, 1) for parts in zip(*outcomes, strict=True))
        return background, standing_out, kept

    def _named(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self._weights[name], self._weights[f"{name}_bias"]


def _rows(flat: tf.Tensor, blocks: int) -> tf.Tensor:
    """Flat rows as one of so many blocks. Shape [1, 1, blocks, channels]"""
    return tf.reshape(flat, (1, 1, blocks, -1))


def _layer(signal: tf.Tensor, matrix: np.ndarray, bias: np.ndarray | None = None) -> tf.Tensor:
    """A convolution over blocks without padding; a matrix of two dimensions has one tap."""
    mixed = tf.nn.conv2d(signal, matrix.reshape(1, -1, *matrix.shape[-2:]), 1, "VALID")
    return mixed if bias is None else tf.nn.bias_add(mixed, bias)


def _tapped(signal: tf.Tensor, weights: np.ndarray, dilation: int) -> tf.Tensor:
    """Weighted sums over blocks, every channel for itself."""
    return tf.nn.depthwise_conv2d(signal, weights[None, :, :, None], (1, 1, 1, 1), "VALID", dilations=(1, dilation))


def _spread(counts: tuple[int, ...]) -> np.ndarray:
    """Which channel or band each entry of a flat row belongs to: all zones' blocks in order."""
    places, found = 0, []
    for blocks, count in zip(BLOCKS, counts, strict=True):
        found.append(np.tile(np.arange(places, places + count), blocks))
        places += count
    return np.concatenate(found)


def _blocks_of_bands() -> np.ndarray:
    """From the bands to the entries of a flat row, a block's power growing with its length. Shape [BANDS, entries]"""
    sizes = np.concatenate([np.repeat(zone.size, zone.blocks * zone.count) for zone in ZONES])
    return (np.eye(sum(COUNTS))[:, _spread(COUNTS)] * sizes).astype(np.float32)


def _ones(widths: tuple[int, ...]) -> np.ndarray:
    """1 where a layer's factor is added to, so that no step has to."""
    return np.concatenate([np.repeat((1.0, 0.0), size // 2) for size in film_sizes(widths)]).astype(np.float32)


def _signs(carrier: tf.Tensor) -> tf.Tensor:
    return carrier * tf.math.rsqrt(tf.square(carrier) + NEARLY_NOTHING)


def _overlapped(coefficients: tf.Tensor, lasts: Sequence[tf.Tensor], sines: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Sound of the middle's coefficients or of the side's, and what the next hop has to know of them.

    Args:
        coefficients: Flat rows, one a hop.
        lasts: The last block of every zone. Shape [1, count] each
        sines: Whether they are the side's, of sines; the middle's are of cosines.

    Returns:
        Shape [1, hops · HOP]; and the new last blocks.
    """
    gain = MIDDLE * SIDE if sines else MIDDLE
    sounds, ends = [], []
    for zone, last, now in zip(ZONES, lasts, cut(coefficients, BAND_SIZES), strict=True):
        seen = tf.concat((_rows(last, 1), _rows(now, zone.blocks * now.shape[0])), 2)
        ends.append(tf.reshape(seen[:, :, -1:], (1, -1)))
        waves = (gain * overlapping(zone, sines)).reshape(2, zone.count, zone.size)
        sounds.append(tf.reshape(_layer(seen, waves), (1, -1)))
    return sum(sounds[1:], sounds[0]), ends


def _left_and_right(sounds: tf.Tensor, besides: tf.Tensor | None = None) -> tf.Tensor:
    """From middle and side, and left and right that are there besides, to frames. Shape [1, hops · HOP, CHANNELS]"""
    middle, side = sounds[:1], sounds[1:]
    sounds = tf.concat((middle + side, middle - side), 0)
    return tf.transpose(sounds if besides is None else sounds + besides)[None]


def host_noise(drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Return what `draw_steps` gave of one stretch as the host would hand it to `step`, hop by hop.

    Args:
        drawn: Of one stretch.

    Returns:
        Without what the slow processes begin with. Shape [hops, 1, NOISE_SIZE]
    """
    steps = drawn["steps"][0, 1:]
    hops, zones = len(steps), range(len(ZONES))
    split = [
        np.split(drawn[f"noise_{index}"][0], (grain, grain + drops), axis=1)
        for index, (grain, drops) in enumerate(zip(GRAINS, DROPS, strict=True))
    ]
    parts = [split[index][which].reshape(hops, -1) for which in range(3) for index in zones]
    parts += [drawn[f"carrier_{index}"][0].reshape(hops, -1) for index in zones]
    return np.concatenate([*parts, steps], 1)[:, None].astype(np.float32)


class VoiceStep(tf.Module):
    """What a voice file holds: a texture, perhaps with birds in it, high-passed as its recordings were.

    Of the latent, the first coordinates are what birds have in common, the others the texture's.

    Args:
        texture: The graph of what is there all the time.
        high_pass_hz: Edge of the high-pass.
        song: That of the birds.
    """

    def __init__(self, texture: TextureStep, high_pass_hz: float, song: SongStep | None = None) -> None:
        """Make the function `step`."""
        super().__init__()
        self._texture, self._song, self._high_pass = texture, song, HighPass(high_pass_hz)
        around = {name: shape[1] for name, shape in texture.shapes.items()}
        own = song.coordinates if song else 0
        self._sizes = {
            "noise": [noise_size(own) if song else 0, around["noise"]],
            "latent": [own, around["latent"]],
            "state": [sum(song_state_sizes(own)) if song else 0, STATE_SIZE, around["state"]],
        }
        self.shapes = {name: (1, sum(sizes)) for name, sizes in self._sizes.items()} | {"intensity": (1, 1)}
        self.shapes["noise"] = (texture.hops, sum(self._sizes["noise"]))
        order = ("noise", "latent", "intensity", "state")
        signature = [tf.TensorSpec(self.shapes[name], tf.float32, name=name) for name in order]
        self.step = tf.function(self._step, input_signature=signature, autograph=False)

    def _step(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Make all hops; see `petrichor.voice_info` for what a stream voice is."""
        sung, wind = cut(noise, self._sizes["noise"])
        who, where = cut(latent, self._sizes["latent"])
        singing, passed, blowing = cut(state, self._sizes["state"])
        if self._song is None:
            texture, blowing = self._texture.hop(wind, where, intensity, blowing)
            texture, passed = self._high_pass(texture, passed)
            return {"audio": _left_and_right(texture), "state": tf.concat((passed, blowing), 1)}
        birds, echo, singing = self._song(sung, who, intensity, singing)
        texture, blowing = self._texture.hop(wind, where, intensity, blowing, echo)
        texture, passed = self._high_pass(texture, passed)
        audio = _left_and_right(QUIET * WOOD * texture, QUIET * birds)
        return {"audio": audio, "state": tf.concat((singing, passed, blowing), 1)}


def save_step(module: TextureStep | VoiceStep, folder: Path) -> None:
    """Write a SavedModel with the one signature that a stream voice has.

    Args:
        module: The graph.
        folder: Where to.
    """
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.step.get_concrete_function()})
