"""Making single clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from petrichor.clips import CLIP_PEAK, ClipMaker, ClipOrder, decibels, turned
from petrichor.controls import Controls
from petrichor.errors import VoiceFileError
from petrichor.latent import draw, generator
from petrichor.voice_file import Voice


def controls(voice: Voice, **changes: object) -> Controls:
    latent = draw(generator(1), voice.info.latent_size, 1.0)
    return dataclasses.replace(Controls(latent), **changes)


@pytest.fixture(scope="module")
def makers(voices: dict[str, Voice]) -> dict[str, ClipMaker]:
    return {name: ClipMaker(voices[name], 48_000) for name in ("bird", "rain")}


@pytest.mark.parametrize("name", ["bird", "rain"])
def test_clips_are_bounded_and_repeatable(makers: dict[str, ClipMaker], name: str) -> None:
    order = ClipOrder(1, 3, controls(makers[name].voice))
    first, again = makers[name].make(order).sound, makers[name].make(order).sound
    assert first.dtype == np.float32
    assert first.shape[0] == 2
    assert np.array_equal(first, again)
    assert 0 < np.abs(first).max() <= 1.4 * CLIP_PEAK  # panned hard, one side is louder by 3 dB
    later = makers[name].make(ClipOrder(1, 4, order.controls)).sound
    assert later.shape != first.shape or not np.array_equal(first, later)


def test_clips_come_at_the_engine_rate(voices: dict[str, Voice]) -> None:
    order = ClipOrder(0, 0, controls(voices["bird"], spread=0.0))
    lengths = {rate: ClipMaker(voices["bird"], rate).make(order).sound.shape[1] for rate in (16_000, 44_100, 48_000)}
    assert lengths[16_000] == 4_000
    assert lengths[44_100] == pytest.approx(11_025, abs=2)
    assert lengths[48_000] == pytest.approx(12_000, abs=2)


def test_no_spread_repeats_the_clip(makers: dict[str, ClipMaker]) -> None:
    fixed = controls(makers["bird"].voice, spread=0.0)
    mono = [makers["bird"].make(ClipOrder(0, index, fixed)).sound for index in (0, 1, 7)]
    shapes = [sound / np.abs(sound).max(axis=1, keepdims=True) for sound in mono]  # places may differ
    assert np.allclose(shapes[0], shapes[1], atol=1e-5)
    assert np.allclose(shapes[0], shapes[2], atol=1e-5)


def test_layers_stray_differently_and_stand_apart(makers: dict[str, ClipMaker]) -> None:
    wide = controls(makers["rain"].voice)
    left, right = (makers["rain"].make(ClipOrder(layer, 0, wide)).sound for layer in (0, 1))
    assert decibels(left[0]) > decibels(left[1]) + 3
    assert decibels(right[1]) > decibels(right[0]) + 3
    frames = min(left.shape[1], right.shape[1])
    assert abs(np.corrcoef(left[0, :frames], right[1, :frames])[0, 1]) < 0.1


def test_loudness_is_evened_out(makers: dict[str, ClipMaker]) -> None:
    maker = makers["bird"]
    levels, raw = [], []
    for size in (0.4, 0.8, 1.6):
        latent = np.full(8, size, np.float32)
        raw.append(decibels(maker._network({"latent": latent[None]})["audio"][0]))
        levels.append(decibels(maker.make(ClipOrder(0, 0, Controls(latent, 3.0, spread=0.0))).sound))
    assert np.ptp(levels) < 0.6 * np.ptp(raw)


def test_a_clip_that_is_not_finite_is_silent(
    makers: dict[str, ClipMaker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        makers["bird"], "_network", lambda _: {"audio": np.full((1, 4000), np.nan, np.float32)}, raising=True
    )
    assert not makers["bird"].make(ClipOrder(0, 0, controls(makers["bird"].voice))).sound.any()
    assert "not finite" in caplog.text


def test_clips_too_short_to_join_are_refused(voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipMaker, "_sound", lambda *_: np.zeros(100, np.float32))
    with pytest.raises(VoiceFileError, match="expected at least"):
        ClipMaker(voices["bird"], 48_000)


def test_orders_tell_what_is_the_same(voices: dict[str, Voice]) -> None:
    base = controls(voices["bird"])
    order = ClipOrder(0, 2, base)
    near = dataclasses.replace(base, latent=base.latent + np.float32(1e-4))
    far = dataclasses.replace(base, latent=base.latent + np.float32(0.5))
    assert order.same_as(ClipOrder(0, 2, near))
    assert not order.same_as(ClipOrder(0, 2, far))
    assert order.changed_into(ClipOrder(0, 2, far))
    assert not order.same_as(ClipOrder(0, 3, base))
    assert not order.changed_into(ClipOrder(0, 2, dataclasses.replace(base, draw=base.draw + 1)))


def test_a_turned_texture_has_the_same_rows_and_no_step() -> None:
    rng = np.random.default_rng(0)
    image = (0.5 + 0.02 * rng.standard_normal((256, 64)) + np.linspace(0, 0.3, 256)[:, None]).astype(np.float32)
    assert turned(image, 0.0) is image
    other = turned(image, 0.25)
    assert other.shape == image.shape
    assert np.array_equal(np.roll(other, -64, axis=0)[40:-40], image[40:-40])
    steps = np.abs(np.diff(other.reshape(-1, 8, 64).mean(axis=(1, 2))))  # the joint is at row 64
    assert steps.max() < 0.1  # 0.3 without care
