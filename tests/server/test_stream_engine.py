"""The endless sound of stream voices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from petrichor.clips import decibels
from petrichor.controls import Controls
from petrichor.engine import Engine, open_engine
from petrichor.interpreter import Network
from petrichor.noise import gaussians
from petrichor.stream_engine import StreamEngine, StreamTake
from petrichor.voice_file import Voice

LATENT = np.array([0.5, -0.5, 1.0, 0.0], np.float32)


def opened(voices: dict[str, Voice], rate: int = 48_000) -> Engine:
    return open_engine(voices["stream"], rate, background=True)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_joined_blocks_are_the_whole_at_any_rate(voices: dict[str, Voice], rate: int) -> None:
    now = Controls(LATENT)
    whole = opened(voices, rate).render(now, rate // 2)
    assert whole.shape == (rate // 2, 2)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    assert 0 < np.abs(whole).max() <= 1
    engine, rng, blocks, left = opened(voices, rate), np.random.default_rng(0), [], rate // 2
    while left:
        frames = min(left, int(rng.integers(1, 400)))
        blocks.append(engine.render(now, frames))
        left -= frames
    assert np.array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_hops_made_at_one_go_are_those_made_one_by_one(voices: dict[str, Voice], rate: int) -> None:
    """To the last bit, in blocks of any size, through glides and new seeds; and several are made where they can be."""
    voice = voices["stream"]
    alone = dataclasses.replace(voice, info=dataclasses.replace(voice.info, hops=1))
    engines, rng = [open_engine(each, rate, background=False) for each in (voice, alone)], np.random.default_rng(4)
    sounds: list[list[np.ndarray]] = [[], []]
    for number in range(40):
        now = Controls(LATENT, seed=number // 9, restart=number // 9, intensity=0.3 + 0.5 * (number // 5 % 2))
        frames = int(rng.integers(1, 3000))
        for engine, blocks in zip(engines, sounds, strict=True):
            blocks.append(engine.render(now, frames))
    np.testing.assert_array_equal(*map(np.concatenate, sounds))


def test_several_hops_are_made_at_one_go_where_nothing_moves(
    voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, made, run = opened(voices), [], Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda each, inputs: made.append(each.hops) or run(each, inputs))
    now = Controls(LATENT)
    engine.render(now, 128 * 9)
    assert made == [4, 4, 1]
    made.clear()
    engine.render(dataclasses.replace(now, intensity=0.9), 128 * 200)
    assert made[:8] == [1] * 8, "a glide goes from hop to hop"
    assert made[-1] == 4


def test_hops_follow_the_network_state(voices: dict[str, Voice]) -> None:
    """An independent loop over the network gives the same samples: state, noise and controls reach it as declared."""
    now = Controls(LATENT, seed=3, intensity=0.7)
    sound = opened(voices).render(now, 512)
    network, memory, hops = Network(voices["stream"]), np.zeros((1, 128, 1)), []
    for noise in gaussians(np.random.default_rng([3]), 4 * 128).reshape(4, 1, 128, 1):
        inputs = {
            "noise": noise,
            "latent": LATENT[None],
            "intensity": np.full((1, 1), 0.7, np.float32),
            "state_memory": memory.astype(np.float32),
        }
        outputs = network(inputs)
        memory = outputs["state_memory"]
        hops.append(outputs["audio"][0])
    assert np.allclose(sound, np.concatenate(hops), atol=1e-6)


@pytest.mark.parametrize("glide", [0.0, 0.008, 0.03])
def test_controls_glide_as_the_voice_says(
    voices: dict[str, Voice], glide: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a change of intensity, each hop takes the same share of what is left."""
    voice = voices["stream"]
    voice = dataclasses.replace(voice, info=dataclasses.replace(voice.info, glide=glide))
    hop, given = voice.info.frames, []
    take = StreamTake([network := Network(voice)], 48_000, Controls(LATENT, intensity=0.2))
    run = Network.__call__
    monkeypatch.setattr(
        Network, "__call__", lambda _, inputs: given.append(float(inputs["intensity"][0, 0])) or run(network, inputs)
    )
    for intensity in (0.2, 0.8, 0.8, 0.8):
        take.render(Controls(LATENT, intensity=intensity), hop)
    keep = np.exp(-hop / 48_000 / glide) if glide else 0.0
    assert given == pytest.approx([0.2, *(0.8 - 0.6 * keep**step for step in (1, 2, 3))], abs=1e-5)


def test_seed_and_draw_restart_the_noise(voices: dict[str, Voice]) -> None:
    engine = opened(voices)
    first = engine.render(Controls(LATENT, seed=1), 1280)
    assert not np.allclose(engine.render(Controls(LATENT, seed=1), 1280), first)
    assert not np.allclose(engine.render(Controls(LATENT, seed=1, draw=1), 1280), first)  # a new latent: it goes on
    again = engine.render(Controls(LATENT, seed=1, draw=2, restart=2), 1280)
    assert np.array_equal(again[960:], first[960:])  # once what was heard before has faded
    assert not np.allclose(opened(voices).render(Controls(LATENT, seed=2), 1280), first)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_seed_begins_at_its_sample(voices: dict[str, Voice], rate: int) -> None:
    """Wherever in a hop the seed comes: from there on it is what a new engine would make, and nothing steps."""
    whole = opened(voices, rate).render(Controls(LATENT, seed=5, restart=9), 4000)
    for before in (1, 77, 128, 1001):
        engine = opened(voices, rate)
        sound = engine.render(Controls(LATENT, seed=4), before)
        rest = np.concatenate([engine.render(Controls(LATENT, seed=5, restart=9), 250) for _ in range(16)])
        assert np.array_equal(rest[1000:], whole[1000:])
        assert np.abs(np.diff(np.concatenate([sound, rest]), axis=0)).max() < 3 * np.abs(np.diff(whole, axis=0)).max()


def test_seeds_that_come_too_fast_end_on_the_last(voices: dict[str, Voice]) -> None:
    engine = opened(voices)
    engine.render(Controls(LATENT), 100)
    for seed in range(1, 20):
        engine.render(Controls(LATENT, seed=seed, restart=seed), 64)
    last = Controls(LATENT, seed=19, restart=19)
    sound = engine.render(last, 9600)
    whole = opened(voices).render(last, 9600)
    starts = [n for n in range(1000) if np.array_equal(sound[n + 1000 : n + 3000], whole[1000:3000])]
    assert len(starts) == 1


def test_intensity_is_louder_and_glides(voices: dict[str, Voice]) -> None:
    engine = opened(voices)
    soft = decibels(engine.render(Controls(LATENT, intensity=0.0), 9600))
    first = decibels(engine.render(Controls(LATENT, intensity=1.0), 128))
    engine.render(Controls(LATENT, intensity=1.0), 9600)
    loud = decibels(engine.render(Controls(LATENT, intensity=1.0), 9600))
    assert soft < first < loud - 3
    assert loud > soft + 10


def test_a_hop_that_is_not_finite_is_silent_and_forgotten(
    voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = StreamEngine(voices["stream"], 48_000)
    now = Controls(LATENT)
    engine.render(now, 128)
    for frames in (128, 512):
        lengths = {"audio": frames, "state_memory": 128}
        broken = {name: np.full((1, length, 1), np.nan, np.float32) for name, length in lengths.items()}
        with monkeypatch.context() as patch:
            patch.setattr(Network, "__call__", lambda *_, broken=broken: broken)
            assert not engine.render(now, frames).any()
        assert np.isfinite(engine.render(now, 1280)).all()


def test_stereo_networks_stay_stereo(voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = StreamEngine(voices["stream"], 48_000)
    stereo = np.stack([np.full(128, 0.25), np.full(128, -2.0)], axis=1)[None].astype(np.float32)
    engine.render(Controls(LATENT), 128)
    monkeypatch.setattr(Network, "__call__", lambda _, inputs: {**inputs, "audio": stereo})
    assert engine.render(Controls(LATENT), 1).tolist() == [[0.25, -1.0]]
    engine.close()


def test_latent_of_a_copy_is_not_kept(voices: dict[str, Voice]) -> None:
    """The performer's array may change after the call."""
    latent = LATENT.copy()
    now = dataclasses.replace(Controls(latent))
    engine, other = opened(voices), opened(voices)
    engine.render(now, 128)
    other.render(Controls(LATENT), 128)
    latent[:] = 99
    assert np.array_equal(engine.render(Controls(LATENT), 128), other.render(Controls(LATENT), 128))
