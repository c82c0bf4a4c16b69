"""A peak limiter for the mix: nothing passes its ceiling, and what stays below it is not touched at all.

It looks a little ahead, so that the gain is down before the peak comes: an average of past demands, each of which
already knows the peak, can never be above what the peak allows. It recovers at a steady rate in decibels.

Owned by the mixer (live) or by `petrichor render`.

Reference: the moving-average attack is the usual one of look-ahead limiters, e.g. Signalsmith, "Designing a
straightforward limiter", https://signalsmith-audio.co.uk/writing/2022/limiter/
"""

from __future__ import annotations

import numpy as np

CEILING = 0.891  # -1 dBFS: room for what a converter or resampler makes between two samples
LOOKAHEAD = 64  # frames: 1.3 ms at 48 kHz
RECOVERY = 60.0  # dB in a second


class Limiter:
    """Delays by `lookahead` frames, and turns down what would pass the ceiling.

    Args:
        rate: Hz.
        ceiling: Largest absolute sample that leaves.
        lookahead: Frames of delay.

    Attributes:
        lookahead: Frames of delay.
        gain: The lowest gain since this was last set to 1, for meters.
    """

    def __init__(self, rate: int, ceiling: float = CEILING, lookahead: int = LOOKAHEAD) -> None:
        """Start with silence in the delay."""
        self.lookahead = lookahead
        self.gain = 1.0
        self._ceiling = ceiling
        self._slope = RECOVERY / rate
        self._delayed = np.zeros((lookahead, 2), np.float32)
        self._demands = np.zeros(lookahead)  # dB that each delayed frame allows, at most 0
        self._recent = np.zeros(lookahead)  # dB of the gain before averaging, of the frames before

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take in a block and return one as long, of `lookahead` frames before.

        Args:
            block: Shape [frames, 2], float32, finite.
        """
        frames = len(block)
        sound = np.concatenate((self._delayed, block))
        self._delayed = sound[frames:]
        peak = float(np.abs(block).max(initial=0.0))
        if peak <= self._ceiling and not self._demands.any() and not self._recent.any():
            return sound[:frames]
        gains = self._gains(np.abs(block).max(1, initial=0.0), frames)
        self.gain = min(self.gain, float(gains.min(initial=1.0)))
        return (sound[:frames] * gains[:, None]).astype(np.float32)

    def _gains(self, peaks: np.ndarray, frames: int) -> np.ndarray:
        new = np.minimum(20 * np.log10(self._ceiling / np.maximum(peaks, 1e-9)), 0.0)
        demands = np.concatenate((self._demands, new))
        self._demands = demands[frames:].copy()
        ahead = running_minimum(demands, self.lookahead + 1)  # what the next frames, and this one, allow
        # Rise by no more than the slope: min over the past of (demand then + slope since), as one running minimum.
        ramp = self._slope * np.arange(1, frames + 1)
        start = min(float(self._recent[-1]), 0.0)
        recovered = np.minimum(np.minimum.accumulate(np.concatenate(([start], ahead - ramp)))[1:] + ramp, 0.0)
        recent = np.concatenate((self._recent, recovered))
        self._recent = recent[frames:].copy()
        sums = np.concatenate(([0.0], np.cumsum(10.0 ** (recent / 20))))
        smooth = (sums[self.lookahead + 1 :] - sums[: -self.lookahead - 1]) / (self.lookahead + 1)
        return np.minimum(smooth, 1.0)


def running_minimum(values: np.ndarray, length: int) -> np.ndarray:
    """Return the minimum of every stretch of `length` values. Shape [values - length + 1]"""
    covered = 1
    while covered < length:  # stretches twice as long from two shorter ones that overlap or touch
        step = min(covered, length - covered)
        values = np.minimum(values[:-step], values[step:])
        covered += step
    return values
