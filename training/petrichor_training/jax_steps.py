"""The same training steps on JAX (`KERAS_BACKEND=jax`): for machines whose GPU TensorFlow does not know.

Everything that changes goes through a step as a value: weights, optimisers, estimates, averages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from petrichor_training.gan import Gan, Tensor, figures_of
from petrichor_training.losses import discriminator_loss, gradient_penalty, mixed

Values = list[Tensor]
Inputs = Any  # of a generator: latents, or arrays by name
Step = Callable[[np.ndarray, Inputs, np.ndarray], dict[str, float]]


class State(NamedTuple):
    """Everything that a step changes."""

    g_weights: Values
    g_others: Values
    averaged: Values
    d_weights: Values
    d_others: Values
    g_optimizer: Values
    d_optimizer: Values


def _variables(gan: Gan) -> State:
    return State(
        gan.generator.trainable_variables,
        gan.generator.non_trainable_variables,
        gan.averaged.trainable_variables + gan.averaged.non_trainable_variables,
        gan.discriminator.trainable_variables,
        gan.discriminator.non_trainable_variables,
        gan.g_optimizer.variables,
        gan.d_optimizer.variables,
    )


class Steps:
    """How the batches of a run are computed.

    Args:
        threads: Not limited here: XLA decides.
        devices: Only "one".

    Raises:
        ValueError: Several devices, which only TensorFlow does here.
    """

    replicas = 1
    chief = True

    def __init__(self, threads: int = 0, devices: str = "one") -> None:
        """Refuse what JAX is not used for here."""
        del threads
        if devices != "one":
            raise ValueError(f"got {devices!r} devices, expected 'one': several are TensorFlow's (KERAS_BACKEND)")

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, networks and optimisers are made."""
        return nullcontext()

    def agreed(self, *wishes: bool) -> tuple[bool, ...]:
        """Return the wishes: there is only one machine."""
        return wishes

    def alike(self, number: int) -> bool:
        """Whether all machines have the same number."""
        del number
        return True

    def both(self, gan: Gan) -> Step:
        """Return a function that updates both networks from recordings, latents and shares (see `losses.mixed`)."""
        return _compiled(gan, update_both)

    def discriminator(self, gan: Gan) -> Step:
        """Return a function that updates the discriminator alone."""
        return _compiled(gan, update_discriminator)


def _compiled(gan: Gan, update: Callable[..., tuple[State, dict[str, Tensor]]]) -> Step:
    step = jax.jit(lambda state, *batch: update(gan, state, *batch))

    def call(*batch: Inputs) -> dict[str, float]:
        """Take a step, and hand the variables what became of them."""
        variables = _variables(gan)
        state = State(*([variable.value for variable in group] for group in variables))
        after, given = step(state, *jax.tree_util.tree_map(jnp.asarray, batch))
        for group, values in zip(variables, after, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return {name: float(value) for name, value in given.items()}

    return call


def update_both(gan: Gan, state: State, real: Tensor, inputs: Inputs, share: Tensor) -> tuple[State, dict[str, Tensor]]:
    """Update both networks from one batch of fakes.

    Args:
        gan: The networks, whose own values are not looked at.
        state: Their values.
        real: Recordings. Shape [batch, …].
        inputs: Latents, Shape [batch, latent_size], or a stream's inputs by name.
        share: Shape [batch].

    Returns:
        The values after it, and `gan.figures_of` it.
    """
    made, _ = _call(gan.generator, state.g_weights, state.g_others, inputs)
    d_loss, d_gradients, on_real, on_fake, seen_real, d_others = _of_discriminator(gan, state, real, made, share)

    def objective(weights: Values) -> tuple[Tensor, Values]:
        """What the generator is to make small, and its other variables."""
        made, others = _call(gan.generator, weights, state.g_others, inputs)
        logits, _ = _call(gan.discriminator, state.d_weights, seen_real, made)
        return gan.objective(logits, real, made), others

    (g_loss, g_others), g_gradients = jax.value_and_grad(objective, has_aux=True)(state.g_weights)
    g_weights, g_optimizer = gan.g_optimizer.stateless_apply(state.g_optimizer, g_gradients, state.g_weights)
    d_weights, d_optimizer = gan.d_optimizer.stateless_apply(state.d_optimizer, d_gradients, state.d_weights)
    averaged = _followed(gan, state.averaged, [*g_weights, *g_others], g_optimizer[0])  # Keras keeps its steps there
    figures = figures_of(g_loss, d_loss, on_real, on_fake)
    return State(g_weights, g_others, averaged, d_weights, d_others, g_optimizer, d_optimizer), figures


def update_discriminator(
    gan: Gan, state: State, real: Tensor, inputs: Inputs, share: Tensor
) -> tuple[State, dict[str, Tensor]]:
    """Update the discriminator alone. Arguments and result as in `update_both`."""
    made, _ = _call(gan.generator, state.g_weights, state.g_others, inputs, training=False)
    d_loss, gradients, on_real, on_fake, _, d_others = _of_discriminator(gan, state, real, made, share)
    d_weights, d_optimizer = gan.d_optimizer.stateless_apply(state.d_optimizer, gradients, state.d_weights)
    figures = figures_of(gan.objective(on_fake, real, made), d_loss, on_real, on_fake)
    return state._replace(d_weights=d_weights, d_others=d_others, d_optimizer=d_optimizer), figures


def _call(
    network: keras.Model, weights: Sequence[Tensor], others: Sequence[Tensor], inputs: Inputs, training: bool = True
) -> tuple[Tensor, Values]:
    made, after = network.stateless_call(weights, others, inputs, training=training)
    return made, after


def _of_discriminator(gan: Gan, state: State, real: Tensor, made: Tensor, share: Tensor) -> tuple[Any, ...]:
    """Loss, gradients, logits on real and fake, and the other variables after having seen the one and both."""
    fixed = jax.lax.stop_gradient(made)

    def objective(weights: Values) -> tuple[Tensor, tuple[Any, ...]]:
        """The discriminator's loss, and what else came of it."""
        on_real, seen_real = _call(gan.discriminator, weights, state.d_others, real)
        on_fake, seen_both = _call(gan.discriminator, weights, seen_real, fixed)
        loss = discriminator_loss(on_real, on_fake, gan.settings.loss)
        if gan.settings.gradient_penalty:
            loss = loss + gan.settings.gradient_penalty * _penalty(gan, weights, seen_both, mixed(real, fixed, share))
        return loss, (on_real, on_fake, seen_real, seen_both)

    (loss, aux), gradients = jax.value_and_grad(objective, has_aux=True)(state.d_weights)
    return loss, gradients, *aux


def _penalty(gan: Gan, weights: Values, others: Values, between: Tensor) -> Tensor:
    def total(inputs: Tensor) -> Tensor:
        """All logits together: its slopes are those of each."""
        logits, _ = _call(gan.discriminator, weights, others, inputs, training=False)
        return jnp.sum(logits)

    return gradient_penalty(jax.grad(total)(between))


def _followed(gan: Gan, averaged: Values, weights: Values, iterations: Tensor) -> Values:
    keep = gan.kept(iterations)
    return [slow * keep + fast * (1.0 - keep) for slow, fast in zip(averaged, weights, strict=True)]
