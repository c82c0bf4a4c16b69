"""The sound of birds as part of a LiteRT graph: syllables as sinusoids, left and right, and what a wood throws back.

A syllable's curves of pitch and level drive a sinusoid and its octave. Rows are of birds and their hops: first all hops
of the first bird, then those of the next.

TensorFlow only, and operations that LiteRT's compiled kernels take.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from petrichor_training.streaming.syllables import (
    HEIGHT,
    HIGH_HZ,
    KNOTS,
    LENGTH,
    LEVEL,
    LONG_SECONDS,
    OCTAVE,
    PEAK,
    PITCH,
)
from petrichor_training.streaming.zones import BANDS, HOP, RATE, ZONES

BIRDS = 6
PIECES = 8  # of a hop, between whose ends pitch and level are straight lines: 0.7 ms
HOP_SECONDS = HOP / RATE
RAMP_SECONDS = 0.003  # in which a syllable begins and ends
HIGHEST = 3.4  # times HIGH_HZ: its octave is below half the rate
LENGTHS = (0.016, 1.2)  # seconds of a syllable
LOUDEST = 2.0  # 10 dB over the ambience
AMBIENCE = 0.1  # amplitude of a sinusoid that is 0 dB over it
PLACES = (-0.35, 0.15, 0.5, -0.1, -0.8, 0.85)  # of the birds, left to right
# How far they are: as loud as each other, nearly all would stand out of what is around them; in recordings most do not.
DISTANCES_DB = (0.0, 4.0, 7.0, 9.0, 12.0, 16.0)


def sounding(
    row: tf.Tensor, seconds: tf.Tensor, bend: tf.Tensor, loud: tf.Tensor, phase: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return left and right, the power that the bands get of it, and where waves are after it.

    Args:
        row: What each bird sings in each hop. Shape [BIRDS · hops, NUMBERS]
        seconds: How far it is in that as the hop begins. Shape [BIRDS · hops, 1]
        bend: Octaves that it sings higher than that. Shape [BIRDS · hops, 1]
        loud: Factor of its level at the ends of the hop's pieces. Shape [BIRDS · hops, PIECES + 1]
        phase: Where its wave is, in turns. Shape [BIRDS, 1]

    Returns:
        Shape [2, hops · HOP]; for blocks of one frame, [hops, BANDS]; and as `phase`.
    """
    hops = row.shape[0] // BIRDS
    hertz, amplitude, octave = _curves(row, seconds, bend)
    amplitude = amplitude * loud
    angle, phase = _gone_round(phase, hertz @ (2 * math.pi * _integral()), hops)
    wave = tf.sin(angle)
    voices = (amplitude @ _lines()) * (wave + 2.0 * octave * wave * tf.cos(angle))
    sides = tf.matmul(_gains(), tf.reshape(voices, (BIRDS, hops * HOP)))
    return sides, _spread_over_bands(hertz, amplitude, hops), phase


def doubled(octaves: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """2 to the power of something, between bounds."""
    return tf.exp(math.log(2) * tf.clip_by_value(octaves, math.log2(low), math.log2(high)))


def length_of(number: tf.Tensor) -> tf.Tensor:
    """Seconds of syllables, of the number that says it in their rows."""
    return LONG_SECONDS * doubled(number, *(edge / LONG_SECONDS for edge in LENGTHS))


def risen(loud: tf.Tensor, louder: tf.Tensor, hops: int) -> tf.Tensor:
    """From one level to another within the first of the hops. Shape [BIRDS · hops, PIECES + 1]"""
    first = (np.arange(BIRDS * hops) % hops == 0).astype(np.float32)[:, None]
    before = first * loud + (1.0 - first) * louder if hops > 1 else loud
    return before + (louder - before) * np.linspace(0, 1, PIECES + 1, dtype=np.float32)


def _curves(row: tf.Tensor, position: tf.Tensor, bend: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Hz and amplitude at the ends of the hop's pieces, Shape [rows, PIECES + 1]; how loud the octave is."""
    length = length_of(row[:, LENGTH : LENGTH + 1])
    seconds = position + np.linspace(0, HOP_SECONDS, PIECES + 1, dtype=np.float32)
    place = tf.clip_by_value(seconds / length, 0.0, 1.0) * (KNOTS - 1)
    near = tf.nn.relu(1.0 - tf.abs(place[:, :, None] - np.arange(KNOTS, dtype=np.float32)))
    curves = tf.matmul(tf.reshape(row[:, PITCH.start : LEVEL.stop], (-1, 2, KNOTS)), near, transpose_b=True)
    pitch, level = curves[:, 0], curves[:, 1]
    hertz = HIGH_HZ * doubled(pitch + (row[:, HEIGHT : HEIGHT + 1] + bend), 0.1, HIGHEST)
    loud = tf.minimum(row[:, PEAK : PEAK + 1], LOUDEST) + tf.minimum(level, 0.0)
    begun = tf.clip_by_value(seconds / RAMP_SECONDS, 0.0, 1.0)
    left = tf.clip_by_value((length - seconds) / RAMP_SECONDS, 0.0, 1.0)
    amplitude = AMBIENCE * tf.exp(math.log(10) / 2 * loud) * begun * left
    octave = tf.exp(math.log(10) / 2 * tf.minimum(row[:, OCTAVE : OCTAVE + 1], -0.3))
    return hertz, amplitude, octave


def _lines() -> np.ndarray:
    """From the ends of a hop's pieces to its frames. Shape [PIECES + 1, HOP]"""
    at = (np.arange(HOP) + 1) * (PIECES / HOP)
    return np.maximum(0, 1 - np.abs(at - np.arange(PIECES + 1)[:, None])).astype(np.float32)


def _integral() -> np.ndarray:
    """From Hz at those ends to turns since the hop began. Shape [PIECES + 1, HOP]"""
    return (np.cumsum(_lines().astype(np.float64), axis=1) / RATE).astype(np.float32)


def _gains() -> np.ndarray:
    """Of every bird left and right, by direction and distance. Shape [2, BIRDS]"""
    angle = (np.array(PLACES) + 1) * (math.pi / 4)
    near = 10 ** (-np.array(DISTANCES_DB) / 20)
    return (near * np.stack((np.cos(angle), np.sin(angle)))).astype(np.float32)


def _gone_round(phase: tf.Tensor, radians: tf.Tensor, hops: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Phases of all hops, each from where the one before it ended; and where the last ended, in turns.

    Args:
        phase: Where the first begins, in turns. Shape [BIRDS, 1]
        radians: Since each hop began. Shape [BIRDS · hops, HOP]
        hops: How many there are.

    Returns:
        Radians, Shape [BIRDS · hops, HOP]; and as `phase`.
    """
    begins, lasts = [], tf.reshape(radians[:, -1:] * (0.5 / math.pi), (BIRDS, hops))
    for hop in range(hops):
        begins.append(phase)
        phase = phase + lasts[:, hop : hop + 1]
        phase = phase - tf.floor(phase)
    start = begins[0] if hops == 1 else tf.reshape(tf.concat(begins, 1), (BIRDS * hops, 1))
    return 2 * math.pi * start + radians, phase


def _spread_over_bands(hertz: tf.Tensor, amplitude: tf.Tensor, hops: int) -> tf.Tensor:
    """Power of sinusoids in the bands, for blocks of one frame. Shape [hops, BANDS]"""
    edges = [zone.edges_hz for zone in ZONES]
    centres = np.concatenate([(each[1:] + each[:-1]) / 2 for each in edges]).astype(np.float32)
    widths = np.concatenate([np.diff(each) for each in edges]).astype(np.float32)
    middle = tf.reduce_mean(hertz, 1, keepdims=True)
    near = tf.nn.relu(1.0 - tf.abs(middle - centres) / widths)
    power = 0.5 * tf.reduce_mean(tf.square(amplitude), 1, keepdims=True)
    return tf.reduce_sum(tf.reshape(near * power, (BIRDS, hops, BANDS)), 0)
