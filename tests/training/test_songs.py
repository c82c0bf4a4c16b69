"""Lines, syllables and songs: found where they are, and sung as they were found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")


from petrichor_training.errors import DataError
from petrichor_training.streaming import lines as lines_module
from petrichor_training.streaming.lines import HOP as LINE_HOP
from petrichor_training.streaming.lines import find_lines, taken_apart, without_lines
from petrichor_training.streaming.song_network import BATCH, draw_songs, song_distance
from petrichor_training.streaming.syllables import (
    BEFORE,
    GAP,
    HEIGHT,
    HIGH_HZ,
    LENGTH,
    LONG_SECONDS,
    NAME,
    NUMBERS,
    PAUSE_SECONDS,
    PEAK,
    PITCH,
    Songs,
    birds_of,
    songs_of,
)
from petrichor_training.streaming.zones import RATE
from tests.training.recordings_to_learn import HISS, hiss, syllable


def placed(at: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
    """Sounds in hiss, each from its second on. Shape [frames]"""
    sound = hiss(seconds)
    for second, part in at:
        start = round(second * RATE)
        sound[start : start + len(part)] += part
    return sound


def test_lines_are_found_where_they_are() -> None:
    """Two birds at once, one of them sweeping an octave in a fifth of a second."""
    sound = placed([(0.5, syllable(0.2, 2500, 5000, 0.1)), (0.45, syllable(0.3, 7000, 7000, 0.03))], 1.5)
    lines = find_lines(sound)
    assert len(lines) == 2
    for (start, seconds, low, high, amplitude), line in zip(
        ((0.45, 0.3, 7000, 7000, 0.03), (0.5, 0.2, 2500, 5000, 0.1)), lines, strict=True
    ):
        assert line.start * LINE_HOP / RATE == pytest.approx(start, abs=0.015)
        assert len(line.hertz) * LINE_HOP / RATE == pytest.approx(seconds, abs=0.03)
        middle = len(line.hertz) // 2
        assert line.hertz[middle] == pytest.approx(np.sqrt(low * high), rel=0.06)
        assert np.median(line.level_db) == pytest.approx(20 * np.log10(amplitude), abs=3)
    rising = lines[1].hertz
    assert rising[-5] > 1.7 * rising[5]
    assert find_lines(hiss(2.0)) == [], "hiss is no bird"


def test_a_long_recording_is_taken_apart_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What memory it takes does not grow with its length, and no line moves."""
    monkeypatch.setattr(lines_module, "PART_SECONDS", 2.0)
    at = (0.5, 2.6, 5.1)
    sound = placed([(second, syllable(0.3, 3000, 4000, 0.1)) for second in at], 6.001)
    lines, rest = taken_apart(sound)
    assert [line.start * LINE_HOP / RATE for line in lines] == pytest.approx(at, abs=0.015)
    assert len(rest) == len(sound)
    assert max(np.std(rest[round(second * RATE) :][: RATE // 4]) for second in at) < 1.5 * HISS


def test_an_octave_is_heard_of() -> None:
    plain, with_octave = (
        syllable(0.3, 3000, 3000, 0.1),
        syllable(0.3, 3000, 3000, 0.1) + syllable(0.3, 6000, 6000, 0.03),
    )
    (without,), (having,) = (find_lines(placed([(0.5, part)], 1.2)) for part in (plain, with_octave))
    assert np.median(without.octave_db) == -140
    assert np.median(having.octave_db - having.level_db) == pytest.approx(20 * np.log10(0.3), abs=2)


def test_what_is_left_is_hiss() -> None:
    sound = placed([(0.5, syllable(0.3, 3000, 4000, 0.1))], 1.5)
    left = without_lines(sound, find_lines(sound))
    assert len(left) == len(sound)
    inside = slice(round(0.55 * RATE), round(0.75 * RATE))
    assert np.std(left[inside]) < 1.5 * HISS < 0.1 * np.std(sound[inside])
    before = slice(0, round(0.4 * RATE))
    assert np.std(left[before] - sound[before]) < 0.1 * HISS, "but for its rare peaks, hiss stays as it is"


def test_birds_are_told_apart_and_their_pauses_kept() -> None:
    low = [(0.3 + 0.4 * n, syllable(0.12, 2000, 2200, 0.1)) for n in range(6)]
    high = [(0.45 + 0.4 * n, syllable(0.08, 6000, 5000, 0.05)) for n in range(6)]
    birds = birds_of(find_lines(placed(low + high, 3.0)), 20 * np.log10(HISS))
    assert len(birds) == 2
    for bird, seconds, hertz, amplitude in zip(birds, (0.12, 0.08), (2100, 5480), (0.1, 0.05), strict=True):
        assert len(bird) == 6
        np.testing.assert_allclose(LONG_SECONDS * 2 ** bird[:, LENGTH], seconds, atol=0.03)
        np.testing.assert_allclose(HIGH_HZ * 2 ** bird[:, HEIGHT], hertz, rtol=0.05)
        np.testing.assert_allclose(10 * bird[:, PEAK], 20 * np.log10(amplitude / HISS), atol=3)
        np.testing.assert_allclose(PAUSE_SECONDS * 2 ** bird[:-1, GAP], 0.4 - seconds, atol=0.04)
    rise = [bird[:, PITCH][:, -3] - bird[:, PITCH][:, 2] for bird in birds]
    assert np.all(rise[0] > 0)
    assert np.all(rise[1] < 0)


def some_birds(rng: np.random.Generator, count: int = 12) -> list[np.ndarray]:
    """Of two kinds: those that say one thing again and again, and those that say something else each time."""
    birds = []
    for index in range(count):
        rows = 0.05 * rng.standard_normal((20, NUMBERS))
        rows[:, HEIGHT] += index % 2
        rows[:, LENGTH] += rng.standard_normal(20) if index % 2 else 0
        birds.append(rows)
    return birds


def test_songs_hold_what_came_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    birds = some_birds(rng)
    songs = songs_of(birds, 3)
    rows = songs.after * songs.spread + songs.mean
    np.testing.assert_allclose(rows, np.concatenate(birds), atol=1e-4)
    before = songs.before.reshape(-1, BEFORE, NUMBERS)
    np.testing.assert_array_equal(before[5, 0], songs.after[4])
    np.testing.assert_array_equal(before[5, 2], songs.after[2])
    np.testing.assert_array_equal(before[20, 0], songs.after[39], "a bird's first follows its last")
    kinds = np.arange(len(birds)) % 2
    assert abs(np.corrcoef(songs.identities[::20, 0], kinds)[0, 1]) > 0.8
    assert songs.shares.sum() == pytest.approx(1)
    songs.save(tmp_path)
    np.testing.assert_array_equal(Songs.load(tmp_path).before, songs.before)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:500])
    with pytest.raises(DataError, match="prepare again"):
        Songs.load(tmp_path)
    with pytest.raises(ValueError, match="12 birds, expected more than 12"):
        songs_of(birds, 12)


def test_the_distance_wants_variety_where_there_is_some() -> None:
    """Of what may follow, the mean is no substitute."""
    rng = np.random.default_rng(2)
    songs = songs_of(some_birds(rng), 3)
    sung, inputs = draw_songs(rng, songs)
    assert inputs["before"].shape == (2 * BATCH, BEFORE * NUMBERS)
    few, made_from = draw_songs(rng, songs, 126)
    assert [len(few), *map(len, made_from.values())] == [126, 252, 252, 252], "as three replicas share them"
    spread = rng.standard_normal((2 * BATCH, NUMBERS)).astype(np.float32)
    sung[:, :NUMBERS] = rng.standard_normal((BATCH, NUMBERS))
    assert float(song_distance(sung, spread)) < float(song_distance(sung, np.zeros_like(spread)))
