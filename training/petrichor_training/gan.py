"""Both networks of a run, their optimisers and the moving average of the generator.

How a step is computed is the backend's: `tensorflow_steps` or `jax_steps`, which do the same in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any

FIGURES = ("generator_loss", "discriminator_loss", "p_real", "p_fake")


@dataclass(frozen=True)
class Objective:
    """What the two networks minimise.

    Attributes:
        loss: See `losses.KINDS`.
        penalty: Weight of the gradient penalty; 0 = none.
        average: Decay of the moving average of the generator per step; less during the first steps.
    """

    loss: str = "non-saturating"
    penalty: float = 0.0
    average: float = 0.999


class Gan:
    """Generator, discriminator and the moving average of the generator.

    One step draws one batch of fakes and updates both networks from it.
    """

    def __init__(
        self, generator: keras.Model, averaged: keras.Model, discriminator: keras.Model, objective: Objective
    ) -> None:
        """Keep the networks; `averaged` becomes a copy of `generator`."""
        self.generator, self.averaged, self.discriminator = generator, averaged, discriminator
        self.objective = objective
        self.averaged.set_weights(generator.get_weights())

    def use_optimizers(self, discriminator: keras.optimizers.Optimizer, generator: keras.optimizers.Optimizer) -> None:
        """Keep the optimisers and make their variables."""
        self.d_optimizer, self.g_optimizer = discriminator, generator
        discriminator.build(self.discriminator.trainable_variables)
        generator.build(self.generator.trainable_variables)
