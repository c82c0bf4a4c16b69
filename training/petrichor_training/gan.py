"""One training step of both networks (TensorFlow: gradients are the one thing Keras leaves to its backend)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from petrichor_training.losses import discriminator_loss, generator_loss

Tensor = Any


class Gan(keras.Model):
    """Generator, discriminator and the moving average of the generator.

    One step draws one batch of fakes and updates both networks from it.
    """

    def __init__(self, generator: keras.Model, averaged: keras.Model, discriminator: keras.Model) -> None:
        """Keep the networks; `averaged` starts as a copy of `generator`."""
        super().__init__(name="gan")
        self.generator, self.averaged, self.discriminator = generator, averaged, discriminator
        self.averaged.set_weights(generator.get_weights())

    def compile(
        self, d_optimizer: keras.optimizers.Optimizer, g_optimizer: keras.optimizers.Optimizer,
        loss: str = "non-saturating", average: float = 0.999,
    ) -> None:  # fmt: skip
        """Keep the optimisers and make their variables.

        Args:
            d_optimizer: Of the discriminator.
            g_optimizer: Of the generator.
            loss: See `losses`.
            average: Decay of the moving average per step; less during the first steps.
        """
        super().compile()
        self.d_optimizer, self.g_optimizer, self.kind, self.average = d_optimizer, g_optimizer, loss, average
        d_optimizer.build(self.discriminator.trainable_variables)
        g_optimizer.build(self.generator.trainable_variables)

    def train_step(self, data: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Update both networks.

        Args:
            data: Recordings, Shape [batch, …] and latents, Shape [batch, latent_size].

        Returns:
            Scalars: losses, and the mean probability of being real given to recordings and to fakes.
        """
        real, latent = data
        with tf.GradientTape(persistent=True) as tape:
            made = self.generator(latent, training=True)
            # Two calls, so that the generator's gradient does not pass through the recordings' half.
            on_real = self.discriminator(real, training=True)
            on_fake = self.discriminator(made, training=True)
            d_loss = discriminator_loss(on_real, on_fake, self.kind)
            g_loss = generator_loss(on_fake, self.kind)
        g_gradients = tape.gradient(g_loss, self.generator.trainable_variables)
        d_gradients = tape.gradient(d_loss, self.discriminator.trainable_variables)
        self.g_optimizer.apply(g_gradients)
        self.d_optimizer.apply(d_gradients)
        self._follow()
        return {
            "generator_loss": g_loss,
            "discriminator_loss": d_loss,
            "p_real": ops.mean(ops.sigmoid(on_real)),
            "p_fake": ops.mean(ops.sigmoid(on_fake)),
        }

    def _follow(self) -> None:
        """Move the average towards the generator; quickly at first, when it still is the random start."""
        step = ops.cast(self.g_optimizer.iterations, "float32")
        keep = ops.minimum(self.average, (1.0 + step) / (10.0 + step))
        for slow, fast in zip(self.averaged.weights, self.generator.weights, strict=True):
            slow.assign(slow * keep + fast * (1.0 - keep))
