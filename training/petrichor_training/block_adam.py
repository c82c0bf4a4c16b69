"""Adam with one step size per weight matrix.

Adam moves every weight by about the same amount, however small its gradient. In a dense network that makes
waveforms this turns the faint gradients of silent frequencies into white noise as loud as the song: the noise
floor of the published bird. With the second moment shared by a whole matrix, updates keep the gradients' spectrum.

Reference: Zhang et al. 2024, "Adam-mini: Use fewer learning rates to gain more".
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


class BlockAdam(keras.optimizers.Optimizer):
    """Adam whose second moment is the mean over each variable."""

    def __init__(self, learning_rate: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None:
        """Keep the rates, as `keras.optimizers.Adam` has them."""
        super().__init__(learning_rate=learning_rate, name="block_adam")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: list[keras.Variable]) -> None:
        """Make a first moment and one scalar per variable."""
        if self.built:
            return
        super().build(variables)
        self.first = [self.add_variable_from_reference(v, name="first") for v in variables]
        self.second = [self.add_variable((), initializer="zeros", name=f"second_{i}") for i in range(len(variables))]

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Move one variable."""
        index = self._get_variable_index(variable)
        first, second = self.first[index], self.second[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        first.assign(first * self.beta_1 + gradient * (1 - self.beta_1))
        second.assign(second * self.beta_2 + ops.mean(ops.square(gradient)) * (1 - self.beta_2))
        size = ops.sqrt(second / (1 - self.beta_2**step)) + self.epsilon
        variable.assign(variable - ops.cast(learning_rate, variable.dtype) / (1 - self.beta_1**step) / size * first)
