"""A classifier tells what differs, also where no statistic was chosen for it, and guesses where nothing does."""

from __future__ import annotations

import numpy as np

from petrichor_training.quality.excerpts import Excerpt
from petrichor_training.quality.telling import area, told_apart
from tests.training.test_quality import rain

ORIGINS, EACH = 4, 4


def showers(first: int, colour: float = 0.0) -> list[Excerpt]:
    """Rain of several origins, each of all densities; `colour` lays an echo of 2 ms under it, as a comb does."""
    found = []
    for number in range(ORIGINS * EACH):
        sound = rain(4.0, 40 * 2 ** (number // ORIGINS), 1.0, first + number)
        sound[96:] += colour * sound[:-96]
        found.append(Excerpt(sound, f"origin {number % ORIGINS}", ""))
    return found


def test_what_differs_is_told_and_what_is_alike_is_not() -> None:
    told = told_apart(showers(0, colour=0.5), showers(100), draws=3)
    alike = told_apart(showers(200), showers(300), draws=3)
    assert told and alike
    assert told.value > 0.95
    assert told.low <= told.value <= told.high
    assert 0.2 < alike.value < 0.8


def test_the_same_is_said_again() -> None:
    kinds = showers(0), showers(100)
    assert told_apart(*kinds, draws=1) == told_apart(*kinds, draws=1)


def test_one_origin_leaves_nothing_to_ask_about() -> None:
    assert told_apart(showers(0), [each for each in showers(1) if each.origin == "origin 1"], draws=1) is None


def test_area_is_the_share_of_pairs_in_order() -> None:
    assert area(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert area(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert area(np.array([0.0, 3.0]), np.array([1.0, 2.0])) == 0.5
