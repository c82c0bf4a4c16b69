"""Training steps on TensorFlow, on one device or, with `tf.distribute`, on several devices or machines.

Gradients are the one thing that Keras leaves to its backend.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from petrichor_training.gan import Gan, Tensor, figures_of
from petrichor_training.losses import discriminator_loss, gradient_penalty, mixed

Inputs = Any  # of a generator: latents, or arrays by name
Step = Callable[[np.ndarray, Inputs, np.ndarray], dict[str, float]]


class Steps:
    """How the batches of a run are computed.

    Args:
        threads: For one operation; 0 = as many as there are cores.
        devices: "one", "all" (every GPU of this machine; every logical CPU where there is none) or "cluster" (every
            machine that the environment variable TF_CONFIG names).
    """

    def __init__(self, threads: int = 0, devices: str = "one") -> None:
        """Let GPU memory grow as needed and limit threads, before anything is computed."""
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self._strategy, self._several_machines = _strategy(devices), devices == "cluster"
        self.replicas: int = self._strategy.num_replicas_in_sync

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        resolver = self._strategy.cluster_resolver
        return resolver is None or resolver.task_type in (None, "", "chief") or resolver.task_id == 0

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, networks and optimisers are made."""
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def agreed(self, *wishes: bool) -> tuple[bool, ...]:
        """Return which wishes any of the machines has; all of them get the same answer, at the same step."""
        if not self._several_machines:
            return wishes
        return tuple(mean > 0 for mean in self._means([float(wish) for wish in wishes]))

    def alike(self, number: int) -> bool:
        """Whether all machines have the same number."""
        if not self._several_machines:
            return True
        (mean,) = self._means([float(number)])
        (variance,) = self._means([(number - mean) ** 2])
        return variance < 1e-6

    def _means(self, numbers: list[float]) -> list[float]:
        """Return the means of numbers over all machines."""
        own = self._strategy.experimental_distribute_values_from_function(lambda _: tf.constant(numbers, tf.float64))
        means = self._strategy.reduce("MEAN", own, axis=None).numpy()
        return [float(mean) for mean in means]

    def both(self, gan: Gan) -> Step:
        """Return a function that updates both networks from recordings, latents and shares (see `losses.mixed`)."""
        return self._compiled(gan, update_both)

    def discriminator(self, gan: Gan) -> Step:
        """Return a function that updates the discriminator alone."""
        return self._compiled(gan, update_discriminator)

    def _compiled(self, gan: Gan, update: Callable[..., dict[str, Tensor]]) -> Step:
        strategy = self._strategy

        @tf.function(autograph=False)  # nothing here branches on tensors; looking for it takes a sixth of the tracing
        def step(*batch: Tensor) -> dict[str, Tensor]:
            """Take a step on every replica; their mean figures."""
            given = strategy.run(update, args=(gan, self.replicas, *batch))
            return {name: strategy.reduce("MEAN", value, axis=None) for name, value in given.items()}

        def call(*batch: Inputs) -> dict[str, float]:
            """Share a batch out, and take the step."""
            shared = tf.nest.map_structure(self._shared, batch)
            return {name: float(value) for name, value in step(*shared).items()}

        return call

    def _shared(self, batch: np.ndarray) -> Tensor:
        """Return a batch as each replica sees it: every worker draws the same one, and each replica takes its part."""
        if self.replicas == 1:
            return tf.constant(batch)
        size = len(batch) // self.replicas

        def part(context: tf.distribute.distribute_lib.ValueContext) -> Tensor:
            """Return one replica's part."""
            at = context.replica_id_in_sync_group * size
            return tf.constant(batch[at : at + size])

        return self._strategy.experimental_distribute_values_from_function(part)


def _strategy(devices: str) -> tf.distribute.Strategy:
    if devices == "cluster":
        if "TF_CONFIG" not in os.environ:
            raise ValueError("a cluster needs the environment variable TF_CONFIG")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices == "all":
        names = [
            device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        ]
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.get_strategy()


def update_both(gan: Gan, replicas: int, real: Tensor, inputs: Inputs, share: Tensor) -> dict[str, Tensor]:
    """Update both networks from one batch of fakes.

    Args:
        gan: The networks.
        replicas: That do the same at the same time, each with a part of the batch.
        real: Recordings. Shape [batch, …].
        inputs: Latents, Shape [batch, latent_size], or a stream's inputs by name.
        share: Shape [batch].

    Returns:
        See `gan.figures_of`.
    """
    kind = gan.settings.loss
    with tf.GradientTape(persistent=True) as tape:
        made = gan.generator(inputs, training=True)
        # Two calls, so that the generator's gradient does not pass through the recordings' half.
        on_real = gan.discriminator(real, training=True)
        on_fake = gan.discriminator(made, training=True)
        d_loss = discriminator_loss(on_real, on_fake, kind) + _penalty(gan, real, made, share)
        g_loss = gan.objective(on_fake, real, made)
        # Gradients of replicas are added by the optimiser.
        d_part, g_part = d_loss / replicas, g_loss / replicas
    g_gradients = tape.gradient(g_part, gan.generator.trainable_variables)
    d_gradients = tape.gradient(d_part, gan.discriminator.trainable_variables)
    gan.g_optimizer.apply(g_gradients)
    gan.d_optimizer.apply(d_gradients)
    _follow(gan)
    return figures_of(g_loss, d_loss, on_real, on_fake)


def update_discriminator(gan: Gan, replicas: int, real: Tensor, inputs: Inputs, share: Tensor) -> dict[str, Tensor]:
    """Update the discriminator alone. Arguments and figures as in `update_both`."""
    kind = gan.settings.loss
    made = gan.generator(inputs, training=False)
    with tf.GradientTape() as tape:
        on_real = gan.discriminator(real, training=True)
        on_fake = gan.discriminator(made, training=True)
        d_loss = discriminator_loss(on_real, on_fake, kind) + _penalty(gan, real, made, share)
        d_part = d_loss / replicas
    gan.d_optimizer.apply(tape.gradient(d_part, gan.discriminator.trainable_variables))
    g_loss = gan.objective(on_fake, real, made)
    return figures_of(g_loss, d_loss, on_real, on_fake)


def _penalty(gan: Gan, real: Tensor, made: Tensor, share: Tensor) -> Tensor:
    if not gan.settings.gradient_penalty:
        return 0.0
    between = mixed(real, tf.stop_gradient(made), share)
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = gan.discriminator(between, training=False)
    return gan.settings.gradient_penalty * gradient_penalty(tape.gradient(logits, between))


def _follow(gan: Gan) -> None:
    """Move the average towards the generator."""
    keep = gan.kept(gan.g_optimizer.iterations)
    for slow, fast in zip(gan.averaged.weights, gan.generator.weights, strict=True):
        slow.assign(slow * keep + fast * (1.0 - keep))
