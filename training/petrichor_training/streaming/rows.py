"""Flat rows of numbers, as LiteRT's compiled kernels like them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import tensorflow as tf

AT_ONCE = 4  # rows that are joined: of more than five, XNNPACK leaves it to others, and the graph falls to pieces


def cut(row: tf.Tensor, sizes: list[int]) -> list[tf.Tensor]:
    """Return the pieces of a row. Shape [1, size] each

    Args:
        row: Shape [1, sum of the sizes]
        sizes: Of the pieces.
    """
    ends = list(itertools.accumulate(sizes))
    return [row[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


def joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return one row of many.

    Args:
        parts: Shape [1, size] each
    """
    while len(parts) > AT_ONCE:
        parts = [tf.concat(parts[start : start + AT_ONCE], 1) for start in range(0, len(parts), AT_ONCE)]
    return tf.concat(parts, 1)
