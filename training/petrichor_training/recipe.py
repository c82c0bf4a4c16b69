"""Every training setting: typed, checked, and read from TOML files that hold only the differences.

A recipe file names its ``base`` ("bird" or "rain", the two published experiments, or "rain-stream" or "bird-stream",
which never end) and whatever it changes::

    base = "bird"
    [prepare]
    split_seconds = 2.0
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from petrichor_training.errors import RecipeError
from petrichor_training.settings import (
    AnalysisSettings,
    ExportSettings,
    FitSettings,
    NetworkSettings,
    PrepareSettings,
    check,
)
from petrichor_training.streaming.syllables import IDENTITY
from petrichor_training.streaming.zones import RATE as STREAM_RATE
from petrichor_training.streaming.zones import ZONES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BASES = ("bird", "rain", "rain-stream", "bird-stream")
BUILT_IN = ("bird", "bird-published", "rain", "rain-stream", "bird-stream")

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """A complete recipe."""

    base: str
    prepare: PrepareSettings = field(default_factory=PrepareSettings)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    export: ExportSettings = field(default_factory=ExportSettings)

    def __post_init__(self) -> None:
        """Check what more than one section decides."""
        check(self.base in BASES, "base", self.base, " or ".join(f'"{base}"' for base in BASES))
        if self.streams:
            self._check_stream()
        else:
            only = ("fit.crop_seconds", "fit.distance", "fit.adversarial", "network.drops", "network.slow")
            self._check_unused(": only streams have it", *only)
        if self.base == "bird":
            self._check_bird()
        if self.base == "rain":
            self._check_rain()

    def _check_stream(self) -> None:
        fit, network = self.fit, self.network
        check(self.prepare.rate == STREAM_RATE, "prepare.rate", self.prepare.rate, f"{STREAM_RATE} Hz for a stream")
        widths = network.generator
        check(len(widths) == len(ZONES), "network.generator", widths, f"{len(ZONES)} widths for a stream")
        fits = 2 * fit.crop_seconds <= self.prepare.split_seconds
        check(fits, "fit.crop_seconds", fit.crop_seconds, "half of prepare.split_seconds at most")
        unused = ("fit.gradient_penalty", "network.attention_at", "network.spectral_normalisation", "analysis")
        self._check_unused(" for a stream", *unused)
        if self.sings:
            own, size = f"more than {IDENTITY}, which are the birds' own", network.latent_size
            check(size > IDENTITY, "network.latent_size", size, own)
            check(fit.distance > 0, "fit.distance", fit.distance, "more than 0: songs are learned by it alone")

    def _check_bird(self) -> None:
        if not self.analysis.views:
            why = ": a bird without analysis.views has no such layers"
            self._check_unused(why, "analysis.mel", "network.spectral_normalisation")
        self._check_unused(" for a bird", "network.attention_at")

    def _check_rain(self) -> None:
        window, views = self.prepare.split_seconds * self.prepare.rate, self.analysis.views
        check(max((0, *views)) < window, "analysis.views", views, "shorter than a clip")
        size = 4 * 2 ** len(self.network.generator)
        expected = f"as many widths as doublings from 4 to {self.analysis.image} pixels"
        check(size == self.analysis.image, "network.generator", self.network.generator, expected)

    def _check_unused(self, why: str, *names: str) -> None:
        """See that sections, or settings of them, are left as they are by default."""
        for name in names:
            section, _, key = name.partition(".")
            value = getattr(self, section)
            usual = type(value)()
            if key:
                value, usual = getattr(value, key), getattr(usual, key)
            check(value == usual, name, value, f"{usual}{why}")

    @property
    def streams(self) -> bool:
        """Whether its voice makes sound without end, instead of clips."""
        return self.base.endswith("-stream")

    @property
    def sings(self) -> bool:
        """Whether a stream's lines are taken out of its recordings and sung by birds."""
        return self.base == "bird-stream"

    def as_dict(self) -> dict[str, Any]:
        """Every setting as plain JSON types."""
        plain: dict[str, Any] = dataclasses.asdict(self)
        return plain


def _typed(name: str, default: object, value: object) -> object:
    """One TOML value as the type of the default it replaces."""
    if isinstance(default, tuple) and isinstance(value, list):
        kind = str if name.endswith(("leave_out", "keep_apart")) else int
        check(all(type(item) is kind for item in value), name, value, f"a list of {kind.__name__}")
        return tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    check(type(value) is type(default), name, value, f"a value of type {type(default).__name__}")
    return value


def _replaced(section: str, settings: T, changes: object) -> T:
    """The settings with a TOML table's differences."""
    if not isinstance(changes, dict):
        raise RecipeError(section, changes, "a table")
    known = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}  # type: ignore[arg-type]
    for key in changes:
        check(key in known, f"{section}.{key}", key, f"one of {', '.join(known)}")
    typed = {key: _typed(f"{section}.{key}", known[key], value) for key, value in changes.items()}
    return dataclasses.replace(settings, **typed)  # type: ignore[type-var]


def _apply(recipe: Recipe, table: dict[str, Any]) -> Recipe:
    sections = [f.name for f in dataclasses.fields(Recipe) if f.name != "base"]
    for key in table:
        check(key in (*sections, "base"), key, key, f"one of base, {', '.join(sections)}")
    changed = {name: _replaced(name, getattr(recipe, name), table[name]) for name in sections if name in table}
    return dataclasses.replace(recipe, **changed)


def _built_in(name: str) -> dict[str, Any]:
    text = resources.files("petrichor_training").joinpath("recipes", f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two tables of differences as one."""
    merged = {**below, **above}
    for name, section in below.items():
        if isinstance(section, dict) and isinstance(above.get(name), dict):
            merged[name] = {**section, **above[name]}
    return merged


def from_table(table: dict[str, Any]) -> Recipe:
    """A recipe from the differences it holds.

    Args:
        table: What a TOML file holds: ``base`` and tables named after the sections.

    Returns:
        The checked recipe.

    Raises:
        RecipeError: A key is unknown, a type wrong, or a value out of range.
    """
    base = table.get("base")
    check(base in BASES, "base", base, " or ".join(f'"{known}"' for known in BASES))
    return _apply(_bare(str(base)), _merged(_built_in(str(base)), table))


def _bare(base: str) -> Recipe:
    """Defaults that pass the joint check of every base, to be replaced by the recipe's own file."""
    if base.endswith("-stream"):
        prepare = PrepareSettings(rate=STREAM_RATE, split_seconds=4.0)
        return Recipe(base, prepare, network=NetworkSettings(generator=(96, 64, 48, 32)))
    widths = (192, 128, 96, 64, 40, 24) if base == "rain" else NetworkSettings().generator
    return Recipe(base=base, network=NetworkSettings(generator=widths))


def load_recipe(name: str) -> Recipe:
    """A built-in recipe by name, or a TOML file of differences by path.

    Args:
        name: One of `BUILT_IN`, or a path that ends in ``.toml``.

    Returns:
        The checked recipe.

    Raises:
        RecipeError: There is no such recipe, or a setting is wrong.
    """
    if name in BUILT_IN:
        return from_table(_built_in(name))
    path = Path(name)
    check(
        path.suffix == ".toml" and path.is_file(), "recipe", name, f"{', '.join(BUILT_IN)} or the path of a .toml file"
    )
    try:
        return from_table(tomllib.loads(path.read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(str(path), str(error), "a valid TOML file") from error
