"""Sound as powers of short cosines in every zone, and back.

A voice is made by choosing the powers; the signs are drawn. With signs of +1 and -1 (not Gaussian numbers) every block
has just the power that was asked for: recordings that are taken apart and put together again this way stay nearly as
near to other recordings as they were.

Pure; arithmetic in Keras operations, so that losses reach through it.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from petrichor_training.streaming.zones import HOP, ZONES, overlapping, waves

Tensor = Any


def powers(sound: Tensor) -> list[Tensor]:
    """Return the powers of a sound in every zone, from a cosine and a sine each.

    Args:
        sound: Whole hops, two or more. Shape [batch, frames]

    Returns:
        Block b of a zone looks at the frames from b · size on. Shape [batch, blocks, count] each, with
        frames / size - 1 blocks
    """
    found = []
    for zone in ZONES:
        pieces = ops.reshape(sound, (-1, sound.shape[1] // zone.size, zone.size))
        windows = ops.concatenate((pieces[:, :-1], pieces[:, 1:]), axis=2)
        real, imaginary = (ops.square(ops.matmul(windows, wave)) for wave in waves(zone))
        found.append(0.5 * (real + imaginary))
    return found


def sounds(coefficients: list[Tensor]) -> Tensor:
    """Return the sound of coefficients.

    Args:
        coefficients: Of whole hops. Shape [batch, hops · zone.blocks, count] for each zone

    Returns:
        What all blocks that it needs are there for: it begins with frame `HOP` of what was transformed. Shape [batch,
        (hops - 1) · HOP]
    """
    parts = []
    for zone, values in zip(ZONES, coefficients, strict=True):
        pairs = ops.concatenate((values[:, :-1], values[:, 1:]), axis=2)
        blocks = ops.matmul(pairs, overlapping(zone))
        whole = ops.reshape(blocks, (-1, blocks.shape[1] * zone.size))
        parts.append(whole[:, HOP - zone.size :])
    return sum(parts[1:], parts[0])


def averaged(power: Tensor, blocks: int) -> Tensor:
    """Return means of so many blocks each, what is left over at the end left out.

    Args:
        power: Shape [batch, blocks, bands].
        blocks: How many.
    """
    if blocks == 1:
        return power
    count = power.shape[1] // blocks
    return ops.mean(ops.reshape(power[:, : count * blocks], (-1, count, blocks, power.shape[2])), axis=2)
