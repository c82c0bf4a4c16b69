"""Syllables, and which bird sings them: what a song network learns.

A line is cut into syllables; each becomes a row of numbers: its curve of pitch and of level, how high, how long, how
loud, how much of an octave it has, and after how long the same bird goes on. Birds are told apart by pitch, level and
time.

Pure; numpy and scipy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from petrichor_training.streaming.lines import HOP, Line
from petrichor_training.streaming.measured import Measured, gaussian_components
from petrichor_training.streaming.zones import RATE

NAME = "songs.npz"
VERSION = 1  # of how they are found: raised when the same recordings would give others
SECONDS = HOP / RATE  # between two values of a line
KNOTS = 24  # of each curve
PITCH, LEVEL = slice(0, KNOTS), slice(KNOTS, 2 * KNOTS)  # curves: octaves from the mean; 10 dB below the peak, -3 to 0
HEIGHT, LENGTH, PEAK, OCTAVE, GAP = range(2 * KNOTS, 2 * KNOTS + 5)
NUMBERS = 2 * KNOTS + 5
# HEIGHT: octaves over it; LENGTH and GAP: doublings of it; PEAK: 10 dB over the recording without lines; OCTAVE: 10 dB
# below the peak, -4 to 0.
HIGH_HZ, LONG_SECONDS, PAUSE_SECONDS = 3500.0, 0.06, 0.2
LONGEST = 375  # values, a second: longer ones are cut where they are softest
FADED_DB = 28.0  # below its peak a syllable has ended
SHORTEST = 6  # values
ROUGHEST = 0.012  # octaves, RMS of the second difference: more is no line
GAPS = (0.006, 6.0)  # seconds
PEAKS = (-2.0, 3.0)  # gated recordings have nothing around their birds
SAME_BIRD = (0.7, 14.0, 2.5)  # octaves, dB and seconds to what it sang before, at most
FEWEST = 4  # syllables of a bird
BEFORE = 3  # syllables that a bird remembers
IDENTITY = 8  # coordinates of how a bird sings
# How much each of a row's numbers counts when rows are compared, after all have unit spread; curves as a whole.
COUNTS = np.concatenate(
    (np.full(KNOTS, 1.5 / np.sqrt(KNOTS)), np.full(KNOTS, 1 / np.sqrt(KNOTS)), (1.5, 1.0, 1.0, 0.5, 1.0))
).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Songs(Measured):
    """What was sung, as a network learns it: rows have mean 0 and spread 1.

    Attributes:
        before: What the same bird sang before each syllable, the last first. Shape [syllables, BEFORE · NUMBERS]
        after: The syllables. Shape [syllables, NUMBERS]
        identities: Of their birds: coordinates of how they sing, each a Gaussian's. Shape [syllables, coordinates]
        shares: How often each is to be drawn; birds count by the root of what they sang. Shape [syllables]
        mean: Of the rows as they were found. Shape [NUMBERS]
        spread: Of those. Shape [NUMBERS]
    """

    file_name = NAME
    called = "songs"

    before: np.ndarray
    after: np.ndarray
    identities: np.ndarray
    shares: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @property
    def register(self) -> np.ndarray:
        """Octaves by which birds sing higher for each coordinate of their identity. Shape [coordinates]"""
        weights = np.sqrt(self.shares)[:, None]
        known = np.concatenate((self.identities, np.ones_like(weights)), 1)
        slopes = np.linalg.lstsq(weights * known, weights[:, 0] * self.after[:, HEIGHT], rcond=None)[0]
        return slopes[:-1] * self.spread[HEIGHT]


@dataclass(frozen=True, eq=False)
class _Syllable:
    """One, and when it was."""

    start: float  # seconds
    end: float
    row: np.ndarray  # with no gap yet


def birds_of(lines: list[Line], level_db: float) -> list[np.ndarray]:
    """Return what each bird of a recording sings, one row a syllable.

    Args:
        lines: Of one recording.
        level_db: RMS of the recording without them, dB re full scale.

    Returns:
        Shape [syllables, NUMBERS] each
    """
    found = [_syllable(part, level_db) for line in lines for part in _parts(line)]
    birds = _told_apart(sorted((each for each in found if each), key=lambda each: each.start))
    return [_rows(bird) for bird in birds if len(bird) >= FEWEST]


def songs_of(birds: list[np.ndarray], coordinates: int = IDENTITY) -> Songs:
    """Return what a network learns from birds.

    Args:
        birds: From `birds_of`, of all recordings.
        coordinates: Of a bird's identity.

    Raises:
        ValueError: There are no more birds than coordinates.
    """
    if len(birds) <= coordinates:
        raise ValueError(f"{len(birds)} birds, expected more than {coordinates}")
    everything = np.concatenate(birds)
    mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6
    for curve in (PITCH, LEVEL):
        spread[curve] = spread[curve].mean()
    scaled = [(bird - mean) / spread for bird in birds]
    weights = np.sqrt([len(bird) for bird in birds])
    weights /= weights.sum()
    identities = _identities(scaled, weights, coordinates)
    lengths = [len(bird) for bird in birds]
    arrays = (
        np.concatenate([_before(bird) for bird in scaled]),
        np.concatenate(scaled),
        np.repeat(identities, lengths, axis=0),
        np.repeat(weights / lengths, lengths),
        mean,
        spread,
    )
    return Songs(*(array.astype(np.float32) for array in arrays))


def _parts(line: Line) -> list[Line]:
    """A line, cut where it is softest until no part is too long."""
    if len(line.hertz) <= LONGEST:
        return [line]
    margin = LONGEST // 5
    cut = margin + int(np.argmin(line.level_db[margin:-margin]))
    halves = (slice(0, cut), slice(cut, None))
    pieces = [
        Line(line.start + (half.start or 0), line.hertz[half], line.level_db[half], line.octave_db[half])
        for half in halves
    ]
    return [part for piece in pieces for part in _parts(piece)]


def _syllable(line: Line, level_db: float) -> _Syllable | None:
    heard = np.flatnonzero(line.level_db > line.level_db.max() - FADED_DB)
    first, last = int(heard[0]), int(heard[-1]) + 1
    pitch, level = np.log2(line.hertz[first:last] / HIGH_HZ), line.level_db[first:last]
    if len(pitch) < SHORTEST or np.std(np.diff(pitch, 2)) > ROUGHEST:
        return None
    at = np.linspace(0, len(pitch) - 1, KNOTS)
    row, places, peak = np.zeros(NUMBERS), np.arange(len(pitch)), float(level.max())
    row[PITCH] = np.interp(at, places, pitch - pitch.mean())
    row[LEVEL] = np.maximum(np.interp(at, places, level - peak) / 10, -3)
    octave = float(np.median(line.octave_db[first:last] - level))
    seconds = len(pitch) * SECONDS
    row[[HEIGHT, LENGTH]] = pitch.mean(), np.log2(seconds / LONG_SECONDS)
    row[PEAK] = np.clip((peak - level_db) / 10, *PEAKS)
    row[OCTAVE] = np.clip(octave / 10, -4, 0)
    start = (line.start + first) * SECONDS
    return _Syllable(start, start + seconds, row)


def _told_apart(syllables: list[_Syllable]) -> list[list[_Syllable]]:
    """One list a bird: each syllable goes to the bird it is most like, or begins a new one."""
    octaves, decibels, seconds = SAME_BIRD
    birds: list[list[_Syllable]] = []
    for each in syllables:
        best, least = None, np.inf
        for bird in birds:
            gap = each.start - bird[-1].end
            if not -SECONDS / 2 <= gap <= seconds:  # parts of one line follow at once
                continue
            lately = np.array([one.row for one in bird[-4:]])
            higher = np.min(np.abs(lately[:, HEIGHT] - each.row[HEIGHT]))
            louder = 10 * abs(lately[:, PEAK].mean() - each.row[PEAK])
            unlike = 2 * higher / octaves + 2 * louder / decibels + 3 * gap / seconds
            if higher <= octaves and louder <= decibels and unlike < least:
                best, least = bird, unlike
        if best is None:
            birds.append([each])
        else:
            best.append(each)
    return birds


def _rows(bird: list[_Syllable]) -> np.ndarray:
    rows = np.array([each.row for each in bird])
    pauses = [later.start - each.end for each, later in itertools.pairwise(bird)]
    rows[:, GAP] = np.log2(np.clip([*pauses, SAME_BIRD[2]], *GAPS) / PAUSE_SECONDS)
    return rows


def _before(bird: np.ndarray) -> np.ndarray:
    """What was sung before each syllable; before the first, what comes last. Shape [syllables, BEFORE · NUMBERS]"""
    return np.concatenate([np.roll(bird, back, axis=0) for back in range(1, BEFORE + 1)], axis=1)


def _identities(birds: list[np.ndarray], weights: np.ndarray, coordinates: int) -> np.ndarray:
    """Principal components of how birds sing: mean, spread and steps of their rows. Shape [birds, coordinates]"""
    described = []
    for bird in birds:
        rows = bird * COUNTS
        steps = np.abs(np.diff(rows, axis=0)).mean(axis=0)
        described.append(np.concatenate((rows.mean(axis=0), 0.5 * rows.std(axis=0), 0.5 * steps)))
    rest = np.array(described) - weights @ np.array(described)
    return gaussian_components(rest, weights, coordinates)
