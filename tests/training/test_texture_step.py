"""A hop of a texture as a graph: left and right, high-passed, and one piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from scipy.signal import ellip, sosfilt, sosfreqz

from petrichor.interpreter import Network
from petrichor.voice_file import read_voice
from petrichor_training.streaming.high_pass import ORDER, RIPPLE_DB, STATE_SIZE, STOP_DB, HighPass
from petrichor_training.streaming.rows import joined
from petrichor_training.streaming.step import (
    BAND_SIZES,
    CHANNELS,
    DROP_SIZES,
    MIDDLE,
    SIDE,
    TextureStep,
    _left_and_right,
    _overlapped,
)
from petrichor_training.streaming.texture_network import TextureGenerator
from petrichor_training.streaming.zones import COUNTS, HOP, RATE, ZONES, waves

VOICES = Path(__file__).parents[2] / "voices"


def test_left_and_right_are_middle_and_side() -> None:
    """Four hops of coefficients, laid over one another by hand: the middle of cosines, the side of sines."""
    rng, hops = np.random.default_rng(2), 4
    given = rng.standard_normal((hops, CHANNELS, 1, sum(BAND_SIZES))).astype(np.float32)
    lasts, made = [[tf.zeros((1, count)) for count in COUNTS] for _ in range(CHANNELS)], []
    for hop in given:
        sounds = []
        for channel, coefficients in enumerate(hop):
            sound, lasts[channel] = _overlapped(tf.constant(coefficients), lasts[channel], sines=bool(channel))
            sounds.append(sound)
        made.append(_left_and_right(tf.concat(sounds, 0))[0].numpy())
    left, right = np.concatenate(made).T
    for channel, gain, sound in ((0, MIDDLE, (left + right) / 2), (1, MIDDLE * SIDE, (left - right) / 2)):
        wanted = np.zeros(hops * HOP + max(zone.size for zone in ZONES))
        for zone, first, size in zip(ZONES, np.cumsum([0, *BAND_SIZES[:-1]]), BAND_SIZES, strict=True):
            blocks = given[:, channel, 0, first : first + size].reshape(-1, zone.count)
            for place, block in enumerate(blocks @ waves(zone)[channel].T):
                start = place * zone.size
                wanted[start : start + 2 * zone.size] += gain * block
        np.testing.assert_allclose(sound, wanted[: hops * HOP], atol=1e-5)


def test_left_and_right_differ_as_outdoors() -> None:
    keras.utils.set_random_seed(1)
    step = TextureStep(TextureGenerator((6, 6, 4, 4), 2).arrays(), (6, 6, 4, 4))
    rng, state, made = np.random.default_rng(3), tf.zeros(step.shapes["state"]), []
    for _ in range(400):
        noise = rng.standard_normal(step.shapes["noise"]).astype(np.float32)
        hop = step.step(tf.constant(noise), tf.zeros((1, 2)), tf.constant([[0.5]]), state)
        state = hop["state"]
        made.append(hop["audio"][0].numpy())
    left, right = np.concatenate(made).T
    assert np.corrcoef(left, right)[0, 1] == pytest.approx((1 - SIDE**2) / (1 + SIDE**2), abs=0.04)
    middle, side = left + right, left - right
    for zone in ZONES:  # also from block to block
        lag = zone.size
        assert abs(np.corrcoef(middle[lag:], side[:-lag])[0, 1]) < 0.03
        assert abs(np.corrcoef(middle[:-lag], side[lag:])[0, 1]) < 0.03


def test_the_drops_have_signs_enough_for_the_side() -> None:
    assert sum(BAND_SIZES) <= 3 * sum(DROP_SIZES)


@pytest.mark.parametrize(("hertz", "error"), [(400.0, 5e-5), (60.0, 1e-3)])
def test_a_hop_is_high_passed_as_a_whole_sound_is(hertz: float, error: float) -> None:
    rng, high_pass = np.random.default_rng(6), HighPass(hertz)
    sound = rng.standard_normal((2, 8 * HOP)).astype(np.float32)
    state, made = tf.zeros((1, STATE_SIZE)), []
    for hop in np.split(sound, 8, axis=1):
        filtered, state = high_pass(tf.constant(hop), state)
        made.append(filtered.numpy())
    sections = ellip(ORDER, RIPPLE_DB, STOP_DB, hertz, "highpass", fs=RATE, output="sos")
    np.testing.assert_allclose(np.concatenate(made, axis=1), sosfilt(sections, sound), atol=error)
    _, gains = sosfreqz(sections, [0.15 * hertz, 0.75 * hertz, 1.05 * hertz, 5000.0], fs=RATE)
    assert np.all(np.abs(gains[:2]) < 1.1e-3)
    assert np.all(np.abs(gains[2:]) > 0.95)


def test_rows_are_joined_in_order() -> None:
    parts = [tf.constant([[float(place)] * (place % 3 + 1)]) for place in range(23)]
    np.testing.assert_array_equal(joined(parts).numpy(), tf.concat(parts, 1).numpy())


@pytest.mark.parametrize("network", ["generator", "hops"])
@pytest.mark.parametrize("name", ["rain", "bird"])
def test_a_hop_is_one_piece(name: str, network: str) -> None:
    """All operations before the delegate and after it are in it: it alone reads inputs and makes outputs."""
    content = getattr(read_voice(VOICES / f"{name}.voice"), network)
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (piece,) = (each for each in interpreter._get_ops_details() if each["op_name"] == "DELEGATE")
    ends = [detail["index"] for detail in interpreter.get_output_details()]
    assert set(ends) == set(piece["outputs"])


@pytest.mark.parametrize("name", ["rain", "bird"])
def test_hops_at_one_go_are_those_one_by_one(name: str) -> None:
    """Of the voices that ship, to the last bit, from silence on, and from where either network left off."""
    voice = read_voice(VOICES / f"{name}.voice")
    one, several = Network(voice), Network(voice, voice.info.hops)
    rng, hops = np.random.default_rng(12), voice.info.hops
    assert hops > 1
    given = {
        "latent": rng.standard_normal(one.inputs["latent"]).astype(np.float32),
        "intensity": np.full((1, 1), 0.9, np.float32),
    }
    states = [np.zeros(one.inputs["state"], np.float32)] * 2
    for _ in range(300):  # 6 s: every bird has sung
        noise = rng.standard_normal(several.inputs["noise"]).astype(np.float32)
        made = several({**given, "noise": noise, "state": states[1]})
        pieces = []
        for now in noise:
            hop = one({**given, "noise": now[None], "state": states[0]})
            states[0] = hop["state"]
            pieces.append(hop["audio"])
        np.testing.assert_array_equal(np.concatenate(pieces, 1), made["audio"])
        np.testing.assert_array_equal(states[0], made["state"])
        states[1] = made["state"]
