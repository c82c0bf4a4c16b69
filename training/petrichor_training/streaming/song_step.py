"""Singing birds, hop by hop, as part of a LiteRT graph: when each sings, what, and how that sounds.

Some birds take turns at the song network, one a hop, so that each has its next syllable ready (where one and its pause
are shorter than a turn, it comes twice). A syllable's curves of pitch and level drive a sinusoid and its octave; what
is left behind it in the wood is handed on as power of the bands.
How many birds sing, the nearest first, how long they rest between phrases, and a little of their level is the
intensity.

TensorFlow only, and operations that LiteRT's compiled kernels take.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from petrichor_training.streaming.rows import apart, cut, in_turn, joined, stacked
from petrichor_training.streaming.song_network import CHANCE, LAYERS, LEAK
from petrichor_training.streaming.syllables import (
    BEFORE,
    GAP,
    GAPS,
    HEIGHT,
    HIGH_HZ,
    KNOTS,
    LENGTH,
    LEVEL,
    LONG_SECONDS,
    NUMBERS,
    OCTAVE,
    PAUSE_SECONDS,
    PEAK,
    PITCH,
    SAME_BIRD,
)
from petrichor_training.streaming.zones import BANDS, HOP, RATE, ZONES

Arrays = dict[str, np.ndarray]

BIRDS = 6
PIECES = 8  # of a hop, between whose ends pitch and level are straight lines: 0.7 ms
HOP_SECONDS = HOP / RATE
RAMP_SECONDS = 0.003  # in which a syllable begins and ends
HIGHEST = 3.4  # times HIGH_HZ: its octave is below half the rate
LENGTHS = (0.016, 1.2)  # seconds of a syllable
PAUSES = (GAPS[0], SAME_BIRD[2])  # seconds after it: what was learned from ends there
LOUDEST = 2.0  # 10 dB over the ambience
ALIKE, UNLIKE = 0.8, 0.6  # how much of a bird's identity all have in common, and how much is its own
OWN, WANDERING = 0.8, 0.6  # of the latter: what stays, and what changes
WANDER_SECONDS = 60.0
WAKING_SECONDS = 0.13  # after one another, of birds that are to sing again
FIRST_SECONDS = 0.92  # after the first bird's first syllable the next one's
LONGEST_SECONDS = 64.0  # that is counted: longer than any syllable with its pause
SILENT_SECONDS = 2 * LONGEST_SECONDS  # that a bird which is not to sing waits besides
PHRASE_SECONDS = 0.7  # a pause longer than this is a rest between phrases
RESTS = 6.0  # times longer at no intensity; at full intensity half as long
SOFTER_DB = 5.0  # at no intensity than at full: heard at once, where another bird or a rest is not
AMBIENCE = 0.1  # amplitude of a sinusoid that is 0 dB over it
ECHO_SECONDS = 0.9  # in which what a wood throws back falls by 60 dB
ECHO = 0.04  # of a steady note's power, before the wood is turned down with it; a bird that is far has as much
PLACES = (-0.35, 0.15, 0.5, -0.1, -0.8, 0.85)  # of the birds, left to right
# How far they are: as loud as each other, nearly all would stand out of what is around them; in recordings most do not.
DISTANCES_DB = (0.0, 4.0, 7.0, 9.0, 12.0, 16.0)
SEED = 20  # of what birds have of their own

ECHO_KEEP = 10 ** (-6 * HOP_SECONDS / ECHO_SECONDS)
WANDER_KEEP = math.exp(-HOP_SECONDS / WANDER_SECONDS)
WANDER_STEP = math.sqrt(1 - WANDER_KEEP**2)


def noise_size(coordinates: int) -> int:
    """Return how many Gaussian numbers a hop takes."""
    return CHANCE + BIRDS * coordinates


def song_state_sizes(coordinates: int) -> list[int]:
    """Return the lengths of the parts of the state.

    Whose turn it is; what each bird sang last, what it sings next, whether it has begun, how long it is at what it
    sings, where its wave is, how its identity has changed; what is left of what was sung; how loud all are.
    """
    return [1, BIRDS * BEFORE * NUMBERS, BIRDS * NUMBERS, BIRDS, BIRDS, BIRDS, BIRDS * coordinates, BANDS, 1]


class SongStep:
    """The part of the graph.

    Args:
        weights: Of a `SongNetwork`, by name.
        mean: Of the rows as they were found. Shape [NUMBERS]
        spread: Of those. Shape [NUMBERS]
        coordinates: Of a bird's identity.
    """

    def __init__(self, weights: Arrays, mean: np.ndarray, spread: np.ndarray, coordinates: int) -> None:
        """Keep the weights as constants."""
        self._weights, self._mean, self._spread, self.coordinates = weights, mean, spread, coordinates
        self._own = np.random.default_rng(SEED).standard_normal((BIRDS, coordinates)).astype(np.float32)

    def __call__(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Make as many hops as there is noise for, each as it would be alone.

        Args:
            noise: Shape [hops, noise_size]
            latent: Identity that all have in common. Shape [1, coordinates]
            intensity: 0…1. Shape [1, 1]
            state: Shape [1, sum of song_state_sizes]

        Returns:
            Left and right, Shape [1, hops · HOP, 2]; power that the bands are to have besides, for blocks of one frame,
            Shape [hops, BANDS]; and the new state.
        """
        turn, sung, coming, begun, since, phase, wander, echo, loud = cut(state, song_state_sizes(self.coordinates))
        chance, wind = cut(noise, [CHANCE, BIRDS * self.coordinates])
        wandered = apart(in_turn(lambda past, now: WANDER_KEEP * past + WANDER_STEP * now, wander, wind))
        rows = (sung, coming, begun, since, phase)
        sung, coming, begun, since, phase = (tf.reshape(part, (BIRDS, -1)) for part in rows)
        hops = []
        for wander, drawn in zip(wandered, apart(chance), strict=True):
            coming = self._drawn(turn, sung, coming, tf.reshape(wander, (BIRDS, -1)), latent, drawn)
            sung, position, due = self._gone_on(sung, coming, since - _starts(), intensity)
            begun, since = tf.maximum(begun, due), position + HOP_SECONDS + _starts()
            turn = turn + 1.0 - BIRDS * tf.clip_by_value(turn + 2.0 - BIRDS, 0.0, 1.0)
            hops.append((sung[:, :NUMBERS], position, begun))
        row, position, singing = (stacked(parts) for parts in zip(*hops, strict=True))
        hertz, amplitude, octave = self._curves(row, position)
        louder = tf.exp(-SOFTER_DB * math.log(10) / 20 * (1.0 - intensity))
        amplitude = amplitude * (singing * _risen(loud, louder, len(hops)))
        phases, phase = _gone_round(phase, hertz @ _integral(), len(hops))
        angle = 2 * math.pi * phases
        wave = tf.sin(angle)
        voices = (amplitude @ _lines()) * (wave + 2.0 * octave * wave * tf.cos(angle))
        sides = tf.matmul(_gains(), tf.reshape(voices, (len(hops), BIRDS, HOP)))
        audio = tf.reshape(tf.transpose(sides, (0, 2, 1)), (1, -1, 2))
        thrown = _spread_over_bands(hertz, amplitude, len(hops))
        echo = in_turn(lambda past, now: ECHO_KEEP * past + (1 - ECHO_KEEP) * ECHO * now, echo, thrown)
        kept = (sung, coming, tf.concat((begun, since, phase), 0), wander, echo[-1:], louder)
        return audio, echo, joined((turn, *(tf.reshape(part, (1, -1)) for part in kept)))

    def _drawn(
        self,
        turn: tf.Tensor,
        sung: tf.Tensor,
        coming: tf.Tensor,
        wander: tf.Tensor,
        latent: tf.Tensor,
        chance: tf.Tensor,
    ) -> tf.Tensor:
        """What birds sing next, drawn anew for the one whose turn it is. Shape [BIRDS, NUMBERS]"""
        whose = tf.nn.relu(1.0 - tf.abs(turn - np.arange(BIRDS, dtype=np.float32)))
        own = OWN * self._own + WANDERING * wander
        identity = ALIKE * latent + UNLIKE * (whose @ own)
        signal = tf.concat((whose @ sung, identity, chance), 1)
        for name in LAYERS:
            signal = signal if name == LAYERS[0] else tf.nn.leaky_relu(signal, LEAK)
            signal = signal @ self._weights[name] + self._weights[f"{name}_bias"]
        return coming + tf.reshape(whose, (BIRDS, 1)) * (signal - coming)

    def _gone_on(
        self, sung: tf.Tensor, coming: tf.Tensor, position: tf.Tensor, intensity: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What birds sing in this hop, how far in it they are (seconds), and which were due and have gone on."""
        row = sung[:, :NUMBERS] * self._spread + self._mean
        gap = PAUSE_SECONDS * _doubled(row[:, GAP : GAP + 1], *(edge / PAUSE_SECONDS for edge in PAUSES))
        quiet = tf.square(tf.square(1.0 - intensity))  # long rests are for the lowest intensities alone
        gap = gap + tf.nn.relu(gap - PHRASE_SECONDS) * (RESTS * quiet - 0.5 * intensity)
        rank = np.arange(BIRDS, dtype=np.float32)[:, None]
        silent = SILENT_SECONDS * tf.clip_by_value(1e4 * (rank - (BIRDS - 1) * intensity) - 1.0, 0.0, 1.0)
        over = position - _length(row) - gap - silent
        due = tf.clip_by_value(1e12 * (over + HOP_SECONDS), 0.0, 1.0)  # 0 or 1: nothing in float32 lies between
        later = tf.concat((coming, sung[:, : (BEFORE - 1) * NUMBERS]), 1)
        # One that waited while it was not to sing begins within the hop; others that did so too, a little later each.
        waited = tf.clip_by_value(over - HOP_SECONDS, 0.0, 1.0)
        begin = tf.clip_by_value(over, -HOP_SECONDS, 0.0) - tf.minimum(waited * 1e3, 1.0) * WAKING_SECONDS * rank
        position = tf.minimum(position + due * (begin - position), LONGEST_SECONDS)
        return sung + due * (later - sung), position, due

    def _curves(self, row: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Hz and amplitude at the ends of the hop's pieces, Shape [rows, PIECES + 1]; how loud the octave is."""
        row = row * self._spread + self._mean
        length = _length(row)
        seconds = position + np.linspace(0, HOP_SECONDS, PIECES + 1, dtype=np.float32)
        place = tf.clip_by_value(seconds / length, 0.0, 1.0) * (KNOTS - 1)
        near = tf.nn.relu(1.0 - tf.abs(place[:, :, None] - np.arange(KNOTS, dtype=np.float32)))
        pitch, level = (tf.reshape(tf.matmul(near, row[:, part, None]), seconds.shape) for part in (PITCH, LEVEL))
        hertz = HIGH_HZ * _doubled(pitch + row[:, HEIGHT : HEIGHT + 1], 0.1, HIGHEST)
        loud = tf.minimum(row[:, PEAK : PEAK + 1], LOUDEST) + tf.minimum(level, 0.0)
        begun = tf.clip_by_value(seconds / RAMP_SECONDS, 0.0, 1.0)
        left = tf.clip_by_value((length - seconds) / RAMP_SECONDS, 0.0, 1.0)
        amplitude = AMBIENCE * tf.exp(math.log(10) / 2 * loud) * begun * left
        octave = tf.exp(math.log(10) / 2 * tf.minimum(row[:, OCTAVE : OCTAVE + 1], -0.3))
        return hertz, amplitude, octave


def _doubled(octaves: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """2 to the power of something, between bounds."""
    return tf.exp(math.log(2) * tf.clip_by_value(octaves, math.log2(low), math.log2(high)))


def _length(row: tf.Tensor) -> tf.Tensor:
    """Seconds of syllables. Shape [BIRDS, 1]"""
    return LONG_SECONDS * _doubled(row[:, LENGTH : LENGTH + 1], *(edge / LONG_SECONDS for edge in LENGTHS))


def _starts() -> np.ndarray:
    """Seconds before each bird sings at all. Shape [BIRDS, 1]"""
    return 0.05 + FIRST_SECONDS * np.arange(BIRDS, dtype=np.float32)[:, None]


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


def _risen(loud: tf.Tensor, louder: tf.Tensor, hops: int) -> tf.Tensor:
    """From one level to another within the first of the hops. Shape [hops · BIRDS, PIECES + 1]"""
    first = (np.arange(hops * BIRDS) < BIRDS).astype(np.float32)[:, None]
    before = first * loud + (1.0 - first) * louder if hops > 1 else loud
    return before + (louder - before) * np.linspace(0, 1, PIECES + 1, dtype=np.float32)


def _gone_round(phase: tf.Tensor, turns: tf.Tensor, hops: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Phases of all hops, each from where the one before it ended, in turns; and where the last ended.

    Args:
        phase: Where the first begins. Shape [BIRDS, 1]
        turns: Since each hop began. Shape [hops · BIRDS, HOP]
        hops: How many there are.
    """
    begins = []
    for last in tf.split(turns[:, -1:], hops) if hops > 1 else [turns[:, -1:]]:
        begins.append(phase)
        phase = phase + last
        phase = phase - tf.floor(phase)
    return stacked(begins) + turns, phase


def _spread_over_bands(hertz: tf.Tensor, amplitude: tf.Tensor, hops: int) -> tf.Tensor:
    """Power of sinusoids in the bands, for blocks of one frame. Shape [hops, BANDS]"""
    edges = [zone.edges_hz for zone in ZONES]
    centres = np.concatenate([(each[1:] + each[:-1]) / 2 for each in edges]).astype(np.float32)
    widths = np.concatenate([np.diff(each) for each in edges]).astype(np.float32)
    middle = tf.reduce_mean(hertz, 1, keepdims=True)
    near = tf.nn.relu(1.0 - tf.abs(middle - centres) / widths)
    power = 0.5 * tf.reduce_mean(tf.square(amplitude), 1, keepdims=True)
    return tf.reduce_sum(tf.reshape(near * power, (hops, BIRDS, BANDS)), 1)
