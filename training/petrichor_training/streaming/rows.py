"""Flat rows of numbers, as LiteRT's compiled kernels like them."""

from __future__ import annotations

import itertools

import tensorflow as tf


def cut(row: tf.Tensor, sizes: list[int]) -> list[tf.Tensor]:
    """Return the pieces of a row. Shape [1, size] each

    Args:
        row: Shape [1, sum of the sizes]
        sizes: Of the pieces.
    """
    ends = list(itertools.accumulate(sizes))
    return [row[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]
