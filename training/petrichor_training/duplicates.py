"""Recordings that are the same: another codec, another rate, another level, a part of one another.

A duplicate that fell into the validation split would make every figure a lie. Envelopes of bands find what may be the
same quickly; then the waveforms decide, which of two recordings are never alike.
"""

from __future__ import annotations

import numpy as np
import soxr

RATE = 8000  # Hz: what is the same below 4 kHz is the same
HOP, WINDOW, BANDS = 160, 512, 16  # 20 ms
SHORTEST, LONGEST = RATE, 4 * RATE  # frames of a recording that are looked for in the others
MAYBE = 0.3  # correlation of envelopes: of one recording coded twice 0.75 or more, of two mostly less than this
SAME = 0.6  # correlation of waveforms: of 100 recordings no two reach 0.38, and each one coded again 0.82 or more


def _correlated(long: np.ndarray, piece: np.ndarray) -> float:
    """Return the highest correlation of a piece with any stretch of its length. Shape [frames, bands] both"""
    size = 1 << int(np.ceil(np.log2(len(long) + len(piece))))
    spectra = np.fft.rfft(long, size, axis=0) * np.conj(np.fft.rfft(piece, size, axis=0))
    products = np.fft.irfft(spectra.sum(axis=1), size)[: len(long) - len(piece) + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.sum(np.square(long), axis=1, dtype=np.float64))))
    norms = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-9))
    # A stretch of the long one that is next to silent is like nothing.
    norms = np.maximum(norms, 1e-2 * norms.max())
    return float(np.max(products / (norms * max(float(np.linalg.norm(piece)), 1e-9))))


def _liveliest(sound: np.ndarray, length: int) -> int:
    """Return where the stretch of so many frames with the most energy begins."""
    energy = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    return int(np.argmax(energy[length:] - energy[:-length]))


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
        start = _liveliest(short.sound, length)
        levels = short.levels[start // HOP : (start + length - WINDOW) // HOP]
        if _correlated(long.levels, levels) < MAYBE:
            return 0.0
        piece = short.sound[start : start + length, None]
        return max(_correlated(long.sound[:, None], piece), _correlated(long.sound[:, None], -piece))


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
