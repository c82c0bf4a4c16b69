"""Quality figures against independent truths, and on sounds of which one knows what the figures have to say."""

from __future__ import annotations

import itertools
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.stats
import soundfile

from petrichor.mel import hz_of_mel, mel
from petrichor_training.errors import DataError
from petrichor_training.prepare import prepare
from petrichor_training.quality.character import brightness_hz, event_rate, loudness_db, onset_density
from petrichor_training.quality.distances import energy_distance, frechet_distance, spread
from petrichor_training.quality.excerpts import FRAMES, Excerpt, Recordings, cut, read_recordings
from petrichor_training.quality.figures import Reference, measure
from petrichor_training.quality.filterbank import (
    erb_centres,
    erb_number,
    half_cosines,
    hz_of_erb,
    modulation_bands,
    resampled,
    subband_envelopes,
)
from petrichor_training.quality.intensity import rank_correlation
from petrichor_training.quality.logmel import RATE, log_mel, mel_filters
from petrichor_training.quality.ratios import Cloud, ratio
from petrichor_training.quality.repetition import repetition
from petrichor_training.quality.texture import TextureSpace, texture_statistics
from petrichor_training.recipe import from_table


def rain(seconds: float, drops: float, tilt: float, seed: int) -> np.ndarray:
    """Drops, each a short band of noise, on hiss whose spectrum falls with `tilt`. Shape [frames]"""
    rng = np.random.default_rng(seed)
    frames = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    sound = 0.02 * np.fft.irfft(spectrum / (1 + np.fft.rfftfreq(frames, 1 / RATE) / 1000) ** tilt, frames)
    for at in rng.integers(0, frames - 960, round(drops * seconds)):
        drop = rng.standard_normal(960) * np.exp(-np.arange(960) / rng.uniform(20, 200))
        sound[at : at + 960] += rng.exponential(0.2) * drop
    return sound.astype(np.float32)


def calls(seconds: float, rate: float, seed: int) -> np.ndarray:
    """Short narrow calls that begin at random, and hiss 10 dB below them. Shape [frames]"""
    rng = np.random.default_rng(seed)
    frames = round(seconds * RATE)
    sound = 0.1 * rng.standard_normal(frames)
    for at in rng.integers(0, frames - 6000, round(rate * seconds)):
        time = np.arange(rng.integers(1920, 5760)) / RATE
        hertz = rng.uniform(2000, 7000) + rng.uniform(-8000, 8000) * time
        sound[at : at + len(time)] += (
            rng.uniform(0.3, 1) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * np.hanning(len(time))
        )
    return sound.astype(np.float32)


def with_spectrum_of(sound: np.ndarray, seed: int) -> np.ndarray:
    """Stationary noise with exactly the long-term spectrum of a sound. Shape [frames]"""
    turned = np.exp(2j * np.pi * np.random.default_rng(seed).random(len(sound) // 2 + 1))
    return np.fft.irfft(np.fft.rfft(sound) * turned, len(sound)).astype(np.float32)


def test_the_erb_scale_is_its_own_inverse_and_glasbergs() -> None:
    hertz = np.array([0.0, 100.0, 1000.0, 15000.0])
    np.testing.assert_allclose(hz_of_erb(erb_number(hertz)), hertz, atol=1e-6)
    bandwidth = 1 / ((erb_number(1000.5) - erb_number(999.5)) / 1.0)
    assert bandwidth == pytest.approx(24.7 * (4.37 * 1.0 + 1), rel=0.01)


def test_filters_keep_the_power() -> None:
    scale = erb_number(np.fft.rfftfreq(9600, 1 / RATE))
    centres = erb_number(erb_centres(60, 20_000, 34))
    power = np.sum(half_cosines(scale, centres) ** 2, axis=0)
    inside = (scale >= centres[0]) & (scale <= centres[-1])
    np.testing.assert_allclose(power[inside], 1.0, atol=1e-9)


def test_envelopes_are_the_hilbert_envelopes_of_the_bands() -> None:
    sound = np.random.default_rng(1).standard_normal(9600)
    centres = erb_centres(200, 8000, 8)
    envelopes = subband_envelopes(sound, RATE, centres)
    scale = erb_number(np.fft.rfftfreq(9600, 1 / RATE))
    responses = half_cosines(scale, erb_number(centres))
    for envelope, response in zip(envelopes, responses, strict=True):
        analytic = scipy.signal.hilbert(np.fft.irfft(np.fft.rfft(sound) * response, len(sound)))
        assert len(envelope) <= len(sound)
        # Between samples, by the definition of the inverse Fourier transform.
        bins = np.flatnonzero(response)
        times = np.arange(len(envelope)) / len(envelope)
        between = np.exp(2j * np.pi * np.outer(times, bins)) @ np.fft.fft(analytic)[bins] / len(sound)
        np.testing.assert_allclose(envelope, np.abs(between), atol=1e-9)


def test_resampling_is_scipys() -> None:
    slow = np.cumsum(np.random.default_rng(1).standard_normal((2, 4800)), axis=1)
    for series in slow:
        np.testing.assert_allclose(resampled(series, 400), scipy.signal.resample(series, 400), atol=0.2)


def test_a_modulation_is_in_its_band() -> None:
    time = np.arange(1600) / 400
    envelope = (1 + 0.5 * np.sin(2 * np.pi * 10 * time))[None]
    centres = 2.5 * 2.0 ** np.arange(6)
    power = np.mean(modulation_bands(envelope, 400, centres).real ** 2, axis=2)[0]
    assert np.argmax(power) == 2
    assert power[2] == pytest.approx(0.5 * 0.5**2, rel=0.01)
    assert power[[0, 1, 3, 4, 5]].max() < 1e-6


def test_mel_is_librosas() -> None:
    hertz = np.array([60.0, 440.0, 1000.0, 5000.0, 20000.0])
    np.testing.assert_allclose(mel(hertz), librosa.hz_to_mel(hertz), rtol=1e-9)
    np.testing.assert_allclose(hz_of_mel(mel(hertz)), hertz, rtol=1e-9)
    truth = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=60, fmax=20000)
    np.testing.assert_allclose(mel_filters(), truth, atol=1e-7)
    sound = rain(1.0, 50, 1.0, 1)
    power = librosa.feature.melspectrogram(
        y=sound, sr=RATE, n_fft=1024, hop_length=480, n_mels=64, fmin=60, fmax=20000, center=False
    )
    levels = 10 * np.log10(power.T)
    difference = log_mel(sound) - levels
    assert np.ptp(difference[levels > levels.max() - 60]) < 0.01


def test_energy_distance_is_scipys() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal(300), 0.5 + 2 * rng.standard_normal(200)
    truth = scipy.stats.energy_distance(one, other) ** 2
    assert energy_distance(one[:, None], other[:, None]) == pytest.approx(truth, rel=1e-6)
    assert energy_distance(one[:, None], one[:, None]) == pytest.approx(0.0, abs=1e-9)
    assert spread(np.array([[0.0], [1.0], [3.0]])) == pytest.approx((1 + 3 + 2) / 3, rel=1e-6)
    with pytest.raises(ValueError, match="expected two or more"):
        spread(np.zeros((1, 3)))


def test_frechet_distance_is_that_of_the_matrix_square_root() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)), rng.standard_normal((300, 6)) + 1
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    truth = np.sum((one.mean(0) - other.mean(0)) ** 2) + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(truth, rel=1e-6)
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-6)


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 5, 30)
    other = one + rng.integers(0, 4, 30)
    assert rank_correlation(one, other) == pytest.approx(scipy.stats.spearmanr(one, other).statistic)
    assert rank_correlation(np.zeros(5), np.arange(5)) == 0.0


def test_events_are_counted_and_density_is_ordered() -> None:
    for rate in (2, 8):
        sound = 1e-4 * np.random.default_rng(1).standard_normal(4 * RATE)
        for at in range(RATE // (2 * rate), 4 * RATE, RATE // rate):
            sound[at : at + 480] += 0.3 * np.random.default_rng(at).standard_normal(480)
        assert onset_density(sound) == pytest.approx(rate, rel=0.15)
    for rate in (1, 4, 8):
        assert onset_density(calls(20.0, rate, rate)) == pytest.approx(rate, rel=0.34)
    assert onset_density(calls(20.0, 16, 1)) > 1.3 * onset_density(calls(20.0, 8, 1))
    assert onset_density(calls(20.0, 0, 1)) == 0.0


def test_the_rate_of_events_grows_with_them_also_where_they_fuse() -> None:
    drops = (5, 40, 320, 2560)
    rates = [float(np.mean([event_rate(rain(4.0, each, 1.0, seed)) for seed in range(4)])) for each in drops]
    assert all(after > 3 * before for before, after in itertools.pairwise(rates))
    assert event_rate(np.random.default_rng(1).standard_normal(4 * RATE)) == pytest.approx(7000, rel=0.15)
    assert event_rate(np.zeros(RATE)) == 0.0


def test_loudness_and_brightness_of_a_tone() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 3000 / RATE * np.arange(RATE))
    assert loudness_db(tone) == pytest.approx(-9.03, abs=0.01)
    assert brightness_hz(tone) == pytest.approx(3000, abs=10)
    assert loudness_db(np.zeros(100)) == -120


def test_a_loop_is_caught_and_rain_is_not() -> None:
    alive = rain(20.0, 30, 1.0, 1)
    found = repetition(alive)
    assert found.share == 0.0
    assert found.highest < 0.8
    looped = np.tile(alive[: 3 * RATE + 1234], 6)
    found = repetition(looped)
    assert found.share > 0.9
    assert found.lag % (3 + 1234 / RATE) == pytest.approx(0, abs=0.02) or found.lag % (
        3 + 1234 / RATE
    ) == pytest.approx(3 + 1234 / RATE, abs=0.02)
    clip = alive[RATE : 2 * RATE]
    twice = np.concatenate((alive[: 8 * RATE], clip, alive[9 * RATE :]))
    assert repetition(twice, stretches=400).highest > 0.9
    with pytest.raises(ValueError, match="expected 3 s"):
        repetition(alive[:RATE])


def test_statistics_know_no_level_and_silence_has_none() -> None:
    sound = rain(4.0, 30, 1.0, 1)
    one, other = texture_statistics(sound), texture_statistics(0.1 * sound)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=2e-2)
        assert np.isfinite(one[name]).all()
    with pytest.raises(ValueError, match="no texture"):
        texture_statistics(np.zeros(FRAMES))


def test_noise_with_a_spectrum_has_its_levels_and_other_moments() -> None:
    sounds = [rain(4.0, 20, 1.0, seed) for seed in range(3)]
    real = [texture_statistics(sound) for sound in sounds]
    noise = texture_statistics(with_spectrum_of(sounds[0], 1))
    np.testing.assert_allclose(noise["level"], real[0]["level"], atol=1.0)
    assert noise["kurtosis"].mean() < real[0]["kurtosis"].mean() - 0.3
    space = TextureSpace(real)
    points = space.points([*real, noise])
    assert points.shape == (4, sum(values.size for values in noise.values()))
    assert np.linalg.norm(points[3] - points[0]) > 1.5 * np.linalg.norm(points[1] - points[0])


def test_a_part_of_the_origins_is_whole_origins() -> None:
    cloud = Cloud(np.arange(12.0)[:, None], np.repeat(list("abcdef"), 2))
    part = cloud.part(np.random.default_rng(1))
    assert len(part) == 8
    assert np.array_equal(np.sort(part[:, 0].astype(int) // 2)[::2], np.sort(part[:, 0].astype(int) // 2)[1::2])
    np.testing.assert_array_equal(cloud.means()[:, 0], [0.5, 2.5, 4.5, 6.5, 8.5, 10.5])


def test_excerpts_are_spread_over_a_recording() -> None:
    sound = np.arange(10 * FRAMES + 7)
    pieces = cut(sound, 3)
    assert [int(piece[0]) for piece in pieces] == [0, (9 * FRAMES + 7) // 2, 9 * FRAMES + 7]
    assert cut(sound[: FRAMES - 1]) == []


@pytest.mark.parametrize("listed", [False, True])
def test_recordings_are_split_as_their_cache_says(tmp_path: Path, listed: bool) -> None:
    """Whether a manifest above the folder names them, or nobody does."""
    folder = tmp_path / "rain"
    folder.mkdir()
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", rain(9.0, 30, 1.0, number), RATE)
    soundfile.write(folder / "short.wav", rain(2.0, 30, 1.0, 9), RATE)
    if listed:
        lines = ["path,group", *(f"rain/{path.name},{path.stem}" for path in sorted(folder.iterdir()))]
        (tmp_path / "MANIFEST.csv").write_text("\n".join(lines) + "\n")
    recipe = from_table({"base": "bird", "prepare": {"min_clarity_db": 0.0, "validation_share": 0.3}})
    summary = prepare(folder, tmp_path / "cache", recipe)
    found = read_recordings(folder, tmp_path / "cache")
    apart = {entry["group"] for entry in summary["used"] if entry["validation"]}
    assert {excerpt.origin for excerpt in found.validation} == apart - {"short", "short.wav"}
    assert not apart & {excerpt.origin for excerpt in found.train}
    assert len(found.train) + len(found.validation) == 8, "two of each"
    assert list(found.left_out.values()) == ["shorter than 4 s"]
    with pytest.raises(DataError, match="not a prepared cache"):
        read_recordings(folder, folder)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Recordings of eight kinds of rain, three of them kept apart."""
    kinds = [(drops, tilt) for drops in (8, 20, 50, 120) for tilt in (0.5, 1.5)]
    found = Recordings()
    for number, (drops, tilt) in enumerate(kinds):
        side = found.validation if number % 3 == 1 else found.train
        side += [Excerpt(rain(4.0, drops, tilt, 10 * number + part), f"kind {number}", "") for part in range(3)]
    return Reference(found)


def voice(sounds: list[np.ndarray]) -> list[Excerpt]:
    return [Excerpt(sound, f"seed {number // 3}", "") for number, sound in enumerate(sounds)]


def test_real_beats_noise_and_noise_with_the_right_spectrum_is_between(reference: Reference) -> None:
    kinds = [(drops, tilt) for drops in (10, 30, 80) for tilt in (0.6, 1.4)]
    like = [rain(4.0, *kinds[number // 3], 500 + number) for number in range(18)]
    white = [0.1 * np.random.default_rng(number).standard_normal(FRAMES) for number in range(18)]
    figures = {
        "real": reference.figures(reference.train),
        "like": reference.figures(measure(voice(like))),
        "coloured": reference.figures(measure(voice([with_spectrum_of(sound, 1) for sound in like]))),
        "white": reference.figures(measure(voice(white))),
    }
    texture = {name: of["texture"]["value"] for name, of in figures.items()}
    frechet = {name: of["frechet"]["value"] for name, of in figures.items()}
    assert texture["real"] == pytest.approx(1.0, rel=0.2)
    assert frechet["real"] == pytest.approx(1.0, rel=0.2)
    for of in (texture, frechet):
        assert of["like"] < 2.0 < of["coloured"] < of["white"]
    assert figures["white"]["diversity"] < 0.5 < figures["like"]["diversity"]
    assert figures["real"]["texture"]["low"] <= 1.0 <= figures["real"]["texture"]["high"]


def test_ratio_has_a_spread_that_holds_it() -> None:
    rng = np.random.default_rng(1)

    def cloud(centre: float) -> Cloud:
        origins = np.repeat(np.arange(6), 5)
        return Cloud(centre + rng.standard_normal(6)[origins, None] + 0.3 * rng.standard_normal((30, 2)), origins)

    found = ratio(energy_distance, cloud(6.0), cloud(3.0), cloud(0.0))
    assert found.low < found.value < found.high
    assert found.value > 1.5
