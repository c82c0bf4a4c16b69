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
