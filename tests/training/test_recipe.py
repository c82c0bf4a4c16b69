from __future__ import annotations

import pytest

from petrichor_training.errors import RecipeError
from petrichor_training.recipe import BUILT_IN, Recipe, from_table, load_recipe


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_recipes_are_complete(name: str) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, Recipe)
    assert recipe.base == name.removesuffix("-published")


def test_the_published_figures() -> None:
    bird, rain = load_recipe("bird-published"), load_recipe("rain")
    assert (bird.network.latent_size, bird.network.generator) == (500, (256, 512, 1024))
    assert bird.network.discriminator == (1024, 512, 1024)
    assert (bird.fit.generator_rate, bird.fit.discriminator_rate, bird.fit.beta_1) == (2e-4, 1e-3, 0.5)
    assert (bird.fit.batch, bird.fit.epochs, bird.fit.optimizer) == (32, 250, "adam")
    assert (rain.network.latent_size, rain.network.truncation, rain.fit.epochs) == (256, 3.0, 300)
    assert (rain.analysis.nfft, rain.analysis.window, rain.analysis.stride) == (2048, 1024, 64)
    assert (rain.prepare.rate, rain.prepare.split_seconds, rain.analysis.log_offset) == (48000, 0.5, 1e-7)


def test_a_file_holds_only_differences(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text('base = "bird"\n[fit]\nepochs = 3\n')
    recipe, published = load_recipe(str(tmp_path / "mine.toml")), load_recipe("bird")
    assert recipe.fit.epochs == 3
    assert recipe.fit.optimizer == published.fit.optimizer
    assert recipe.prepare == published.prepare


@pytest.mark.parametrize(
    ("table", "setting", "expected"),
    [
        ({}, "base", "bird"),
        ({"base": "bird", "fitt": {}}, "fitt", "prepare"),
        ({"base": "bird", "fit": {"epoch": 3}}, "fit.epoch", "epochs"),
        ({"base": "bird", "fit": {"epochs": "many"}}, "fit.epochs", "int"),
        ({"base": "bird", "fit": {"epochs": True}}, "fit.epochs", "int"),
        ({"base": "bird", "fit": {"epochs": 0}}, "fit.epochs", "at least 1"),
        ({"base": "bird", "fit": 3}, "fit", "a table"),
        ({"base": "bird", "fit": {"loss": "least-squares"}}, "fit.loss", "hinge"),
        ({"base": "bird", "network": {"generator": [0]}}, "network.generator", "positive"),
        ({"base": "bird", "network": {"generator": [1.5]}}, "network.generator", "list of int"),
        ({"base": "rain", "network": {"generator": [8, 8]}}, "network.generator", "doublings"),
        ({"base": "rain-stream", "network": {"generator": [8, 8]}}, "network.generator", "4 widths"),
        ({"base": "rain-stream", "prepare": {"rate": 44100}}, "prepare.rate", "48000 Hz"),
        ({"base": "rain-stream", "fit": {"crop_seconds": 3.0}}, "fit.crop_seconds", "half of"),
        ({"base": "rain-stream", "fit": {"gradient_penalty": 1.0}}, "fit.gradient_penalty", "0.0 for a stream"),
        ({"base": "rain-stream", "network": {"attention_at": 8}}, "network.attention_at", "0 for a stream"),
        ({"base": "rain-stream", "analysis": {"mel": True}}, "analysis", "for a stream"),
        ({"base": "rain-stream", "fit": {"distance": 0.0, "adversarial": 0.0}}, "fit.distance", "more than 0"),
        ({"base": "bird-stream", "fit": {"distance": 0.0}}, "fit.distance", "songs are learned by it alone"),
        ({"base": "bird", "network": {"drops": False}}, "network.drops", "only streams have it"),
        ({"base": "rain", "fit": {"decay": 2.0}}, "fit.decay", "0 to 1"),
    ],
)
def test_what_is_wrong_is_said(table, setting, expected) -> None:
    with pytest.raises(RecipeError) as caught:
        from_table(table)
    assert caught.value.setting == setting
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["wind", "missing.toml"])
def test_no_such_recipe(name: str) -> None:
    with pytest.raises(RecipeError, match=r"got '.*', expected bird"):
        load_recipe(name)


def test_broken_toml(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text("base = ")
    with pytest.raises(RecipeError, match="valid TOML"):
        load_recipe(str(tmp_path / "mine.toml"))
