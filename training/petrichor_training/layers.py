"""Layers with spectral normalisation, and self-attention over an image.

Reference: Miyato et al. 2018 (spectral normalisation), Zhang et al. 2019 (SAGAN).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any


def dcgan_start() -> keras.initializers.Initializer:
    """Return DCGAN's first weights; a new one each time, for each draws its own seed when it is made."""
    return keras.initializers.RandomNormal(0.0, 0.02)


class Spectral(keras.layers.Layer):
    """A layer whose kernel is divided by its largest singular value.

    The value is estimated by one step of power iteration per training call. With ``folded`` the kernel is used
    as it is: `fold_into` writes a normalised kernel there, so that inference pays nothing.
    """

    def __init__(self, folded: bool = False, **options: Any) -> None:
        """Keep whether the kernel is used as it is."""
        super().__init__(**options)
        self.folded = folded

    def add_kernel(self, shape: tuple[int, ...], outputs: int) -> None:
        """Make kernel, bias and the estimate of the first singular vector.

        Args:
            shape: Of the kernel.
            outputs: Length of the bias.
        """
        self.kernel = self.add_weight(shape=shape, initializer=dcgan_start(), name="kernel")
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")
        if not self.folded:
            self.vector = self.add_weight(shape=(1, shape[-1]), initializer="random_normal", trainable=False)

    def normalised(self, training: bool) -> Tensor:
        """The kernel to compute with.

        Args:
            training: Whether to improve the estimate.

        Returns:
            Shape of the kernel.
        """
        if self.folded:
            return self.kernel
        matrix = ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))
        left = ops.stop_gradient(_unit(ops.matmul(self.vector, ops.transpose(matrix))))
        image = ops.matmul(left, matrix)
        right = ops.stop_gradient(_unit(image))
        if training:
            self.vector.assign(right)
        return self.kernel / ops.sum(image * right)


class SpectralDense(Spectral):
    """Dense layer, normalised."""

    def __init__(self, units: int, **options: Any) -> None:
        """Keep the number of outputs."""
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights."""
        self.add_kernel((input_shape[-1], self.units), self.units)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Shape [batch, inputs] to [batch, units]."""
        return ops.matmul(inputs, self.normalised(training)) + self.bias


class SpectralConv(Spectral):
    """Two-dimensional convolution, same padding, normalised."""

    def __init__(self, filters: int, size: int, stride: int = 1, edge: bool = False, **options: Any) -> None:
        """Keep channels, kernel size and stride, and whether to pad with the edge's own pixels, not zeros."""
        super().__init__(**options)
        self.filters, self.size, self.stride, self.edge = filters, size, stride, edge

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights."""
        self.add_kernel((self.size, self.size, input_shape[-1], self.filters), self.filters)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Shape [batch, height, width, channels] to [batch, height / stride, width / stride, filters]."""
        kernel, padding = self.normalised(training), "same"
        if self.edge:
            inputs, padding = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric"), "valid"
        return ops.conv(inputs, kernel, self.stride, padding, data_format="channels_last") + self.bias


class SpectralConv1D(Spectral):
    """Convolution over time, same padding, normalised."""

    def __init__(self, filters: int, size: int, **options: Any) -> None:
        """Keep channels and kernel size."""
        super().__init__(**options)
        self.filters, self.size = filters, size

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights."""
        self.add_kernel((self.size, input_shape[-1], self.filters), self.filters)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Shape [batch, times, channels] to [batch, times, filters]."""
        kernel = self.normalised(training)
        return ops.conv(inputs, kernel, padding="same", data_format="channels_last") + self.bias


class Grain(keras.layers.Layer):
    """Adds fine noise that the latent decides: each place has its own fixed phase, the latent turns them.

    A latent of a few hundred numbers cannot by itself hold the independent grain of 256 × 256 pixels, without
    which rain is a hum; a generator left to invent it draws stripes. The same latent gives the same grain.
    """

    def __init__(self, maps: int = 4, turn: float = 1.5, **options: Any) -> None:
        """Keep the number of noise maps and how far a standard latent turns the phases, radians."""
        super().__init__(**options)
        self.maps, self.turn = maps, turn

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Make the fixed phases and turns, and the learned gains."""
        (_, height, width, channels), (_, size) = input_shape
        phases = keras.initializers.RandomUniform(0.0, 2 * math.pi)
        turns = keras.initializers.RandomNormal(0.0, self.turn / math.sqrt(size))
        gains = keras.initializers.RandomNormal(0.0, 0.3)
        self.phases = self.add_weight((1, height, width, self.maps), phases, trainable=False, name="phases")
        self.rows = self.add_weight((size, height), turns, trainable=False, name="rows")
        self.columns = self.add_weight((size, width), turns, trainable=False, name="columns")
        self.gains = self.add_weight((1, 1, self.maps, channels), gains, name="gains")

    def call(self, inputs: list[Tensor]) -> Tensor:
        """An image, Shape [batch, height, width, channels], and a latent, Shape [batch, size]; an image out."""
        image, latent = inputs
        down, across = ops.matmul(latent, self.rows), ops.matmul(latent, self.columns)
        turned = self.phases + ops.expand_dims(down, (2, 3)) + ops.expand_dims(across, (1, 3))
        return image + ops.conv(ops.cos(turned), self.gains, data_format="channels_last")


class SelfAttention(keras.layers.Layer):
    """Every place of an image attends to places of its half-size version; starts as the identity."""

    def __init__(self, folded: bool = False, **options: Any) -> None:
        """Keep whether the kernels are used as they are."""
        super().__init__(**options)
        self.folded = folded

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the four projections and the gate."""
        channels = input_shape[-1]
        self.inner, self.middle = max(channels // 8, 1), max(channels // 2, 1)
        self.query = SpectralConv(self.inner, 1, folded=self.folded, name="query")
        self.key = SpectralConv(self.inner, 1, folded=self.folded, name="key")
        self.value = SpectralConv(self.middle, 1, folded=self.folded, name="value")
        self.result = SpectralConv(channels, 1, folded=self.folded, name="result")
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.result.build((*input_shape[:-1], self.middle))
        self.gate = self.add_weight(shape=(), initializer="zeros", name="gate")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Shape [batch, height, width, channels], the same out."""
        _, height, width, _ = inputs.shape
        half = ops.average_pool(inputs, 2, 2, data_format="channels_last")
        query = ops.reshape(self.query(inputs, training=training), (-1, height * width, self.inner))
        key = ops.reshape(self.key(half, training=training), (-1, height * width // 4, self.inner))
        value = ops.reshape(self.value(half, training=training), (-1, height * width // 4, self.middle))
        weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))))
        mixed = ops.reshape(ops.matmul(weights, value), (-1, height, width, self.middle))
        return inputs + self.gate * self.result(mixed, training=training)


def judged_image(image: Tensor, widths: Sequence[int], normalised: bool) -> Tensor:
    """The trunk of a discriminator of images.

    Args:
        image: Around 0…1. Shape [batch, side, side, channels].
        widths: Channels after each halving of the side.
        normalised: Whether with spectral normalisation.

    Returns:
        The logit of being real. Shape [batch, 1].
    """
    x = image * 2.0 - 1.0
    for width in widths:
        x = SpectralConv(width, 4, stride=2, folded=not normalised)(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2)(x)
    return SpectralDense(1, folded=not normalised, name="logit")(keras.layers.Flatten()(x))


def _unit(vector: Tensor) -> Tensor:
    return vector / (ops.sqrt(ops.sum(ops.square(vector))) + 1e-12)


def spectral_layers(model: keras.Model) -> list[Spectral]:
    """Every normalised layer of a model, in order.

    Args:
        model: Any model of this package.

    Returns:
        Layers, those inside self-attention too.
    """
    found: list[Spectral] = []
    for layer in model.layers:
        if isinstance(layer, Spectral):
            found.append(layer)
        elif isinstance(layer, SelfAttention):
            found += [layer.query, layer.key, layer.value, layer.result]
    return found


def fold_into(source: keras.Model, target: keras.Model) -> None:
    """Copy a model's weights into its twin built with ``folded``, kernels normalised.

    Args:
        source: The trained model.
        target: The same architecture, every spectral layer folded.
    """
    values = {weight.path: ops.convert_to_numpy(weight) for weight in source.weights}
    sources, targets = spectral_layers(source), spectral_layers(target)
    for layer in sources:
        values[layer.kernel.path] = ops.convert_to_numpy(layer.normalised(training=False))
        values.pop(layer.vector.path)
    assert len(sources) == len(targets) and len(values) == len(target.weights)
    for weight, value in zip(target.weights, values.values(), strict=True):
        weight.assign(value)
