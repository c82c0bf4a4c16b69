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

from petrichor_training.streaming.rows import cut, in_turn, joined, stacked
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

# Hops at one go: no bird is due twice in them, for they are shorter than the shortest syllable and its pause.
AT_ONE_GO = int((LENGTHS[0] + PAUSES[0]) / HOP_SECONDS)
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
            noise: Shape [hops, noise_size], of at most `AT_ONE_GO` hops
            latent: Identity that all have in common. Shape [1, coordinates]
            intensity: 0…1. Shape [1, 1]
            state: Shape [1, sum of song_state_sizes]

        Returns:
            Left and right, Shape [2, hops · HOP]; power that the bands are to have besides, for blocks of one frame,
            Shape [hops, BANDS]; and the new state.
        """
        turn, sung, coming, begun, since, phase, wander, echo, loud = cut(state, song_state_sizes(self.coordinates))
        chance, wind = cut(noise, [CHANCE, BIRDS * self.coordinates])
        hops = noise.shape[0]
        assert hops <= AT_ONE_GO, f"{hops} hops at one go, expected at most {AT_ONE_GO}"
        wander = in_turn(lambda past, now: WANDER_KEEP * past + WANDER_STEP * now, wander, wind)
        sung, coming = (_of_birds(part, 1) for part in (sung, coming))
        turns, turn = _turns(turn, hops)
        position, due, since = self._times(sung[:, :NUMBERS], since, intensity, hops)
        gone = in_turn(tf.maximum, np.zeros((1, BIRDS), np.float32), due)
        drawn = self._drawn(turns, gone, sung, coming, wander, latent, chance)
        before, (sung, coming) = sung, self._gone_on(turns, due, gone, sung, coming, drawn)
        begun = tf.maximum(gone, begun)
        position, gone, singing = (_by_bird(rows) for rows in (position, gone, begun))
        row = self._heard(gone, before, sung, hops)
        hertz, amplitude, octave = self._curves(row, position)
        louder = tf.exp(-SOFTER_DB * math.log(10) / 20 * (1.0 - intensity))
        amplitude = amplitude * (singing * _risen(loud, louder, hops))
        phases, phase = _gone_round(_of_birds(phase, 1), hertz @ _integral(), hops)
        angle = 2 * math.pi * phases
        wave = tf.sin(angle)
        voices = (amplitude @ _lines()) * (wave + 2.0 * octave * wave * tf.cos(angle))
        sides = tf.matmul(_gains(), tf.reshape(voices, (BIRDS, hops * HOP)))
        thrown = _spread_over_bands(hertz, amplitude, hops)
        echo = in_turn(lambda past, now: ECHO_KEEP * past + (1 - ECHO_KEEP) * ECHO * now, echo, thrown)
        kept = (turn, sung, coming, begun[-1:], since, phase, wander[-1:], echo[-1:], louder)
        return sides, echo, joined([tf.reshape(part, (1, -1)) for part in kept])

    def _times(
        self, row: tf.Tensor, since: tf.Tensor, intensity: tf.Tensor, hops: int
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """How far birds are in what they sing (seconds), which are due to go on, and the former as it is kept.

        That needs what each sang when the hops began, and nothing that is drawn in them, for none is due twice.

        Args:
            row: What they sing. Shape [BIRDS, NUMBERS]
            since: How far they were. Shape [1, BIRDS]
            intensity: 0…1. Shape [1, 1]
            hops: How many.

        Returns:
            Shape [hops, BIRDS] twice; and the last of the first, Shape [1, BIRDS].
        """
        row = row * self._spread + self._mean
        gap = PAUSE_SECONDS * _doubled(row[:, GAP : GAP + 1], *(edge / PAUSE_SECONDS for edge in PAUSES))
        quiet = tf.square(tf.square(1.0 - intensity))  # long rests are for the lowest intensities alone
        gap = gap + tf.nn.relu(gap - PHRASE_SECONDS) * (RESTS * quiet - 0.5 * intensity)
        rank = np.arange(BIRDS, dtype=np.float32)[None]
        silent = SILENT_SECONDS * tf.clip_by_value(1e4 * (rank - (BIRDS - 1) * intensity) - 1.0, 0.0, 1.0)
        length, gap = (tf.reshape(part, (1, BIRDS)) for part in (_length(row), gap))
        positions, dues = [], []
        for _ in range(hops):
            position = since - _starts()
            over = position - length - gap - silent
            due = tf.clip_by_value(1e12 * (over + HOP_SECONDS), 0.0, 1.0)  # 0 or 1: nothing in float32 lies between
            # One that waited while it was not to sing begins within the hop; others that did so too, a little later
            # each.
            waited = tf.clip_by_value(over - HOP_SECONDS, 0.0, 1.0)
            begin = tf.clip_by_value(over, -HOP_SECONDS, 0.0) - tf.minimum(waited * 1e3, 1.0) * WAKING_SECONDS * rank
            position = tf.minimum(position + due * (begin - position), LONGEST_SECONDS)
            since = position + HOP_SECONDS + _starts()
            positions.append(position)
            dues.append(due)
        return stacked(positions), stacked(dues), since

    def _drawn(
        self,
        turns: tf.Tensor,
        gone: tf.Tensor,
        sung: tf.Tensor,
        coming: tf.Tensor,
        wander: tf.Tensor,
        latent: tf.Tensor,
        chance: tf.Tensor,
    ) -> tf.Tensor:
        """What the bird whose turn it is in each hop may sing next. Shape [hops, NUMBERS]"""
        hops = turns.shape[0]
        past = turns @ sung
        if hops > 1:  # it may have gone on in a hop before its turn
            went = tf.concat((np.zeros((1, BIRDS), np.float32), gone[:-1]), 0)
            went = tf.reduce_sum(turns * went, 1, keepdims=True)
            past = past + went * (_later(turns @ coming, past) - past)
        own = OWN * self._own + WANDERING * tf.reshape(wander, (hops, BIRDS, -1))
        identity = ALIKE * latent + UNLIKE * tf.reduce_sum(turns[:, :, None] * own, 1)
        signal = tf.concat((past, identity, chance), 1)
        for name in LAYERS:
            signal = signal if name == LAYERS[0] else tf.nn.leaky_relu(signal, LEAK)
            signal = signal @ self._weights[name] + self._weights[f"{name}_bias"]
        return signal

    def _gone_on(
        self, turns: tf.Tensor, due: tf.Tensor, gone: tf.Tensor, sung: tf.Tensor, coming: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What birds have sung and what comes, after the hops."""
        had = in_turn(tf.add, np.zeros((1, BIRDS), np.float32), turns)  # which have had their turn
        in_time = tf.reduce_sum(due * had, 0, keepdims=True)  # before it went on, or as it did
        fresh = tf.transpose(turns) @ drawn - coming
        later = _later(coming + _of_birds(in_time, 1) * fresh, sung)
        return sung + _of_birds(gone[-1:], 1) * (later - sung), coming + _of_birds(had[-1:], 1) * fresh

    def _heard(self, gone: tf.Tensor, before: tf.Tensor, after: tf.Tensor, hops: int) -> tf.Tensor:
        """What birds sing in each hop: what they sang before, or after they have gone on.

        Args:
            gone: 0 or 1. Shape [BIRDS · hops, 1]
            before: Shape [BIRDS, BEFORE · NUMBERS]
            after: As `before`.
            hops: How many there are.

        Returns:
            Shape [BIRDS · hops, NUMBERS]
        """
        if hops == 1:
            return after[:, :NUMBERS]
        gone = tf.reshape(gone, (BIRDS, hops, 1))
        row = (1.0 - gone) * before[:, None, :NUMBERS] + gone * after[:, None, :NUMBERS]
        return tf.reshape(row, (BIRDS * hops, NUMBERS))

    def _curves(self, row: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Hz and amplitude at the ends of the hop's pieces, Shape [rows, PIECES + 1]; how loud the octave is."""
        row = row * self._spread + self._mean
        length = _length(row)
        seconds = position + np.linspace(0, HOP_SECONDS, PIECES + 1, dtype=np.float32)
        place = tf.clip_by_value(seconds / length, 0.0, 1.0) * (KNOTS - 1)
        near = tf.nn.relu(1.0 - tf.abs(place[:, :, None] - np.arange(KNOTS, dtype=np.float32)))
        parts = (tf.reshape(near * row[:, None, part], (-1, KNOTS)) for part in (PITCH, LEVEL))
        pitch, level = (tf.reshape(part @ np.ones((KNOTS, 1), np.float32), seconds.shape) for part in parts)
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
    """Seconds before each bird sings at all. Shape [1, BIRDS]"""
    return 0.05 + FIRST_SECONDS * np.arange(BIRDS, dtype=np.float32)[None]


def _turns(turn: tf.Tensor, hops: int) -> tuple[tf.Tensor, tf.Tensor]:
    """1 for the bird whose turn it is in each hop, else 0, Shape [hops, BIRDS]; and whose turn it is after them."""
    turns = []
    for _ in range(hops):
        turns.append(tf.nn.relu(1.0 - tf.abs(turn - np.arange(BIRDS, dtype=np.float32))))
        turn = turn + 1.0 - BIRDS * tf.clip_by_value(turn + 2.0 - BIRDS, 0.0, 1.0)
    return stacked(turns), turn


def _later(coming: tf.Tensor, sung: tf.Tensor) -> tf.Tensor:
    """What will have been sung once that which comes is."""
    return tf.concat((coming, sung[:, : (BEFORE - 1) * NUMBERS]), 1)


def _of_birds(flat: tf.Tensor, hops: int) -> tf.Tensor:
    """A flat row as one of every bird's, or of each of its hops. Shape [BIRDS · hops, …]"""
    return tf.reshape(flat, (BIRDS * hops, -1))


def _by_bird(rows: tf.Tensor) -> tf.Tensor:
    """From a number of every bird's in each hop to a column, bird by bird. Shape [BIRDS · hops, 1]"""
    return tf.reshape(rows if rows.shape[0] == 1 else tf.transpose(rows), (-1, 1))


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
    """From one level to another within the first of the hops. Shape [BIRDS · hops, PIECES + 1]"""
    first = (np.arange(BIRDS * hops) % hops == 0).astype(np.float32)[:, None]
    before = first * loud + (1.0 - first) * louder if hops > 1 else loud
    return before + (louder - before) * np.linspace(0, 1, PIECES + 1, dtype=np.float32)


def _gone_round(phase: tf.Tensor, turns: tf.Tensor, hops: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Phases of all hops, each from where the one before it ended, in turns; and where the last ended.

    Args:
        phase: Where the first begins. Shape [BIRDS, 1]
        turns: Since each hop began. Shape [BIRDS · hops, HOP]
        hops: How many there are.
    """
    begins, lasts = [], tf.reshape(turns[:, -1:], (BIRDS, hops))
    for hop in range(hops):
        begins.append(phase)
        phase = phase + lasts[:, hop : hop + 1]
        phase = phase - tf.floor(phase)
    start = begins[0] if hops == 1 else tf.reshape(tf.concat(begins, 1), (BIRDS * hops, 1))
    return start + turns, phase


def _spread_over_bands(hertz: tf.Tensor, amplitude: tf.Tensor, hops: int) -> tf.Tensor:
    """Power of sinusoids in the bands, for blocks of one frame. Shape [hops, BANDS]"""
    edges = [zone.edges_hz for zone in ZONES]
    centres = np.concatenate([(each[1:] + each[:-1]) / 2 for each in edges]).astype(np.float32)
    widths = np.concatenate([np.diff(each) for each in edges]).astype(np.float32)
    middle = tf.reduce_mean(hertz, 1, keepdims=True)
    near = tf.nn.relu(1.0 - tf.abs(middle - centres) / widths)
    power = 0.5 * tf.reduce_mean(tf.square(amplitude), 1, keepdims=True)
    return tf.reduce_sum(tf.reshape(near * power, (BIRDS, hops, BANDS)), 0)
