"""Latent vectors: distribution, bounds, repeatability."""

from __future__ import annotations

import math

import numpy as np
import pytest

from petrichor.latent import clip, distance, draw, generator, stray


@pytest.mark.parametrize("truncation", [0.05, 0.5, 1.0, 2.0, 3.0])
def test_draws_follow_the_truncated_normal(truncation: float) -> None:
    values = draw(generator(3), 200_000, truncation)
    assert values.dtype == np.float32
    assert np.abs(values).max() <= truncation
    density = math.exp(-(truncation**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * truncation * density / math.erf(truncation / math.sqrt(2))  # of the truncated normal
    assert values.mean() == pytest.approx(0, abs=0.01 * truncation)
    assert values.var() == pytest.approx(variance, rel=0.02)


def test_truncation_zero_is_the_middle() -> None:
    assert not draw(generator(1), 500, 0.0).any()
    assert not stray(np.ones(8, np.float32), 0.5, 0.0, generator(1)).any()


def test_same_key_same_draw() -> None:
    assert np.array_equal(draw(generator(5, -1), 64, 1.0), draw(generator(5, 0xFFFFFFFF), 64, 1.0))
    assert not np.array_equal(draw(generator(5, 0), 64, 1.0), draw(generator(5, 1), 64, 1.0))


def test_clip_bounds() -> None:
    assert clip(np.array([-5.0, 0.5, 5.0]), 1.5).tolist() == [-1.5, 0.5, 1.5]


def test_stray_keeps_the_norm_and_grows_with_spread() -> None:
    latent = draw(generator(1), 4000, 3.0)
    distances = []
    for spread in (0.0, 0.1, 0.3, 1.0):
        other = stray(latent, spread, 3.0, generator(2))
        distances.append(distance(latent, other))
        assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(latent), rel=0.05)
    assert distances[0] == 0
    assert distances == sorted(distances)
    assert distances[3] == pytest.approx(math.sqrt(2), rel=0.05)
