"""The zones of the spectrum of a streaming texture, finer in frequency below and finer in time above.

Rain needs a millisecond where drops are and a semitone nowhere. So each zone has its own modified discrete cosine
transform. Pure; numpy alone, so that preparing recordings needs no more.

Reference:
    Princen & Bradley 1986 (cancellation of time aliasing); Malvar 1999, "A modulated complex lapped transform".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 48_000  # Hz
HOP = 256  # frames: one block of the coarsest zone, and what a voice makes in one step


@dataclass(frozen=True)
class Zone:
    """A part of the spectrum with one resolution.

    Attributes:
        size: Frames from block to block; a block's window is twice as long, a coefficient `RATE` / 2 / `size` Hz wide.
        first: Its lowest coefficient.
        count: Coefficients.
    """

    size: int
    first: int
    count: int

    @property
    def blocks(self) -> int:
        """Blocks in a hop."""
        return HOP // self.size

    @property
    def edges_hz(self) -> np.ndarray:
        """Where coefficients begin and end, Hz. Shape [count + 1]"""
        return np.arange(self.first, self.first + self.count + 1) * (RATE / 2 / self.size)


# Coarsest first: to 0.94, 3, 8.25 and 20.25 kHz.
ZONES = (Zone(256, 0, 10), Zone(128, 5, 11), Zone(64, 8, 14), Zone(32, 11, 16))
COUNTS = tuple(zone.count for zone in ZONES)
BANDS = sum(COUNTS)


def waves(zone: Zone) -> tuple[np.ndarray, np.ndarray]:
    """Return the windowed cosines and sines of a zone. Shape [2 · size, count] each, float32"""
    time = np.arange(2 * zone.size)
    window = np.sqrt(2 / zone.size) * np.sin(np.pi / (2 * zone.size) * (time + 0.5))
    turns = np.arange(zone.first, zone.first + zone.count) + 0.5
    phases = np.pi / zone.size * (time[:, None] + 0.5 + zone.size / 2) * turns
    cosines, sines = window[:, None] * np.cos(phases), window[:, None] * np.sin(phases)
    return cosines.astype(np.float32), sines.astype(np.float32)


def overlapping(zone: Zone, sines: bool = False) -> np.ndarray:
    """Return the matrix from two blocks' coefficients, the earlier first, to the frames that they share.

    Args:
        zone: Whose blocks.
        sines: Whether they are of sines, not of cosines.

    Returns:
        Shape [2 · count, size]
    """
    wave = waves(zone)[int(sines)]
    return np.concatenate((wave[zone.size :].T, wave[: zone.size].T))
