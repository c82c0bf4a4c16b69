"""Singing birds, hop by hop, as part of a LiteRT graph: when each sings, and what. How it sounds: `song_sound`.

Some birds take turns at the song network, one a hop, so that each has its next syllable ready (where one and its pause
are shorter than a turn, it comes twice). What is left behind a song in the wood is handed on as power of the bands.
How many birds sing, the nearest first, how long they rest between phrases, and a little of their level is the
intensity. Where the latent moves, what is being sung bends as far as the pitch of such birds differs.

Several hops made at one go are, to the last bit, what they are one by one: time is counted in parts of a hop, so that
sums of it are exact, and whatever happens or does not is 1 or 0.

TensorFlow only, and operations that LiteRT's compiled kernels take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from petrichor_training.streaming.rows import cut, in_turn, joined
from petrichor_training.streaming.song_network import CHANCE, LAYERS, LEAK
from petrichor_training.streaming.song_sound import BIRDS, HOP_SECONDS, LENGTHS, doubled, length_of, risen, sounding
from petrichor_training.streaming.syllables import BEFORE, GAP, GAPS, LENGTH, NUMBERS, PAUSE_SECONDS, SAME_BIRD
from petrichor_training.streaming.zones import BANDS

Arrays = dict[str, np.ndarray]

PAUSES = (GAPS[0], SAME_BIRD[2])  # seconds after a syllable: what was learned from ends there
ALIKE, UNLIKE = 0.8, 0.6  # how much of a bird's identity all have in common, and how much is its own
OWN, WANDERING = 0.8, 0.6  # of the latter: what stays, and what changes
WANDER_SECONDS = 60.0
WAKING_SECONDS = 0.13  # after one another, of birds that are to sing again
FIRST_SECONDS = 0.92  # after the first bird's first syllable the next one's
LONGEST_SECONDS = 64.0  # that is counted: longer than any syllable with its pause
SILENT_SECONDS = 2 * LONGEST_SECONDS  # that a bird which is not to sing waits besides
PHRASE_SECONDS = 0.7  # a pause longer than this is a rest between phrases
RESTS = 10.0  # times longer at no intensity; at full intensity half as long
SOFTER_DB = 5.0  # at no intensity than at full: heard at once, where another bird or a rest is not
ECHO_SECONDS = 0.9  # in which what a wood throws back falls by 60 dB
ECHO = 0.04  # of a steady note's power, before the wood is turned down with it; a bird that is far has as much
SEED = 20  # of what birds have of their own

GRAIN = 1024  # parts of a hop: 5 us, of which float32 still adds up a minute without rounding
# Hops at one go: no bird is due twice in them, for they are shorter than the shortest syllable and its pause.
AT_ONE_GO = int((LENGTHS[0] + PAUSES[0]) / HOP_SECONDS)
ECHO_KEEP = 10 ** (-6 * HOP_SECONDS / ECHO_SECONDS)
WANDER_KEEP = math.exp(-BIRDS * HOP_SECONDS / WANDER_SECONDS)  # from one turn to the next
WANDER_STEP = math.sqrt(1 - WANDER_KEEP**2)


def noise_size(coordinates: int) -> int:
    """Return how many Gaussian numbers a hop takes."""
    return CHANCE + coordinates


def song_state_sizes(coordinates: int) -> list[int]:
    """Return the lengths of the parts of the state.

    Whose turn it is; what each bird sang last, what it sings next, whether it has begun, how long it is at what it
    sings, where its wave is, how its identity has changed, how far it bends; what is left of what was sung; how loud
    all are, and how high the latent has them.
    """
    return [1, BIRDS * BEFORE * NUMBERS, BIRDS * NUMBERS, *3 * [BIRDS], BIRDS * coordinates, BIRDS, BANDS, 1, 1]


@dataclass(frozen=True)
class _Moments:
    """What happens when, in some hops.

    Attributes:
        position: How far each bird is in what it sings, in hops. Shape [hops, BIRDS]
        gone: 1 once it has gone on to what came next, else 0. Shape [hops, BIRDS]
        went: 1 if it did so in a hop before its turn at the song network, else 0. Shape [1, BIRDS]
        since: `position` as it is kept. Shape [1, BIRDS]
    """

    position: tf.Tensor
    gone: tf.Tensor
    went: tf.Tensor
    since: tf.Tensor


class SongStep:
    """The part of the graph.

    Args:
        weights: Of a `SongNetwork`, by name.
        mean: Of the rows as they were found. Shape [NUMBERS]
        spread: Of those. Shape [NUMBERS]
        register: Octaves by which birds sing higher for each coordinate of their identity. Shape [coordinates]
    """

    def __init__(self, weights: Arrays, mean: np.ndarray, spread: np.ndarray, register: np.ndarray) -> None:
        """Keep the weights as constants."""
        self._weights, self._mean, self._spread, self.coordinates = weights, mean, spread, len(register)
        self._register = ALIKE * register.astype(np.float32)[:, None]
        self._own = np.random.default_rng(SEED).standard_normal((BIRDS, self.coordinates)).astype(np.float32)

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
        hops = noise.shape[0]
        assert hops <= AT_ONE_GO, f"{hops} hops at one go, expected at most {AT_ONE_GO}"
        parts = cut(state, song_state_sizes(self.coordinates))
        turn, sung, coming, begun, since, phase, wander, bend, echo, loud, high = parts
        sung, coming, phase, wander = (tf.reshape(part, (BIRDS, -1)) for part in (sung, coming, phase, wander))
        until, turn = _until(turn, hops)
        turns = tf.nn.relu(1.0 - tf.abs(until - _places(hops)))  # 1 for the bird whose turn it is in each hop
        had = tf.clip_by_value(hops - until, 0.0, 1.0)  # 1 for those that have one
        moments = self._moments(sung, since, intensity, until, hops)
        wander, drawn = self._drawn(turns, had, moments, sung, coming, wander, latent, noise)
        before, (sung, coming) = sung, _gone_on(turns, had, moments, sung, coming, drawn)
        begun = tf.maximum(moments.gone, begun)
        higher = latent @ self._register
        bend = (bend + (higher - high)) * (1.0 - moments.gone)
        louder = tf.exp(-SOFTER_DB * math.log(10) / 20 * (1.0 - intensity))
        seconds, bent, singing = (_by_bird(rows) for rows in (HOP_SECONDS * moments.position, bend, begun))
        row = _heard(moments.gone, before, sung) * self._spread + self._mean
        sides, thrown, phase = sounding(row, seconds, bent, singing * risen(loud, louder, hops), phase)
        echo = in_turn(lambda past, now: ECHO_KEEP * past + now, echo, (1 - ECHO_KEEP) * ECHO * thrown)
        kept = (turn, sung, coming, begun[-1:], moments.since, phase, wander, bend[-1:], echo[-1:], louder, higher)
        return sides, echo, joined([tf.reshape(part, (1, -1)) for part in kept])

    def _moments(
        self, sung: tf.Tensor, since: tf.Tensor, intensity: tf.Tensor, until: tf.Tensor, hops: int
    ) -> _Moments:
        """When birds are due to go on: that needs what each sang when the hops began, for none is due twice in them.

        Args:
            sung: Shape [BIRDS, BEFORE · NUMBERS]
            since: How far birds are, in hops, as it is kept. Shape [1, BIRDS]
            intensity: 0…1. Shape [1, 1]
            until: Hops until each has its turn. Shape [1, BIRDS]
            hops: How many.
        """
        times = slice(LENGTH, GAP + 1)
        row = sung[:, times] * self._spread[times] + self._mean[times]
        gap = PAUSE_SECONDS * doubled(row[:, GAP - LENGTH :], *(edge / PAUSE_SECONDS for edge in PAUSES))
        quiet = tf.square(tf.square(1.0 - intensity))  # long rests are for the lowest intensities alone
        gap = gap + tf.nn.relu(gap - PHRASE_SECONDS) * (RESTS * quiet - 0.5 * intensity)
        rank = np.arange(BIRDS, dtype=np.float32)[None]
        silent = tf.clip_by_value((1e4 * rank - 1.0) - 1e4 * (BIRDS - 1) * intensity, 0.0, 1.0)
        seconds = tf.reshape(length_of(row[:, :1]) + gap, (1, BIRDS)) + SILENT_SECONDS * silent
        end = tf.floor(GRAIN / HOP_SECONDS * seconds) * (1 / GRAIN)
        position = (since - _starts()) + _places(hops)
        over = position - end
        gone = tf.clip_by_value(GRAIN * over + GRAIN, 0.0, 1.0)  # 1 from the hop on that ends after it: whole grains
        # One that waited while it was not to sing begins at once; others that did so too, a little later each.
        over = over[:1]
        waking = tf.minimum(GRAIN * tf.nn.relu(over - 1.0), 1.0) * (_in_hops(WAKING_SECONDS) * rank)
        longest = _in_hops(LONGEST_SECONDS)
        position = tf.minimum(position - gone * (end + (tf.nn.relu(over) + waking)), longest)
        went = tf.minimum(until, 1.0) * tf.clip_by_value(GRAIN * (over + until), 0.0, 1.0)
        return _Moments(position, gone, went, position[-1:] + (1.0 + _starts()))

    def _drawn(
        self,
        turns: tf.Tensor,
        had: tf.Tensor,
        moments: _Moments,
        sung: tf.Tensor,
        coming: tf.Tensor,
        wander: tf.Tensor,
        latent: tf.Tensor,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """How identities have changed, and what the bird whose turn it is may sing next. Shape [hops, NUMBERS]"""
        chance, wind = cut(noise, [CHANCE, self.coordinates])
        changed = (WANDER_KEEP - 1) * wander + WANDER_STEP * tf.matmul(tf.transpose(turns), wind)
        wander = wander + _column(had) * changed
        identity = (UNLIKE * WANDERING) * wander + (UNLIKE * OWN * self._own + ALIKE * latent)
        if turns.shape[0] > 1:
            sung = sung + _column(moments.went) * (_later(coming, sung) - sung)
        signal = tf.concat((turns @ tf.concat((sung, identity), 1), chance), 1)
        for name in LAYERS:
            signal = signal if name == LAYERS[0] else tf.nn.leaky_relu(signal, LEAK)
            signal = signal @ self._weights[name] + self._weights[f"{name}_bias"]
        return wander, signal


def _gone_on(
    turns: tf.Tensor, had: tf.Tensor, moments: _Moments, sung: tf.Tensor, coming: tf.Tensor, drawn: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What birds have sung and what comes, after the hops."""
    gone = moments.gone[-1:]
    fresh = tf.matmul(tf.transpose(turns), drawn) - coming
    in_time = gone * (had - moments.went * had)  # drawn before it went on, or in the same hop
    later = _later(coming + _column(in_time) * fresh, sung)
    return sung + _column(gone) * (later - sung), coming + _column(had) * fresh


def _heard(gone: tf.Tensor, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    """What birds sing in each hop: what they sang before, or after they have gone on. Shape [BIRDS · hops, NUMBERS]

    Args:
        gone: 0 or 1. Shape [hops, BIRDS]
        before: Shape [BIRDS, BEFORE · NUMBERS]
        after: As `before`.
    """
    hops = gone.shape[0]
    if hops == 1:
        return after[:, :NUMBERS]
    gone = tf.reshape(_by_bird(gone), (BIRDS, hops, 1))
    row = (1.0 - gone) * before[:, None, :NUMBERS] + gone * after[:, None, :NUMBERS]
    return tf.reshape(row, (BIRDS * hops, NUMBERS))


def _until(turn: tf.Tensor, hops: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Hops until each bird has its turn, Shape [1, BIRDS]; and whose turn it is after so many."""
    until = np.arange(BIRDS, dtype=np.float32)[None] - turn
    until = until + BIRDS * tf.clip_by_value(-until, 0.0, 1.0)
    turn = turn + float(hops)
    return until, turn - BIRDS * tf.clip_by_value(turn - (BIRDS - 1.0), 0.0, 1.0)


def _in_hops(seconds: float) -> float:
    """Seconds in hops, a whole number of grains."""
    return round(seconds / HOP_SECONDS * GRAIN) / GRAIN


def _starts() -> np.ndarray:
    """Hops before each bird sings at all. Shape [1, BIRDS]"""
    return np.array([[_in_hops(0.05 + FIRST_SECONDS * rank) for rank in range(BIRDS)]], np.float32)


def _places(hops: int) -> np.ndarray:
    """The hops' own places. Shape [hops, 1]"""
    return np.arange(hops, dtype=np.float32)[:, None]


def _later(coming: tf.Tensor, sung: tf.Tensor) -> tf.Tensor:
    """What will have been sung once that which comes is."""
    return tf.concat((coming, sung[:, : (BEFORE - 1) * NUMBERS]), 1)


def _column(row: tf.Tensor) -> tf.Tensor:
    """A number of each bird's, one above the other. Shape [BIRDS, 1]"""
    return tf.reshape(row, (BIRDS, 1))


def _by_bird(rows: tf.Tensor) -> tf.Tensor:
    """From a number of every bird's in each hop to a column, bird by bird. Shape [BIRDS · hops, 1]"""
    return tf.reshape(rows if rows.shape[0] == 1 else tf.transpose(rows), (-1, 1))
