"""Flat rows of numbers, as LiteRT's compiled kernels like them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

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


def in_turn(step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], before: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return what each row makes of what the one before it left. Shape [rows, size]

    Args:
        step: From what was left and a row to what is left then. Shape [1, size] each
        before: What was left. Shape [1, size]
        rows: Shape [rows, size]
    """
    made = []
    for row in apart(rows):
        before = step(before, row)
        made.append(before)
    return stacked(made)


def apart(rows: tf.Tensor) -> list[tf.Tensor]:
    """Return rows one by one. Shape [1, size] each

    Args:
        rows: Shape [rows, size]
    """
    return [rows] if rows.shape[0] == 1 else tf.split(rows, rows.shape[0])


def stacked(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return one matrix of several that are as wide."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, 0)
