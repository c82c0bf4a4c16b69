"""Copies of what was learned from are found, and likeness of a kind is not taken for one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from petrichor_training.quality.copying import Learned, copying, different, loud_levels
from petrichor_training.quality.logmel import HOP, RATE
from petrichor_training.quality.repetition import STRETCH
from tests.training.test_quality import calls

SECONDS = 12.0


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    """Eight recordings of one kind that share nothing. Shape [frames] each"""
    return [calls(SECONDS, 4.0, seed) for seed in range(8)]


@pytest.fixture(scope="module")
def learned(recordings: list[np.ndarray]) -> Learned:
    return Learned(loud_levels(sound) for sound in recordings[:4])


def of(learned: Learned, sounds: list[np.ndarray], apart: list[np.ndarray]) -> tuple[float, float]:
    """Return the share of copies and how many places they come from."""
    nearest = [learned.nearest(map(loud_levels, part)) for part in (sounds, apart)]
    found = copying(*nearest)
    assert found is not None
    assert found.stretches == len(nearest[0].likeness)
    return found.share, found.places


def test_copies_are_found_under_other_noise_and_at_other_levels(learned: Learned, recordings: list[np.ndarray]) -> None:
    """From wherever they begin, of whatever phase: the sounds are turned over."""
    hiss = np.random.default_rng(1).standard_normal(round(SECONDS * RATE))
    copies = [-0.3 * sound[1234:] + 0.01 * hiss[1234:] for sound in recordings[:4]]
    share, places = of(learned, copies, recordings[4:])
    assert share > 0.95
    assert places > 40  # all of what was learned from, 4 · 12 s in pieces of 0.64 s


def test_sounds_of_one_kind_are_no_copies(learned: Learned, recordings: list[np.ndarray]) -> None:
    share, places = of(learned, recordings[4:6], recordings[6:])
    assert share < 0.2  # one in twenty by definition, of few
    assert places > 15


def test_two_stretches_by_heart_are_two_places(learned: Learned, recordings: list[np.ndarray]) -> None:
    """What a generator does that has fallen for two windows."""
    window = STRETCH * HOP
    pieces = [recordings[0][5 * RATE : 5 * RATE + 2 * window], recordings[2][2 * RATE : 2 * RATE + 2 * window]]
    share, places = of(learned, [pieces[index % 2] for index in range(20)], recordings[4:])
    assert share > 0.6  # the mean of what is around it is not copied, and taken away
    assert places < 9  # each holds three stretches that are looked for


def test_where_nothing_happens_nothing_is_copied(learned: Learned, recordings: list[np.ndarray]) -> None:
    apart = learned.nearest(map(loud_levels, recordings[4:]))
    assert copying(learned.nearest([loud_levels(np.zeros(3 * RATE))]), apart) is None
    assert copying(apart, learned.nearest([])) is None


def test_a_place_is_found_in_whichever_part_it_is(
    monkeypatch: pytest.MonkeyPatch, recordings: list[np.ndarray]
) -> None:
    """A long collection is searched in parts; what is found is the same."""
    levels = [loud_levels(sound) for sound in recordings[:4]]
    whole = Learned(levels).nearest(levels)
    monkeypatch.setattr("petrichor_training.quality.copying.BLOCK", 1500)
    parts = Learned(levels).nearest(levels)
    np.testing.assert_allclose(parts.likeness, whole.likeness, atol=1e-6)
    np.testing.assert_array_equal(parts.places, whole.places)
    assert all(one <= other for one, other in pairwise(parts.places))  # in the order in which they were learned


def test_what_is_shorter_than_a_stretch_is_refused() -> None:
    with pytest.raises(ValueError, match="64 spectrogram frames"):
        Learned([loud_levels(calls(0.5, 4.0, 1))])


def test_different_values_count_by_how_frequent_they_are() -> None:
    assert different(np.array([3, 3, 3])) == pytest.approx(1.0)
    assert different(np.array([1, 2, 3, 4])) == pytest.approx(4.0)
    assert 1 < different(np.array([1, 1, 1, 2])) < 2
