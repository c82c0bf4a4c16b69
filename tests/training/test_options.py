"""Every option of the recipes: it trains, and it changes what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_io")

import keras
from keras import ops

from petrichor.inversion import Analysis, Inverter, hann, spectrum
from petrichor_training.backend import open_steps
from petrichor_training.dataset import Dataset, load_dataset
from petrichor_training.fit import fit
from petrichor_training.latents import draw_latents
from petrichor_training.layers import SelfAttention, spectral_layers
from petrichor_training.networks import build_discriminator, build_generator, for_inference
from petrichor_training.played import sound_of
from petrichor_training.prepare import prepare
from petrichor_training.recipe import Recipe, from_table, tomllib
from petrichor_training.run import Run, open_run
from petrichor_training.settings import AnalysisSettings
from petrichor_training.spectrogram_images import image_of
from petrichor_training.views import LogSpectrograms
from tests.training.recordings_to_learn import TINY_BIRD, TINY_RAIN, write_three

Changes = dict[str, dict[str, Any]]


def recipe_of(base: str, changes: Changes) -> Recipe:
    table = tomllib.loads(TINY_BIRD if base == "bird" else TINY_RAIN)
    brief = {"checkpoint_seconds": 1000.0, "epochs": 1} if base == "rain" else {"checkpoint_seconds": 1000.0}
    changes = {**changes, "fit": {**brief, **changes.get("fit", {})}}
    return from_table({**table, **{name: {**table.get(name, {}), **values} for name, values in changes.items()}})


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Changes], Run]:
    """Returns a function that trains a tiny recipe with changes, once, from the same recordings."""
    recordings = {base: write_three(tmp_path_factory.mktemp(base) / "in", base) for base in ("bird", "rain")}

    @lru_cache(maxsize=8)
    def cached(base: str, prepared: str) -> Path:
        del prepared  # recipes that prepare the same share a cache
        return tmp_path_factory.mktemp("cache")

    done: dict[str, Run] = {}

    def train(base: str, changes: Changes) -> Run:
        name = repr((base, changes))
        if name not in done:
            done[name] = train_anew(base, changes)
        return done[name]

    def train_anew(base: str, changes: Changes) -> Run:
        recipe = recipe_of(base, changes)
        cache = cached(base, repr((recipe.prepare, recipe.analysis)))
        prepare(recordings[base], cache, recipe)
        run = open_run(tmp_path_factory.mktemp("run"), recipe, load_dataset(cache, recipe), open_steps())
        fit(run)
        return run

    return train


def slope_from_one(run: Run) -> float:
    """How far the discriminator's slope is from 1 between recordings and fakes, on average."""
    import tensorflow as tf

    real, latents, shares = run.batches(0, 0)[-1]
    fake = ops.convert_to_numpy(run.gan.generator(latents, training=False))
    between = tf.constant(shares[:, None] * real + (1 - shares[:, None]) * fake)
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = run.gan.discriminator(between, training=False)
    lengths = np.linalg.norm(tape.gradient(logits, between).numpy(), axis=1)
    return float(np.mean(np.abs(lengths - 1)))


PLAIN = {"spectral_normalisation": False, "attention_at": 0}
OPTIONS: list[tuple[str, Changes]] = [
    ("bird", {"fit": {"loss": "hinge"}}),
    ("bird", {"fit": {"loss": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 3}}),
    ("bird", {"fit": {"optimizer": "block-adam"}}),
    ("bird", {"fit": {"average": 0.0}}),
    ("bird", {"network": {"latent_size": 3, "truncation": 1.5}}),
    ("bird", {"analysis": {"image": 32, "views": [64, 256]}, "network": {"discriminator": [4, 8]}}),
    ("bird", {"analysis": {"image": 32, "views": [256], "mel": True}, "network": {"discriminator": [4, 8]}}),
    ("rain", {"fit": {"loss": "hinge"}, "analysis": {"mel": True, "log_offset": 1e-9}}),
    ("rain", {"fit": {"loss": "wasserstein", "gradient_penalty": 10.0}, "network": PLAIN}),
    ("rain", {"network": {"attention_at": 0}}),
    ("rain", {"analysis": {"views": [64, 128]}}),
]


@pytest.mark.parametrize(("base", "changes"), OPTIONS, ids=[f"{base}-{changes}" for base, changes in OPTIONS])
def test_it_trains(trained: Callable[[str, Changes], Run], base: str, changes: Changes) -> None:
    """Both networks have moved, to finite weights, and what is exported of them makes clips."""
    run = trained(base, changes)
    keras.utils.set_random_seed(run.recipe.fit.seed)
    fresh = {"generator": build_generator(run.recipe, run.data.frames)}
    build_generator(run.recipe, run.data.frames)
    fresh["discriminator"] = build_discriminator(run.recipe, run.data.frames)
    for name, network in fresh.items():
        for before, after in zip(network.trainable_variables, getattr(run.gan, name).trainable_variables, strict=True):
            assert np.isfinite(after.numpy()).all()
            # Nothing pulls at the last bias where recordings and fakes pull at it alike.
            if after.path != "logit/bias" or run.recipe.fit.loss == "non-saturating":
                assert not np.array_equal(before.numpy(), after.numpy()), after.path
    latents = draw_latents(np.random.default_rng(1), 2, run.recipe.network)
    made = ops.convert_to_numpy(for_inference(run.recipe, run.gan.averaged)(latents, training=False))
    assert np.isfinite(made).all()
    assert not np.array_equal(made[0], made[1])


def test_the_penalty_brings_the_slope_to_one(trained: Callable[[str, Changes], Run]) -> None:
    many = {"loss": "wasserstein", "discriminator_steps": 3, "epochs": 120, "discriminator_rate": 2e-3}
    without = slope_from_one(trained("bird", {"fit": {**many, "sample_every": 120}}))
    kept = slope_from_one(trained("bird", {"fit": {**many, "sample_every": 120, "gradient_penalty": 10.0}}))
    assert kept < 0.35
    assert without > 3 * kept


def test_several_discriminator_steps_move_it_further_and_the_generator_as_often(
    trained: Callable[[str, Changes], Run],
) -> None:
    one, three = (trained("bird", {"fit": {"discriminator_steps": count}}) for count in (1, 3))
    assert int(one.gan.d_optimizer.iterations) == int(one.gan.g_optimizer.iterations) == one.step
    assert int(three.gan.g_optimizer.iterations) == three.step
    assert int(three.gan.d_optimizer.iterations) == 3 * three.step


def test_the_average_can_be_switched_off(trained: Callable[[str, Changes], Run]) -> None:
    gan = trained("bird", {"fit": {"average": 0.0}}).gan
    for slow, fast in zip(gan.averaged.weights, gan.generator.weights, strict=True):
        np.testing.assert_array_equal(slow.numpy(), fast.numpy())


def test_normalised_layers_have_a_largest_singular_value_of_one(trained: Callable[[str, Changes], Run]) -> None:
    def largest(run: Run) -> list[float]:
        kernels = [layer.normalised(training=False) for layer in spectral_layers(run.gan.discriminator)]
        return [np.linalg.norm(np.reshape(kernel, (-1, kernel.shape[-1])), 2) for kernel in map(np.asarray, kernels)]

    assert largest(trained("rain", {})) == pytest.approx([1.0] * 3, abs=0.1)
    assert max(largest(trained("rain", {"network": PLAIN}))) < 0.9


def test_attention_is_where_it_was_asked_for() -> None:
    def places(**network: Any) -> list[tuple[int, ...]]:
        model = build_generator(recipe_of("rain", {"network": network}), 4000)
        return [layer.input.shape[1:3] for layer in model.layers if isinstance(layer, SelfAttention)]

    assert places(attention_at=8) == [(8, 8)]
    assert places(attention_at=16) == [(16, 16)]
    assert places(attention_at=0) == []


@pytest.mark.parametrize("mel", [False, True])
@pytest.mark.parametrize("hertz", [400.0, 1000.0, 6000.0])
def test_a_tone_survives_the_image(hertz: float, mel: bool) -> None:
    """There and back by the published inversion and by the server's: the loudest bin is the tone's."""
    rate, settings = 48_000, AnalysisSettings(mel=mel)
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(24_960) / rate) + 1e-4
    image, low, high = image_of(tone.astype(np.float32), settings, rate)
    analysis = Analysis(2048, 1024, 64, 30, 375, 1025, 1e-7, low, high, rate if mel else 0)
    published = sound_of(image[..., 0], analysis)
    live = Inverter(analysis, 256, 256)(image[..., 0], np.random.default_rng(1))
    # A row of the image is 94 Hz wide; in mel 12 Hz at the bottom and 350 Hz at 6 kHz.
    width = 94.0 if not mel else max(24.0, 0.06 * hertz)
    for sound in (published, live):
        middle = sound[4000:-4000] * np.hanning(len(sound) - 8000)
        found = np.argmax(np.abs(np.fft.rfft(middle))) * rate / len(middle)
        assert found == pytest.approx(hertz, abs=width)


def test_a_smaller_offset_shows_what_is_quieter() -> None:
    """Hiss of a ten-thousandth of the published offset's power, beside a loud tone: cut away, or grey."""
    noise = 1e-6 * np.random.default_rng(1).standard_normal(24_960).astype(np.float32)
    noise[10_000:12_000] += 0.1 * np.sin(np.arange(2000)).astype(np.float32)
    quiet = slice(0, 80)  # rows before the tone
    published, smaller = (
        image_of(noise, AnalysisSettings(log_offset=offset), 48_000)[0][quiet] for offset in (1e-7, 1e-11)
    )
    assert published.std() < 0.005
    assert smaller.std() > 5 * published.std()


def test_views_show_a_drop_at_the_same_time_and_their_own_resolution() -> None:
    """The image itself and both views have a click in the same row; the longer the window, the longer it lasts."""
    settings = AnalysisSettings(views=(256, 4096))
    click = np.zeros(24_000 + 4096 - 64, np.float32)
    click[12_000 + (4096 - 64) // 2] = 0.5
    click += 1e-6 * np.random.default_rng(1).standard_normal(len(click)).astype(np.float32)
    image, _, _ = image_of(click, settings, 48_000)
    assert image.shape == (256, 256, 3)
    levels = image.mean(axis=1) - image.mean(axis=1).min(axis=0)
    centres = (levels * np.arange(256)[:, None]).sum(axis=0) / levels.sum(axis=0)
    assert centres == pytest.approx([128] * 3, abs=1.5)
    lasts = (levels > levels.max(axis=0) / 2).sum(axis=0) * 24_000 / 256
    assert lasts[1] < 400 < lasts[0] < 1200 < lasts[2]


def test_the_birds_discriminator_sees_spectrograms_at_which_gradients_arrive() -> None:
    """Against numpy's own Fourier transform, frame by frame."""
    settings = AnalysisSettings(views=(256, 512), image=64, stride=64)
    layer = LogSpectrograms(settings, 6400, 16_000)
    sound = 0.1 * np.random.default_rng(1).standard_normal((2, 6400)).astype(np.float32)
    images = ops.convert_to_numpy(layer(sound))
    assert images.shape == (2, 64, 64, 2)
    padded = np.pad(sound[1], (256, 256 + 100))
    power = np.abs(spectrum(padded.astype(np.float32), hann(512), 100, 512))[:64] ** 2 / (0.375 * 512)
    # 257 bins as the means of what each of 64 rows covers: on a grid that both fall on
    rows = np.repeat(power, 64, axis=1).reshape(64, 64, 257).mean(axis=2)
    wanted = 1 - np.log(rows + 1e-7) / np.log(1e-7)
    np.testing.assert_allclose(images[1, :, :, 1], wanted, atol=2e-4)
    quiet = ops.convert_to_numpy(layer(np.zeros((1, 6400), np.float32)))
    np.testing.assert_allclose(quiet, 0.0, atol=1e-6)


def test_the_rains_views_are_judged_but_not_heard(trained: Callable[[str, Changes], Run]) -> None:
    run = trained("rain", {"analysis": {"views": [64, 128]}})
    data: Dataset = run.data
    assert data.train.shape[1:] == (32, 32, 3)
    assert run.gan.discriminator.input_shape == (None, 32, 32, 3)
    assert run.gan.generator.output_shape == (None, 32, 32, 3)


def test_only_what_changes_the_cache_asks_for_a_new_one(trained: Callable[[str, Changes], Run]) -> None:
    """A bird's cache is sound: how spectrograms of it are looked at needs no other."""
    bird, rain = trained("bird", {}), trained("rain", {})
    folder = Path(bird.data.train.filename).parent
    other = dataclasses.replace(bird.recipe, analysis=AnalysisSettings(views=(256,)))
    assert load_dataset(folder, other).frames == bird.data.frames
    with pytest.raises(Exception, match=r"analysis\.mel = False"):
        mel = dataclasses.replace(rain.recipe.analysis, mel=True)
        load_dataset(Path(rain.data.train.filename).parent, dataclasses.replace(rain.recipe, analysis=mel))
