"""Birds on stage: when they sing, what, and how it sounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
from keras import ops

from petrichor_training.streaming.lines import HOP as LINE_HOP
from petrichor_training.streaming.lines import find_lines
from petrichor_training.streaming.song_network import CHANCE, SongNetwork
from petrichor_training.streaming.song_sound import AMBIENCE, BIRDS, DISTANCES_DB, HOP_SECONDS, PLACES
from petrichor_training.streaming.song_step import (
    ALIKE,
    AT_ONE_GO,
    FIRST_SECONDS,
    GRAIN,
    LONGEST_SECONDS,
    SOFTER_DB,
    SongStep,
    _gone_on,
    _Moments,
    _starts,
    _until,
    noise_size,
    song_state_sizes,
)
from petrichor_training.streaming.step import QUIET
from petrichor_training.streaming.syllables import (
    BEFORE,
    GAP,
    HEIGHT,
    HIGH_HZ,
    LENGTH,
    LONG_SECONDS,
    NUMBERS,
    OCTAVE,
    PAUSE_SECONDS,
    PEAK,
    PITCH,
)
from petrichor_training.streaming.zones import HOP, RATE
from tests.training.recordings_to_learn import hiss

COORDINATES = 2
REGISTER = np.array([0.3, -0.1])


def a_network(bias: np.ndarray) -> dict[str, np.ndarray]:
    """Weights that sing one syllable whatever was before. `bias`: Shape [NUMBERS]"""
    weights = {name: np.zeros_like(array) for name, array in SongNetwork(COORDINATES).arrays().items()}
    return {**weights, "song_leave_bias": bias.astype(np.float32)}


class Singer:
    """Runs a song step hop by hop."""

    def __init__(self, bias: np.ndarray, mean: float = 0.0, spread: float = 1.0) -> None:
        scale = np.full((2, NUMBERS), ((mean,), (spread,)), np.float32)
        step = SongStep(a_network((bias - mean) / spread), scale[0], scale[1], REGISTER)
        self.hop = tf.function(step.__call__)
        self.state = tf.zeros((1, sum(song_state_sizes(COORDINATES))))
        self.rng = np.random.default_rng(1)
        self.echoes: list[float] = []

    def sing(self, seconds: float, intensity: float, latent: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """What comes next. Shape [frames, 2]"""
        made = []
        for _ in range(round(seconds / HOP_SECONDS)):
            noise = tf.constant(self.rng.standard_normal((1, noise_size(COORDINATES))), tf.float32)
            audio, echo, self.state = self.hop(noise, tf.constant([latent]), tf.constant([[intensity]]), self.state)
            made.append(audio.numpy().T)
            self.echoes.append(float(tf.reduce_sum(echo)))
        return np.concatenate(made)


def onsets(sound: np.ndarray) -> np.ndarray:
    """Seconds at which something begins, to 5 ms."""
    heard = np.abs(sound).max(axis=1)[: len(sound) // 240 * 240].reshape(-1, 240).max(axis=1) > 5e-4
    return 0.005 * (np.flatnonzero(np.diff(heard.astype(int)) > 0) + 1)


def the_syllable() -> np.ndarray:
    """90 ms at 4 kHz, 20 dB under the ambience's tone, without an octave, then 410 ms of nothing."""
    row = np.zeros(NUMBERS)
    row[HEIGHT], row[LENGTH], row[PEAK] = np.log2(4000 / HIGH_HZ), np.log2(0.09 / LONG_SECONDS), -2
    row[OCTAVE], row[GAP] = -4, np.log2(0.41 / PAUSE_SECONDS)
    return row


def test_one_bird_sings_its_syllable_again_and_again() -> None:
    for mean, spread in ((0.0, 1.0), (0.7, 3.0)):
        left, right = Singer(the_syllable(), mean, spread).sing(6.0, 0.0)[RATE:].T
        angle = (PLACES[0] + 1) * np.pi / 4
        softer = 10 ** (-SOFTER_DB / 20)
        assert np.abs(left).max() == pytest.approx(AMBIENCE * 0.1 * softer * np.cos(angle), rel=0.02)
        assert np.abs(right).max() == pytest.approx(AMBIENCE * 0.1 * softer * np.sin(angle), rel=0.02)
        lines = [line for line in find_lines(left + 0.01 * hiss(5.0)[: len(left)]) if np.median(line.level_db) > -70]
        np.testing.assert_allclose(np.diff([line.start for line in lines]) * LINE_HOP / RATE, 0.5, atol=0.01)
        for line in lines[1:-1]:
            assert np.median(line.hertz) == pytest.approx(4000, rel=0.01)
            assert len(line.hertz) * LINE_HOP / RATE == pytest.approx(0.09, abs=0.02)


def test_nothing_clicks() -> None:
    """A syllable that sweeps two octaves in 90 ms, and ends where it did not begin: nothing far above it."""
    row = the_syllable()
    row[PITCH] = np.linspace(-1, 1, 24)
    row[HEIGHT] = np.log2(2000 / HIGH_HZ)
    sound = Singer(row).sing(6.0, 1.0)[:, 0]
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    assert 10 * np.log10(power[hertz > 8000].sum() / power.sum()) < -45


def test_the_loudest_bird_and_its_octave_stay_below_full_scale() -> None:
    row = the_syllable()
    row[PEAK], row[OCTAVE] = 9, 3
    sound = Singer(row).sing(0.9, 1.0)
    assert np.isfinite(sound).all()
    assert 0.5 < QUIET * np.abs(sound).max() < 1, "and its octave is at -3 dB at most"


def test_birds_are_far_and_near() -> None:
    row = the_syllable()
    row[GAP] = np.log2(2.5 / PAUSE_SECONDS)  # so that none overlap
    sound = Singer(row).sing(5.5, 1.0)
    begins = np.round((onsets(sound)[0] + FIRST_SECONDS * np.arange(BIRDS)) * RATE).astype(int)
    loud = np.array([np.linalg.norm(np.abs(sound[at : at + RATE // 10]).max(axis=0)) for at in begins])
    np.testing.assert_allclose(20 * np.log10(loud / loud[0]), -np.array(DISTANCES_DB), atol=0.5)


def test_intensity_is_heard_in_a_syllable_that_is_sung() -> None:
    """From one hop to the next it goes as far as it is told, along a line."""
    row = the_syllable()
    row[LENGTH] = np.log2(1.0 / LONG_SECONDS)
    singer = Singer(row)
    singer.sing(0.5, 0.0)
    sound = singer.sing(2 * HOP_SECONDS, 1.0)[:, 0]
    before, after = np.abs(sound[:24]).max(), np.abs(sound[HOP:]).max()
    assert 20 * np.log10(after / before) == pytest.approx(SOFTER_DB, abs=0.7)
    assert np.abs(np.diff(sound, 2)).max() < 1.2 * after * (2 * np.pi * 4000 / RATE) ** 2


def test_more_birds_sing_at_more_intensity() -> None:
    row = the_syllable()
    row[LENGTH], row[GAP] = np.log2(0.03 / LONG_SECONDS), np.log2(0.47 / PAUSE_SECONDS)  # so that none overlap
    rates = [len(onsets(Singer(row).sing(8.0, intensity)[5 * RATE :])) / 3 for intensity in (0.0, 0.4, 1.0)]
    np.testing.assert_allclose(rates, (2, 6, 12), atol=0.7)


def test_birds_rest_between_phrases_and_less_at_more_intensity() -> None:
    row = the_syllable()
    row[GAP] = np.log2(1.25 / PAUSE_SECONDS)
    times = onsets(Singer(row).sing(12.0, 0.15))
    np.testing.assert_allclose(np.diff(times)[1:], 0.09 + 1.25 + (10 * 0.85**4 - 0.5 * 0.15) * 0.55, atol=0.05)
    rate = len(onsets(Singer(row).sing(8.0, 1.0)[3 * RATE :])) / BIRDS / 5
    assert rate == pytest.approx(1 / (0.09 + 1.25 - 0.5 * 0.55), rel=0.15)


def test_no_pause_is_longer_than_those_that_were_learned_from() -> None:
    row = the_syllable()
    row[GAP] = np.log2(5.9 / PAUSE_SECONDS)
    times = onsets(Singer(row).sing(28.0, 0.15))
    np.testing.assert_allclose(np.diff(times)[1:], 0.09 + 2.5 + (10 * 0.85**4 - 0.5 * 0.15) * 1.8, atol=0.05)


def test_birds_wake_at_once_but_not_in_one_voice() -> None:
    singer = Singer(the_syllable())
    singer.sing(8.0, 0.0)
    times = onsets(singer.sing(1.0, 1.0))
    assert times[0] < 0.3
    assert len(times) >= 4, "five were silent"
    assert np.diff(times).min() > 0.02


def test_a_bird_that_is_not_to_sing_is_silent_for_hours() -> None:
    singer = Singer(the_syllable())
    singer.sing(0.5, 0.0)
    sizes = song_state_sizes(COORDINATES)
    state = singer.state.numpy()
    since = slice(sum(sizes[:4]), sum(sizes[:5]))
    state[:, since] = 1e5
    singer.state = tf.constant(state)
    singer.sing(0.5, 0.0)
    longest = LONGEST_SECONDS / HOP_SECONDS + _starts().max() + 1
    assert singer.state.numpy()[:, since].max() <= longest, "time is not counted for ever"
    assert len(onsets(singer.sing(3.0, 0.0))) == pytest.approx(6, abs=1)


def test_a_bird_is_due_or_it_is_not() -> None:
    row = the_syllable()
    step = SongStep(a_network(row), np.zeros(NUMBERS, np.float32), np.ones(NUMBERS, np.float32), REGISTER)
    sung = np.tile(row.astype(np.float32), (BIRDS, BEFORE))
    end = np.round((0.09 + 0.41) / HOP_SECONDS * GRAIN) / GRAIN - 1
    for grains in range(-20, 21):
        since = (end + grains / GRAIN + _starts()).astype(np.float32)
        moments = step._moments(sung, since, tf.ones((1, 1)), tf.zeros((1, BIRDS)), 1)
        assert set(moments.gone.numpy().ravel()) <= {0.0, 1.0}
        assert abs(grains) < 3 or np.all(moments.gone.numpy() == (grains > 0))
        assert np.all((moments.position.numpy() <= 0) | (moments.gone.numpy() == 0))


def test_the_latent_bends_what_is_being_sung() -> None:
    """At once, without a step, as far as the pitch of such birds differs; what is sung next has been drawn so."""
    row = the_syllable()
    row[LENGTH] = np.log2(1.0 / LONG_SECONDS)
    singer = Singer(row)
    for hops, latent in ((130, (0.0, 0.0)), (100, (2.0, 1.0))):
        sound = singer.sing(hops * HOP_SECONDS, 0.0, latent)[:, 0]
        turns = np.unwrap(np.angle(hilbert(sound[-50 * HOP : -10 * HOP]))) / (2 * np.pi)
        bent = ALIKE * float(REGISTER @ latent)
        assert np.polyfit(np.arange(len(turns)) / RATE, turns, 1)[0] == pytest.approx(4000 * 2**bent, rel=0.01)
        assert np.abs(np.diff(sound, 2)).max() < 1.2 * np.abs(sound).max() * (2 * np.pi * 4000 * 2**bent / RATE) ** 2
    singer.sing(0.8, 0.0, (2.0, 1.0))
    again = singer.sing(0.5, 0.0, (2.0, 1.0))[:, 0]
    power = np.abs(np.fft.rfft(again * np.hanning(len(again))))
    assert np.fft.rfftfreq(len(again), 1 / RATE)[np.argmax(power)] == pytest.approx(4000, rel=0.01)


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_several_hops_are_those_one_by_one(scale: float) -> None:
    """Also where birds go on as often as they can: after the shortest syllable and pause, whoever's turn it is."""
    rng, weights = np.random.default_rng(5), SongNetwork(COORDINATES).arrays()
    weights = {name: rng.normal(0, 0.1, array.shape).astype(np.float32) for name, array in weights.items()}
    row = np.zeros(NUMBERS)
    row[LENGTH], row[GAP], row[PEAK], row[OCTAVE] = -9, -9, 0, -1
    mean, spread = row.astype(np.float32), np.full(NUMBERS, scale, np.float32)
    step = SongStep(weights, mean, spread, REGISTER)
    hops = 60 * AT_ONE_GO
    noise = rng.standard_normal((hops, noise_size(COORDINATES))).astype(np.float32)
    latent, heard = np.zeros((1, COORDINATES), np.float32), []
    for at_one_go in (1, AT_ONE_GO):
        run = tf.function(step.__call__)
        state, made, begun = tf.zeros((1, sum(song_state_sizes(COORDINATES)))), [], []
        for first in range(0, hops, at_one_go):
            given = tf.constant(noise[first : first + at_one_go])
            audio, echo, state = run(given, latent, tf.constant([[0.9]]), state)
            made.append(np.concatenate((audio.numpy().T.reshape(at_one_go, -1), echo.numpy()), 1))
            begun.append(state.numpy())
        heard.append((np.concatenate(made), begun[-1]))
    for one, other in zip(*heard, strict=True):
        assert np.abs(one).max() > 0.01
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_what_was_sung_dies_away_in_the_wood() -> None:
    row = the_syllable()
    row[GAP] = np.log2(6.0 / PAUSE_SECONDS)
    singer = Singer(row)
    singer.sing(3.0, 0.0)
    loudest = int(np.argmax(singer.echoes))
    later = loudest + round(0.9 / HOP_SECONDS)
    assert 10 * np.log10(singer.echoes[later] / singer.echoes[loudest]) == pytest.approx(-60, abs=4)


def test_the_step_asks_the_network_that_was_trained() -> None:
    keras.utils.set_random_seed(3)
    network = SongNetwork(COORDINATES)
    mean, spread = np.zeros(NUMBERS, np.float32), np.ones(NUMBERS, np.float32)
    step = SongStep(network.arrays(), mean, spread, REGISTER)
    rng = np.random.default_rng(4)
    sung = rng.standard_normal((BIRDS, BEFORE * NUMBERS)).astype(np.float32)
    coming = rng.standard_normal((BIRDS, NUMBERS)).astype(np.float32)
    latent = rng.standard_normal((1, COORDINATES)).astype(np.float32)
    noise = rng.standard_normal((3, noise_size(COORDINATES))).astype(np.float32)
    until, turn = _until(tf.constant([[4.0]]), 3)
    np.testing.assert_array_equal(until, [[2, 3, 4, 5, 0, 1]])
    assert turn.numpy() == 1
    whose = [4, 5, 0]
    turns, had = np.eye(BIRDS, dtype=np.float32)[whose], (until.numpy() < 3).astype(np.float32)
    nothing = tf.zeros((3, BIRDS))
    moments = _Moments(nothing, nothing, nothing[:1], nothing[:1])
    wander, drawn = step._drawn(turns, had, moments, sung, coming, np.zeros((BIRDS, COORDINATES)), latent, noise)
    assert not wander.numpy()[1:4].any()
    identity = 0.8 * latent + 0.6 * (0.8 * step._own + 0.6 * wander.numpy())[whose]
    wanted = network({"before": sung[whose], "identity": identity, "chance": noise[:, :CHANCE]})
    np.testing.assert_allclose(drawn, ops.convert_to_numpy(wanted), atol=1e-5)
    after, later = _gone_on(turns, had, moments, sung, coming, drawn)
    np.testing.assert_array_equal(after, sung, "none went on")
    np.testing.assert_allclose(later.numpy()[whose], drawn, atol=1e-6)
    np.testing.assert_array_equal(later.numpy()[1:4], coming[1:4], "one bird's turn at a time")
