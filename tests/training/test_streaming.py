"""Parts of the streaming textures, against what they are by definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import itertools

import keras
from keras import ops
from scipy.signal import lfilter

from petrichor_training.errors import DataError
from petrichor_training.settings import FitSettings
from petrichor_training.streaming.batches import draw_batch, played
from petrichor_training.streaming.conditions import NAME, Conditions, conditions_of, coordinates, log_powers
from petrichor_training.streaming.lapped import powers, sounds
from petrichor_training.streaming.noise import KEEP, SLOW, slow_processes
from petrichor_training.streaming.texture_distance import TextureDistance
from petrichor_training.streaming.texture_network import MEMORY, TextureGenerator
from petrichor_training.streaming.zones import COUNTS, HOP, RATE, ZONES, Zone, overlapping, waves


def shower(rng: np.random.Generator, seconds: float, drops: float) -> np.ndarray:
    """Decaying bursts of noise, so many a second, over faint hiss; at one level. Shape [frames]"""
    frames = round(seconds * RATE)
    hits = rng.poisson(drops / RATE, frames) * rng.exponential(1.0, frames)
    envelope = lfilter([1.0], [1.0, -np.exp(-1 / (0.002 * RATE))], hits) + 0.01
    sound = envelope * rng.standard_normal(frames)
    return (0.1 * sound / sound.std()).astype(np.float32)


@pytest.mark.parametrize("size", [32, 256])
def test_a_lapped_transform_gives_back_what_was_taken_apart(size: int) -> None:
    zone = Zone(size, 0, size)
    sound = np.random.default_rng(1).standard_normal(16 * size).astype(np.float32)
    cosines, _ = waves(zone)
    windows = np.lib.stride_tricks.sliding_window_view(sound, 2 * size)[::size]
    values = windows @ cosines
    again = np.concatenate((values[:-1], values[1:]), axis=1) @ overlapping(zone)
    np.testing.assert_allclose(again.ravel(), sound[size:-size], atol=1e-4)


def test_the_zones_cover_the_spectrum_once() -> None:
    edges = [zone.edges_hz for zone in ZONES]
    assert edges[0][0] == 0
    assert all(below[-1] == above[0] for below, above in itertools.pairwise(edges))
    for hertz in (300.0, 2000.0, 5000.0, 12000.0):
        tone = np.sin(2 * np.pi * hertz * np.arange(40 * HOP) / RATE).astype(np.float32)
        found = np.concatenate([ops.convert_to_numpy(part)[0].mean(axis=0) for part in powers(tone[None])])
        band = int(np.argmax(found))
        zone = int(np.searchsorted(np.cumsum(COUNTS), band, side="right"))
        place = band - sum(COUNTS[:zone])
        assert edges[zone][place] <= hertz <= edges[zone][place + 1]


def test_powers_that_were_asked_for_are_there() -> None:
    """A step of 20 dB in every band is found where it was asked for, to within a block of the slowest zone."""
    rng = np.random.default_rng(2)
    wanted, signed = [], []
    for zone in ZONES:
        blocks = 64 * zone.blocks
        power = np.where(np.arange(blocks) < blocks // 2, 0.01, 1.0)[:, None] * np.ones(zone.count)
        wanted.append(power)
        signed.append((np.sqrt(power) * rng.choice((-1, 1), power.shape))[None].astype(np.float32))
    found = powers(sounds(signed))
    for zone, power in zip(ZONES, found, strict=True):
        levels = 10 * np.log10(ops.convert_to_numpy(power)[0].mean(axis=1))
        middle, edge = 31 * zone.blocks, 2 * zone.blocks  # the first hop is not given back
        assert np.median(levels[: middle - edge]) == pytest.approx(-20, abs=1.5)
        assert np.median(levels[middle + edge :]) == pytest.approx(0, abs=1.5)


def test_slow_processes_have_unit_variance_and_their_times() -> None:
    drawn = slow_processes(np.random.default_rng(3).standard_normal((64, 1201, SLOW)).astype(np.float32))
    np.testing.assert_allclose(drawn.std(axis=(0, 1)), 1, atol=0.12)
    np.testing.assert_allclose(drawn[:, 0].std(axis=0), 1, atol=0.4)
    lag = np.mean(drawn[:, 1:] * drawn[:, :-1], axis=(0, 1)) / np.mean(np.square(drawn), axis=(0, 1))
    np.testing.assert_allclose(lag, KEEP, atol=0.01)


def test_conditions_find_density_and_levels() -> None:
    rng = np.random.default_rng(4)
    rates = np.tile((20.0, 80.0, 300.0, 2000.0), 6)
    windows = np.stack([shower(rng, 1.0, rate) for rate in rates])
    bright = rng.random(len(windows)) < 0.5
    windows[bright] = lfilter([1.0, -0.9], [1.0], windows[bright]).astype(np.float32)
    windows *= 0.1 / windows.std(axis=1, keepdims=True)
    groups = np.arange(len(windows)) // 4
    found = conditions_of(windows, groups, 3)
    places = found.intensities[:, 0]
    assert all(places[rates == low].max() < places[rates == high].min() for low, high in ((20, 300), (80, 2000)))
    assert abs(np.corrcoef(found.latents[:, 0], bright)[0, 1]) > 0.8
    told = coordinates(found.latents, found.intensities) @ found.levels
    real = np.stack([np.concatenate([log.mean(axis=0) for log in log_powers(window)]) for window in windows])
    assert np.mean(np.square(told - real)) < 0.1 * np.mean(np.square(real - real.mean(axis=0)))
    np.testing.assert_allclose(told + found.offsets, real, atol=1e-3)
    assert found.shares.sum() == pytest.approx(1)


def test_the_distance_knows_drops_from_hiss_and_like_from_like() -> None:
    rng = np.random.default_rng(5)
    frames = 64 * HOP
    few, few_again, many, hiss = (
        np.stack([shower(rng, frames / RATE, rate) for _ in range(8)]) for rate in (30.0, 30.0, 300.0, 1e5)
    )
    centre = np.concatenate([np.mean(np.concatenate([log_powers(w)[zone] for w in few]), 0) for zone in range(4)])
    distance = TextureDistance(centre)
    to = [float(distance(few, other)) for other in (few_again, many, hiss)]
    assert to[0] < to[1] < to[2]
    copies = np.repeat(few_again[:1], 8, axis=0)
    assert float(distance(few, copies)) > to[0], "one stretch again and again is no distribution"


def redrawn(inputs: dict[str, np.ndarray], first: int, last: int) -> dict[str, np.ndarray]:
    """The same inputs, with other noise from one hop to another."""
    hops, rng = inputs["slow"].shape[1], np.random.default_rng(9)
    changed = {name: array.copy() for name, array in inputs.items()}
    for name in sorted(set(changed) - {"latent", "intensity"}):
        blocks = changed[name].shape[1] // hops
        part = changed[name][:, first * blocks : last * blocks]
        part[:] = rng.standard_normal(part.shape)
    return changed


def test_a_generator_is_causal_and_forgets() -> None:
    keras.utils.set_random_seed(1)
    generator = TextureGenerator((6, 6, 4, 4), 2)
    inputs = played(np.zeros((1, 2)), 0.4, seed=1)
    hops = inputs["slow"].shape[1]
    first, later, before, just = (
        ops.convert_to_numpy(generator(given))[0]
        for given in (
            inputs,
            redrawn(inputs, hops - 8, hops),
            redrawn(inputs, 0, 1),
            redrawn(inputs, MEMORY // 2, MEMORY // 2 + 1),
        )
    )
    same = len(first) - 8 * HOP
    np.testing.assert_array_equal(first[:same], later[:same])
    assert not np.allclose(np.abs(first[same:]), np.abs(later[same:]))
    np.testing.assert_array_equal(first, before)
    assert not np.array_equal(first[:HOP], just[:HOP]), "what it has kept is not only the last hop"


def test_offsets_raise_a_band_and_nothing_else() -> None:
    keras.utils.set_random_seed(2)
    generator = TextureGenerator((6, 6, 4, 4), 2)
    inputs = played(np.zeros((1, 2)), 0.2, seed=1)
    offset = np.zeros((1, 51), np.float32)
    offset[:, COUNTS[0]] = 3.0  # of the second zone's lowest band
    plain, raised = (
        [ops.convert_to_numpy(part) for part in generator.log_powers(given)]
        for given in (inputs, {**inputs, "offset": offset})
    )
    np.testing.assert_allclose(raised[1][..., 0] - plain[1][..., 0], 3.0, atol=1e-4)
    np.testing.assert_array_equal(raised[1][..., 1:], plain[1][..., 1:])
    for zone in (0, 2, 3):
        np.testing.assert_array_equal(raised[zone], plain[zone])


def test_a_batch_is_two_stretches_of_each_window_and_its_coordinates() -> None:
    """Windows are ramps, so that every sample says where it is from."""
    frames, count = 40_000, 6
    windows = (np.arange(count)[:, None] * frames + np.arange(frames)).astype(np.float32)
    shares = np.array((0.5, 0.5, 0, 0, 0, 0), np.float32)
    latents, intensities = np.arange(count, dtype=np.float32)[:, None], np.linspace(0, 1, count)[:, None]
    blank = np.zeros((4, 51), np.float32)
    offsets = np.repeat(np.arange(count, dtype=np.float32)[:, None], 51, axis=1)
    conditions = Conditions(latents, intensities.astype(np.float32), shares, blank, blank, offsets, blank[0])
    real, inputs = draw_batch(np.random.default_rng(1), windows, conditions, FitSettings(batch=40, crop_seconds=0.3))
    chosen = (real[:, 0] // frames).astype(int)
    assert set(chosen) == {0, 1}, "drawn by their shares"
    np.testing.assert_array_equal(chosen[::2], chosen[1::2])
    np.testing.assert_array_equal(inputs["latent"][:, 0], chosen)
    np.testing.assert_array_equal(inputs["offset"][:, 50], chosen)
    np.testing.assert_allclose(inputs["intensity"][:, 0], chosen / 5)
    assert np.all(np.abs(real[::2, 0] - real[1::2, 0]) >= real.shape[1]), "no moment is in both"
    assert 0 < np.mean(real[::2, 0] < real[1::2, 0]) < 1, "neither half is always the earlier"
    assert inputs["noise_0"].shape[1] - 1 - MEMORY == real.shape[1] // HOP


def test_damaged_conditions_are_told(tmp_path: Path) -> None:
    windows = np.stack([shower(np.random.default_rng(seed), 0.5, 100) for seed in range(8)])
    conditions_of(windows, np.arange(8), 2).save(tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    assert Conditions.load(tmp_path).latents.shape == (8, 2)
    for broken in (whole[: len(whole) // 2], b"", b"nonsense"):
        (tmp_path / NAME).write_bytes(broken)
        with pytest.raises(DataError, match="prepare again"):
            Conditions.load(tmp_path)
    with pytest.raises(ValueError, match="8 windows, expected more than"):
        conditions_of(windows, np.arange(8), 5)
