"""What can be heard in the probes' sound: level, pitch, clicks, silence. Pure functions; sound is [frames, 2]."""

from __future__ import annotations

import math

import numpy as np

CHANGED = 1e-5  # of full scale: a sample from which a probe that was silent sounds
ORDER = 8  # of the difference that makes clicks stand out: a tone of 2 kHz is lowered by 94 dB
STEP_GAIN = math.comb(ORDER - 1, (ORDER - 1) // 2)  # what that makes of a step of height 1
QUIET = 1e-4  # of full scale
HOLD = 480  # frames: 10 ms; a kink in another tone sounds like any tone for less
WINDOW = 240  # frames over which a tone's level is taken: 5 ms at 48 kHz


def first_sound(sound: np.ndarray) -> int | None:
    """Return the first frame that sounds, or None."""
    found = np.flatnonzero(np.abs(sound).max(1, initial=0.0) > CHANGED)
    return int(found[0]) if len(found) else None


def largest_step(sound: np.ndarray) -> tuple[float, int]:
    """Return the height of the largest step between two samples that a smooth sound cannot have, and its frame.

    In any channel; a sample that is not finite is a step of infinite height.
    """
    if len(sound) <= ORDER:
        return 0.0, 0
    with np.errstate(invalid="ignore"):
        heights = np.abs(np.diff(sound.astype(np.float64), ORDER, axis=0)).max(1) / STEP_GAIN
    heights[~np.isfinite(heights)] = np.inf
    place = int(heights.argmax())
    return float(heights[place]), place + ORDER // 2


def longest_silence(sound: np.ndarray, quiet: float = QUIET) -> int:
    """Return the frames of the longest stretch without sound."""
    loud = np.flatnonzero(np.abs(sound).max(1, initial=0.0) > quiet)
    return int(np.diff(np.concatenate(([-1], loud, [len(sound)]))).max()) - 1


def tone_level(sound: np.ndarray, hz: float, rate: int = 48000) -> np.ndarray:
    """Return the level of a tone over time: amplitude, by frame, over `WINDOW` frames to come."""
    turns = np.exp(-2j * np.pi * hz / rate * np.arange(len(sound)))
    sums = np.concatenate(([0.0], np.cumsum(sound[:, 0] * turns)))
    return np.asarray(2 * np.abs(sums[WINDOW:] - sums[:-WINDOW]) / WINDOW)


def onset(sound: np.ndarray, hz: float, level: float, rate: int = 48000) -> int | None:
    """Return the first frame from which a tone stays at that level or above for `HOLD` frames, or None."""
    if len(sound) < WINDOW + HOLD:
        return None
    above = np.concatenate(([0], np.cumsum(tone_level(sound, hz, rate) >= level)))
    found = np.flatnonzero(above[HOLD:] - above[:-HOLD] == HOLD)
    return int(found[0]) if len(found) else None
