"""Which of the two backends computes: Keras's own choice, made by the environment variable KERAS_BACKEND."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from petrichor_training.errors import RecipeError

if TYPE_CHECKING:
    from petrichor_training import jax_steps, tensorflow_steps

    Steps = tensorflow_steps.Steps | jax_steps.Steps


def open_steps(threads: int = 0, devices: str = "one") -> Steps:
    """Return how batches are computed; to be called before anything else is.

    Args:
        threads: For one operation; 0 = as many as there are cores.
        devices: "one", "all" of this machine, or a "cluster" of several.

    Raises:
        RecipeError: The backend is another, or does not do that.
    """
    backend = keras.backend.backend()
    try:
        if backend == "tensorflow":
            from petrichor_training import tensorflow_steps  # noqa: PLC0415  (only one of them is installed, maybe)

            return tensorflow_steps.Steps(threads, devices)
        if backend == "jax":
            from petrichor_training import jax_steps  # noqa: PLC0415

            return jax_steps.Steps(threads, devices)
    except ValueError as error:
        raise RecipeError("devices", devices, str(error)) from error
    raise RecipeError("KERAS_BACKEND", backend, "tensorflow or jax")
