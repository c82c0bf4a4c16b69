"""A high-pass filter as part of a LiteRT graph, hop by hop.

Lapped transforms of few frames leak: what is loud at 4 kHz is heard faintly below 400 Hz, where the recordings, which
were high-passed, have nothing. So the voice is high-passed as they were.

A recursive filter is one matrix from what comes in and where it was to what comes out and where it is then. A hop is
cut into pieces, so that the matrix stays small, and all pieces are filtered at once as if each began in silence; where
each began, and what that adds to it, are two more matrices. TensorFlow only.

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
PIECE = 32  # frames
PIECES = HOP // PIECE


class HighPass:
    """The filter.

    Args:
        hertz: Its edge.
    """

    def __init__(self, hertz: float) -> None:
        """Find the matrices."""
        sections = ellip(ORDER, RIPPLE_DB, STOP_DB, hertz, "highpass", fs=RATE, output="sos")
        matrix = _as_matrix(sections)
        self._piece = matrix[:PIECE].astype(np.float32)
        self._rest = matrix[PIECE:, :PIECE].astype(np.float32)
        self._places = _places(matrix[PIECE:, PIECE:]).astype(np.float32)

    def __call__(self, audio: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Filter hops, each from where the one before it left off.

        Args:
            audio: Shape [CHANNELS, hops · HOP]
            state: Shape [1, STATE_SIZE]

        Returns:
            The same two, after it.
        """
        alone = tf.reshape(audio, (-1, PIECE)) @ self._piece
        ends = tf.reshape(alone[:, PIECE:], (CHANNELS, -1))
        place, begun = tf.reshape(state, (CHANNELS, PLACE)), []
        for first in range(0, ends.shape[1], PIECES * PLACE):
            places = tf.concat((place, ends[:, first : first + PIECES * PLACE]), 1) @ self._places
            begun.append(places[:, : PIECES * PLACE])
            place = places[:, PIECES * PLACE :]
        alike = tf.reshape(tf.concat(begun, 1), (-1, PLACE))
        filtered = tf.reshape(alone[:, :PIECE] + alike @ self._rest, (CHANNELS, -1))
        return filtered, tf.reshape(place, (1, STATE_SIZE))


def _places(step: np.ndarray) -> np.ndarray:
    """From where the filter was and where each piece alone left it to where each begins, and where the last ends.

    Args:
        step: From one place to the next, a silent piece later. Shape [PLACE, PLACE]

    Returns:
        Shape [(1 + PIECES) · PLACE, (PIECES + 1) · PLACE]
    """
    powers = [np.linalg.matrix_power(step, count) for count in range(PIECES + 1)]
    nothing = np.zeros_like(step)
    rows = range(PIECES + 1)
    return np.block([[powers[later - row] if later >= row else nothing for later in rows] for row in rows])


def _as_matrix(sections: np.ndarray) -> np.ndarray:
    """From a piece and where the filter was to the piece filtered and where it is. Shape [PIECE + PLACE, the same]"""
    found = []
    for one in np.eye(PIECE + PLACE):
        filtered, place = sosfilt(sections, one[:PIECE], zi=one[PIECE:].reshape(SECTIONS, 2))
        found.append(np.concatenate((filtered, place.ravel())))
    return np.array(found)
