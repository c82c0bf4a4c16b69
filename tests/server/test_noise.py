"""Noise for networks: Gaussian as far as they can tell, and the same from the same seed."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from petrichor.noise import DRAWN, Noise, gaussians, quantiles

MANY = 1_000_000


def drawn(count: int = MANY, seed: int = 1) -> np.ndarray:
    return gaussians(np.random.default_rng(seed), count)


def test_it_is_gaussian() -> None:
    values = drawn()
    assert values.dtype == np.float32
    assert abs(values.mean()) < 4 / np.sqrt(MANY)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / MANY)
    assert abs(np.mean(values**4) - 3) < 4 * np.sqrt(96 / MANY)
    normal = NormalDist()
    for bound in (-4.0, -3.0, -1.0, 0.0, 0.1, 2.0, 3.5):
        share = normal.cdf(bound)
        assert abs(np.mean(values < bound) - share) < 4 * np.sqrt(share * (1 - share) / MANY) + 1 / 65536, bound


def test_the_four_numbers_of_a_word_know_nothing_of_one_another() -> None:
    values = drawn().reshape(-1, 4)
    for part in (values, values**2, np.roll(values.reshape(-1), 1).reshape(-1, 4)):
        related = np.corrcoef(part.T)
        assert np.abs(related - np.eye(4)).max() < 5 / np.sqrt(len(values))
    assert abs(np.corrcoef(values[1:, 0], values[:-1, 3])[0, 1]) < 5 / np.sqrt(len(values))


def test_all_quantiles_come_and_are_even() -> None:
    table = quantiles()
    assert table.shape == (65536,)
    assert np.array_equal(table, -table[::-1])
    assert (np.diff(table) > 0).all()
    assert np.mean(table.astype(np.float64) ** 2) == pytest.approx(1, abs=1e-6)
    assert 4.3 < table[-1] < 4.4
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 709])
def test_any_count_is_the_beginning_of_more(count: int) -> None:
    assert np.array_equal(drawn(count), drawn(1000)[:count])
    assert not np.array_equal(drawn(1000, 2), drawn(1000))


def test_hops_taken_one_by_one_or_several_are_the_same() -> None:
    one, several = (Noise(np.random.default_rng(7), (2, 5)) for _ in range(2))
    single = np.concatenate([one.next(1) for _ in range(3 * DRAWN)])
    taken = [several.next(hops) for hops in (1, DRAWN, 4, 3, DRAWN, 8)]
    assert [each.shape for each in taken] == [(2 * hops, 5) for hops in (1, DRAWN, 4, 3, DRAWN, 8)]
    assert np.array_equal(np.concatenate(taken)[: len(single)], single[: sum(map(len, taken))])
