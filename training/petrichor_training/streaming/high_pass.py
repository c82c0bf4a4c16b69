"""A high-pass filter as part of a LiteRT graph, hop by hop.

Lapped transforms of few frames leak: what is loud at 4 kHz is heard faintly below 400 Hz, where the recordings, which
were high-passed, have nothing. So the voice is high-passed as they were.

A recursive filter is one matrix from what comes in and where it was to what comes out and where it is then; in pieces
of a hop, so that the matrix stays small. TensorFlow only.

Reference:
    scipy.signal.ellip.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from scipy.signal import ellip, sosfilt

from petrichor_training.streaming.zones import HOP, RATE

CHANNELS = 2
ORDER, RIPPLE_DB, STOP_DB = 7, 0.3, 60.0  # nothing is left below three quarters of the edge
SECTIONS = 4
PLACE = 2 * SECTIONS  # numbers that say where the filter is, a channel
STATE_SIZE = CHANNELS * PLACE
PIECE = 64  # frames


class HighPass:
    """The filter.

    Args:
        hertz: Its edge.
    """

    def __init__(self, hertz: float) -> None:
        """Find the matrix."""
        sections = ellip(ORDER, RIPPLE_DB, STOP_DB, hertz, "highpass", fs=RATE, output="sos")
        self._matrix = _as_matrix(sections).astype(np.float32)

    def __call__(self, audio: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Filter a hop.

        Args:
            audio: Shape [1, HOP, CHANNELS]
            state: Shape [1, STATE_SIZE]

        Returns:
            The same two, after it.
        """
        rows = tf.reshape(tf.transpose(audio, (0, 2, 1)), (CHANNELS, HOP))
        place, parts = tf.reshape(state, (CHANNELS, PLACE)), []
        for start in range(0, HOP, PIECE):
            both = tf.concat((rows[:, start : start + PIECE], place), 1) @ self._matrix
            parts.append(both[:, :PIECE])
            place = both[:, PIECE:]
        filtered = tf.transpose(tf.concat(parts, 1))[None]
        return filtered, tf.reshape(place, (1, STATE_SIZE))


def _as_matrix(sections: np.ndarray) -> np.ndarray:
    """From a piece and where the filter was to the piece filtered and where it is. Shape [PIECE + PLACE, the same]"""
    found = []
    for one in np.eye(PIECE + PLACE):
        filtered, place = sosfilt(sections, one[:PIECE], zi=one[PIECE:].reshape(SECTIONS, 2))
        found.append(np.concatenate((filtered, place.ravel())))
    return np.array(found)
