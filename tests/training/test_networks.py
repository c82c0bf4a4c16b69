"""Losses, layers and the optimiser against values worked out by hand or by numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from petrichor_training import rain_networks  # noqa: E402
from petrichor_training.block_adam import BlockAdam  # noqa: E402
from petrichor_training.latents import draw_latents  # noqa: E402
from petrichor_training.layers import Grain, SpectralDense, fold_into  # noqa: E402
from petrichor_training.losses import discriminator_loss, generator_loss  # noqa: E402
from petrichor_training.networks import build_discriminator, build_generator  # noqa: E402
from petrichor_training.recipe import load_recipe  # noqa: E402
from petrichor_training.settings import NetworkSettings  # noqa: E402

REAL = np.array([[2.0], [0.0]], np.float32)
FAKE = np.array([[-1.0], [3.0]], np.float32)
TINY = NetworkSettings(latent_size=8, generator=(8, 8, 4), discriminator=(4, 8), attention_at=8)


def _log_sigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


def test_binary_cross_entropy_from_logits() -> None:
    on_real = -(_log_sigmoid(2) + _log_sigmoid(0)) / 2
    on_fake = -(_log_sigmoid(1) + _log_sigmoid(-3)) / 2
    assert float(discriminator_loss(REAL, FAKE, "non-saturating")) == pytest.approx(on_real + on_fake, rel=1e-5)
    wanted = -(_log_sigmoid(-1) + _log_sigmoid(3)) / 2
    assert float(generator_loss(FAKE, "non-saturating")) == pytest.approx(wanted, rel=1e-5)


def test_hinge_and_wasserstein() -> None:
    assert float(discriminator_loss(REAL, FAKE, "hinge")) == pytest.approx((0 + 1) / 2 + (0 + 4) / 2)
    assert float(discriminator_loss(REAL, FAKE, "wasserstein")) == pytest.approx(1.0 - 1.0)
    assert float(generator_loss(FAKE, "hinge")) == float(generator_loss(FAKE, "wasserstein")) == pytest.approx(-1.0)


def test_confident_logits_stay_finite() -> None:
    large = np.array([[1e4]], np.float32)
    assert float(discriminator_loss(-large, large, "non-saturating")) == pytest.approx(2e4)


def test_spectral_normalisation_finds_the_largest_singular_value() -> None:
    layer = SpectralDense(5)
    inputs = np.eye(7, dtype=np.float32)
    for _ in range(200):
        layer(inputs, training=True)
    largest = np.linalg.svd(np.asarray(layer.normalised(training=False)))[1][0]
    assert largest == pytest.approx(1.0, rel=1e-4)


def test_folding_changes_nothing_that_is_heard() -> None:
    trained = rain_networks.generator(TINY)
    for weight in trained.trainable_variables:
        weight.assign(weight + 0.1 * np.random.default_rng(1).standard_normal(weight.shape))
    twin = rain_networks.generator(TINY, folded=True)
    fold_into(trained, twin)
    latents = draw_latents(np.random.default_rng(2), 4, TINY)
    wanted, got = (np.asarray(network(latents, training=False)) for network in (trained, twin))
    assert wanted.std() > 1e-3
    assert np.allclose(wanted, got, atol=1e-5)


def test_grain_is_the_latents_own() -> None:
    layer, image = Grain(), np.zeros((3, 32, 32, 2), np.float32)
    latents = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    latents[2] = latents[0]
    one, other, again = np.asarray(layer([image, latents]))
    assert np.array_equal(one, again)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.5
    assert abs(np.corrcoef(one[:, 1:].ravel(), one[:, :-1].ravel())[0, 1]) < 0.2  # neighbours are independent


def test_block_adam_moves_a_matrix_by_its_mean_square() -> None:
    weight = keras.Variable(np.zeros(2, np.float32))
    gradient = np.array([3.0, 4.0], np.float32)
    BlockAdam(0.1, beta_1=0.5).apply([keras.ops.convert_to_tensor(gradient)], [weight])
    assert np.allclose(weight.numpy(), -0.1 * gradient / math.sqrt(12.5), atol=1e-5)


def test_truncated_latents() -> None:
    latents = draw_latents(np.random.default_rng(1), 200, NetworkSettings(latent_size=50, truncation=1.0))
    assert np.max(np.abs(latents)) <= 1
    assert latents.std() == pytest.approx(0.54, abs=0.01)  # of a normal cut at one standard deviation
    assert np.max(np.abs(draw_latents(np.random.default_rng(1), 200, NetworkSettings(latent_size=50)))) > 3


def test_sizes_of_the_published_networks() -> None:
    bird, rain = load_recipe("bird-published"), load_recipe("rain")
    assert build_generator(bird, 16000).count_params() == 500 * 256 + 256 + 256 * 512 + 512 + 512 * 1024 + 1024 + (
        1024 * 16000 + 16000
    )
    assert build_generator(rain, 24000).output_shape == (None, 256, 256, 1)
    assert build_generator(rain, 24000).count_params() < 5e6
    last = build_discriminator(bird, 16000).layers[-1]
    assert last.activation is keras.activations.linear  # the loss holds the only sigmoid
