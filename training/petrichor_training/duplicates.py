"""Recordings that are the same: another codec, another rate, another level, a part of one another.

A duplicate that fell into the validation split would make every figure a lie. Envelopes of bands find what may be the
same quickly; then the waveforms decide, which of two recordings are never alike.
"""

from __future__ import annotations

import numpy as np
import soxr

from petrichor_training.likeness import Haystack
from petrichor_training.recordings import loudest_stretch

RATE = 8000  # Hz: what is the same below 4 kHz is the same
HOP, WINDOW, BANDS = 160, 512, 16  # 20 ms
SHORTEST, LONGEST = RATE, 4 * RATE  # frames of a recording that are looked for in the others
MAYBE = 0.3  # correlation of envelopes: of one recording coded twice 0.75 or more, of two mostly less than this
SAME = 0.6  # correlation of waveforms: of 100 recordings no two reach 0.38; 17 of them, coded again, 0.81 or more


class Fingerprint:
    """What is remembered of a recording.

    Args:
        audio: Shape [frames].
        rate: Hz.
    """

    def __init__(self, audio: np.ndarray, rate: int) -> None:
        """Keep its waveform below 4 kHz, and its levels in bands."""
        sound = soxr.resample(audio, rate, RATE) if rate != RATE else audio
        # The difference to the sample before makes low and high frequencies count alike: rumble is alike everywhere.
        self.sound = np.diff(sound, prepend=0.0).astype(np.float32)
        padded = np.pad(self.sound, (0, max(0, WINDOW - len(sound))))
        frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
        power = np.square(np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)))
        edges = np.unique(np.geomspace(12, WINDOW // 2, BANDS + 1).astype(int))
        bands = np.add.reduceat(power, edges[:-1], axis=1)
        # A floor 20 dB below the mean: what a codec does in the pauses is no difference.
        levels = np.log(bands + 1e-2 * bands.mean() + 1e-12)
        levels -= levels.mean(axis=0)
        self.levels = (levels / np.maximum(levels.std(axis=0), 1e-3)).astype(np.float32)
        self._haystack = Haystack(self.levels, LONGEST // HOP)

    def likeness(self, other: Fingerprint) -> float:
        """Return how exactly the loudest seconds of the shorter stand somewhere in the longer.

        Args:
            other: Of another recording.

        Returns:
            Correlation of the waveforms, 0…1; 0 where even the envelopes differ, or one is shorter than a second.
        """
        short, long = sorted((self, other), key=lambda part: len(part.sound))
        if len(short.sound) < SHORTEST:
            return 0.0
        length = min(len(short.sound), LONGEST)
        start = loudest_stretch(short.sound, length)
        levels = short.levels[start // HOP : (start + length - WINDOW) // HOP]
        if long._haystack.correlations(levels).max() < MAYBE:
            return 0.0
        piece = short.sound[start : start + length, None]
        # Turned upside down it is the same recording.
        return float(np.abs(Haystack(long.sound[:, None], length).correlations(piece)).max())


class Known:
    """The recordings so far."""

    def __init__(self) -> None:
        """Know none."""
        self._prints: dict[str, Fingerprint] = {}

    def add(self, name: str, audio: np.ndarray, rate: int) -> tuple[str, float] | None:
        """Remember a recording, unless it is the same as an earlier one.

        Args:
            name: Of the recording.
            audio: Shape [frames].
            rate: Hz.

        Returns:
            The earlier one's name and the correlation, or None where there is none.
        """
        added = Fingerprint(audio, rate)
        for other, known in self._prints.items():
            found = added.likeness(known)
            if found > SAME:
                return other, found
        self._prints[name] = added
        return None

    def forget(self, name: str) -> None:
        """Forget a recording that turned out to be of no use."""
        self._prints.pop(name, None)
