"""Both networks of a run, their optimisers and the moving average of the generator.

How a step is computed is the backend's: `tensorflow_steps` or `jax_steps`, which do the same in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from petrichor_training.losses import generator_loss
from petrichor_training.settings import FitSettings

Tensor = Any
Distance = Callable[[Tensor, Tensor], Tensor]  # of what was recorded and what is made: how unlike they are, a scalar


class Gan:
    """Generator, discriminator and the moving average of the generator.

    One step draws one batch of fakes and updates both networks from it.
    """

    def __init__(
        self,
        generator: keras.Model,
        averaged: keras.Model,
        discriminator: keras.Model,
        settings: FitSettings,
        distance: Distance | None = None,
    ) -> None:
        """Keep the networks and what they minimise; `averaged` becomes a copy of `generator`."""
        self.distance = distance
        self.generator, self.averaged, self.discriminator = generator, averaged, discriminator
        self.settings = settings
        self.averaged.set_weights(generator.get_weights())

    def use_optimizers(self, discriminator: keras.optimizers.Optimizer, generator: keras.optimizers.Optimizer) -> None:
        """Keep the optimisers and make their variables."""
        self.d_optimizer, self.g_optimizer = discriminator, generator
        discriminator.build(self.discriminator.trainable_variables)
        generator.build(self.generator.trainable_variables)

    def objective(self, on_fake: Tensor, real: Tensor, made: Tensor) -> Tensor:
        """Return what the generator minimises. A scalar.

        Args:
            on_fake: Logits on what it made. Shape [batch, 1].
            real: Recordings. Shape [batch, …].
            made: What it made of the same coordinates. The shape of `real`
        """
        judged = generator_loss(on_fake, self.settings.loss)
        if self.distance is None:
            return judged
        judged, weight = self.settings.adversarial * judged, self.settings.distance
        return weight * self.distance(real, made) + judged if weight else judged

    def kept(self, steps: Tensor) -> Tensor:
        """Return the share of itself that the average keeps in a step: less at first, when it is the random start.

        Args:
            steps: Taken by the generator. A scalar.
        """
        step = ops.cast(steps, "float32")
        return ops.minimum(self.settings.average, (1.0 + step) / (10.0 + step))


def figures_of(g_loss: Tensor, d_loss: Tensor, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
    """Return what a step tells.

    Args:
        g_loss: A scalar.
        d_loss: A scalar.
        on_real: Logits on recordings. Shape [batch, 1].
        on_fake: Logits on what the generator made. Shape [batch, 1].

    Returns:
        Scalars: the losses, and the mean probability of being real given to recordings and to fakes.
    """
    p_real, p_fake = (ops.mean(ops.sigmoid(logits)) for logits in (on_real, on_fake))
    return {"generator_loss": g_loss, "discriminator_loss": d_loss, "p_real": p_real, "p_fake": p_fake}
