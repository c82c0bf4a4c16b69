"""Adversarial losses on logits. No network here ends in a sigmoid: the loss holds the only one."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any


def discriminator_loss(real: Tensor, fake: Tensor, kind: str) -> Tensor:
    """What the discriminator minimises.

    Args:
        real: Logits on recordings. Shape [batch, 1].
        fake: Logits on what the generator made. Shape [batch, 1].
        kind: "non-saturating" (binary cross-entropy: ones on real + zeros on fake), "hinge" or "wasserstein".

    Returns:
        A scalar.

    Reference:
        Goodfellow et al. 2014; Miyato et al. 2018 (hinge); Arjovsky et al. 2017 (Wasserstein).
    """
    if kind == "hinge":
        return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))
    if kind == "wasserstein":
        return ops.mean(fake) - ops.mean(real)
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def generator_loss(fake: Tensor, kind: str) -> Tensor:
    """What the generator minimises.

    Args:
        fake: Logits on what it made. Shape [batch, 1].
        kind: As in `discriminator_loss`.

    Returns:
        A scalar. For "non-saturating": binary cross-entropy against ones.
    """
    if kind in ("hinge", "wasserstein"):
        return -ops.mean(fake)
    return ops.mean(ops.softplus(-fake))


def mixed(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Points between recordings and fakes, at which the discriminator's gradient is looked at.

    Args:
        real: Shape [batch, …].
        fake: The same shape.
        share: Of the recording in each, drawn uniformly from 0…1. Shape [batch].

    Returns:
        The same shape as `real`.
    """
    share = ops.reshape(share, (-1,) + (1,) * (len(real.shape) - 1))
    return share * real + (1.0 - share) * fake


def gradient_penalty(gradient: Tensor) -> Tensor:
    """How far the discriminator is from a slope of 1.

    Args:
        gradient: Of its logits, with respect to what it looked at. Shape [batch, …].

    Returns:
        A scalar: mean of (length - 1)².

    Reference:
        Gulrajani et al. 2017, "Improved training of Wasserstein GANs".
    """
    squares = ops.sum(ops.reshape(ops.square(gradient), (ops.shape(gradient)[0], -1)), axis=1)
    return ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1.0))
