"""Spectrogram inversion, against direct sums and real spectra written out in full."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.inversion import (
    Analysis,
    Inverter,
    area_matrix,
    griffin_lim,
    hann,
    overlap_add,
    spectrum,
    synthesis_window,
)

RATE = 48_000
ANALYSIS = Analysis(2048, 1024, 64, 30, 375, 1025, 1e-7, -16.0, 6.0)


def rain_like(seed: int) -> np.ndarray:
    """Half a second of noise with drops in it, and the tail that the padded analysis looks at. Shape [24960]"""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(24_960), [1, 0.6, 0.2], "same") * 0.02
    for start in rng.integers(0, 24_000, 40):
        length = int(rng.integers(100, 900))
        drop = np.sin(np.arange(length) * rng.uniform(0.2, 1.5)) * np.exp(-np.arange(length) / (length / 5))
        noise[start : start + length] += 0.2 * drop[: len(noise) - start]
    return noise.astype(np.float32)


def direct_magnitudes(samples: np.ndarray, stride: int, nfft: int, window: int) -> np.ndarray:
    """Magnitudes by the definition of the discrete Fourier transform, a few bins at a time."""
    starts = range(0, len(samples) - window + 1, stride)
    hanning = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / window) for n in range(window)])
    frames = np.stack([samples[s : s + window] * hanning for s in starts])
    turns = np.exp(-2j * np.pi * np.outer(np.arange(window), np.arange(nfft // 2 + 1)) / nfft)
    return np.abs(frames @ turns)


def mel_bands(bins: int, bands: int = 48) -> np.ndarray:
    def hertz(mel: np.ndarray) -> np.ndarray:
        return 700 * (10 ** (mel / 2595) - 1)

    edges = hertz(np.linspace(2595 * np.log10(1 + 100 / 700), 2595 * np.log10(1 + 16_000 / 700), bands + 2))
    bin_hertz = np.arange(bins) * RATE / 2 / (bins - 1)
    rising = (bin_hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bin_hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)).T


def log_mel_error(sound: np.ndarray, offset: int, wanted: np.ndarray) -> float:
    """Mean difference in dB between the log-mel spectrum of `sound` and the wanted magnitudes from `offset` on."""
    have = np.abs(spectrum(sound, hann(1024), 64, 2048))
    wanted = wanted[offset // 64 :][: len(have)]
    bands = mel_bands(1025)
    have_db, wanted_db = (10 * np.log10(m[: len(wanted)] ** 2 @ bands + 1e-6) for m in (have, wanted))
    return float(np.abs(have_db - wanted_db).mean())


def as_image(magnitude: np.ndarray) -> np.ndarray:
    logs = (np.log(magnitude**2 + ANALYSIS.log_offset) - ANALYSIS.log_min) / (ANALYSIS.log_max - ANALYSIS.log_min)
    return area_matrix(375, 256) @ logs @ area_matrix(1025, 256).T


def test_spectrum_is_the_discrete_fourier_transform() -> None:
    samples = rain_like(1)[:6000]
    ours = np.abs(spectrum(samples, hann(1024), 128, 2048))
    truth = direct_magnitudes(samples, 128, 2048, 1024)
    assert ours.shape == truth.shape
    assert np.abs(ours - truth).max() < 1e-4 * truth.max()


def test_overlap_add_undoes_spectrum() -> None:
    samples = rain_like(2)[: 1024 + 128 * 100]
    frames = spectrum(samples, hann(1024), 128, 1024)
    back = overlap_add(frames, synthesis_window(hann(1024), 128), 128, 1024)
    assert len(back) == len(samples)
    assert np.abs(back - samples)[1024:-1024].max() < 1e-5


def test_area_matrix_is_the_mean_of_what_each_output_covers() -> None:
    matrix = area_matrix(256, 375)
    fine = np.repeat(np.eye(256), 375, axis=0)  # both grids fall on this finer one
    truth = fine.reshape(375, 256, 256).mean(axis=1)
    assert np.abs(matrix - truth).max() < 1e-6
    assert np.array_equal(area_matrix(5, 5), np.eye(5, dtype=np.float32))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fast_way_is_nearly_as_good_as_the_published_one(seed: int) -> None:
    magnitude = np.abs(spectrum(rain_like(seed), hann(1024), 64, 2048))
    image = as_image(magnitude)
    wanted = ANALYSIS.magnitude(area_matrix(256, 375) @ image @ area_matrix(256, 1025).T)
    inverter = Inverter(ANALYSIS, 256, 256)
    fast = log_mel_error(inverter(image, np.random.default_rng(0)), inverter.keep.start, wanted)
    published = log_mel_error(griffin_lim(wanted, ANALYSIS)[512:23_488], 512, wanted)
    assert published < 1.2  # dB; 0.76 on real rain
    assert fast < published + 0.3


def test_inverted_sound_keeps_its_level_to_the_ends() -> None:
    samples = rain_like(4)
    inverter = Inverter(ANALYSIS, 256, 256)
    sound = inverter(as_image(np.abs(spectrum(samples, hann(1024), 64, 2048))), np.random.default_rng(1))
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert len(sound) >= 0.47 * RATE
    original = samples[inverter.keep]
    for part in (slice(0, 2000), slice(-2000, None)):
        assert 0.6 < np.std(sound[part]) / np.std(original[part]) < 1.6


def test_same_seed_same_waveform() -> None:
    image = np.random.default_rng(0).random((256, 256), np.float32)
    inverter = Inverter(ANALYSIS, 256, 256)
    first, again, other = (inverter(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_window_that_does_not_fit_the_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the stride"):
        synthesis_window(hann(1000), 128)
