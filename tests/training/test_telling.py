"""A classifier tells what differs, also where no statistic was chosen for it, and guesses where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor_training.quality.excerpts import Excerpt
from tests.training.test_quality import rain

pytest.importorskip("tensorflow")
telling = pytest.importorskip("petrichor_training.quality.telling")

ORIGINS, EACH = 4, 4


def showers(first: int, echo: float = 0.0) -> list[Excerpt]:
    """Rain of several origins, each of all densities; with an echo of 2 ms under it, as a comb does."""
    found = []
    for number in range(ORIGINS * EACH):
        origin = number % ORIGINS
        sound = rain(4.0, 40 * 2 ** (number // ORIGINS), 1.0, first + number)
        sound[96:] += echo * sound[:-96]
        found.append(Excerpt(sound, f"origin {origin}", ""))
    return found


def test_what_differs_is_told_and_what_is_alike_is_not() -> None:
    jury = telling.Jury(showers(100), draws=3)
    told, alike = jury.told(showers(0, echo=0.5)), jury.told(showers(200))
    assert told.value > 0.95
    assert told.low <= told.value <= told.high
    assert 0.2 < alike.value < 0.8
    assert jury.told(showers(200)).value == pytest.approx(alike.value, abs=0.05)


def test_what_is_asked_about_was_not_learned_from() -> None:
    """Numbered pictures: no origin lies in both halves, and both kinds take as many."""
    kind = [np.full((2, 1, 1), number) for number in range(9)]
    for origins in (4, 5, 9):
        learned, unheard = telling.halves(kind, origins, np.random.default_rng(1))
        numbers = [int(each[0, 0, 0]) for each in learned + unheard]
        assert len(learned) == origins // 2
        assert len(set(numbers)) == len(numbers) == origins


def test_three_origins_leave_too_little_to_ask_about() -> None:
    few = [each for each in showers(0) if each.origin != "origin 3"]
    assert telling.Jury(showers(100), 1).told(few) is None
    assert telling.Jury(few, 1).told(showers(100)) is None


def test_loudness_is_not_seen() -> None:
    (loud,), (soft,) = (telling.pictures([Excerpt(gain * rain(4.0, 40, 1.0, 1), "", "")]) for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, soft, atol=1e-4)


def test_area_is_the_share_of_pairs_in_order() -> None:
    assert telling.area(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert telling.area(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert telling.area(np.array([0.0, 3.0]), np.array([1.0, 2.0])) == 0.5
