"""What is rendered of a voice for which figure, and what is told of it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from petrichor.voice_file import read_voice
from petrichor_training.errors import EvaluationError
from petrichor_training.quality import evaluate as evaluation
from petrichor_training.quality import excerpts, intensity
from petrichor_training.quality.copying import loud_levels
from petrichor_training.quality.evaluate import EvaluateOptions, evaluate
from petrichor_training.quality.excerpts import Excerpt, Recordings
from petrichor_training.quality.intensity import STEPS
from petrichor_training.quality.logmel import RATE
from petrichor_training.quality.report import as_text
from tests.training.test_quality import rain

LITTLE = EvaluateOptions(2, (0.3, 0.7), 2, 3.0, 1.0, copying_seeds=2, telling_draws=0)
NOTHING_MORE = EvaluateOptions(2, (0.5,), 2, 0.0, 0.0, 0, 0)
SHIPPED = Path(__file__).parents[2] / "voices" / "bird.voice"
Played = tuple[str, float, int, float]  # voice, seconds, seed, intensity


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    found = Recordings()
    for number, drops in enumerate((10, 20, 40, 80)):
        side = found.validation if number % 2 else found.train
        side.append(Excerpt(rain(4.0, drops, 1.0, number), f"kind {number}", ""))
    found.learned = [loud_levels(excerpt.sound) for excerpt in found.train]
    return found


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Played]:
    """What is rendered: rain that falls the harder the higher the intensity is."""
    found: list[Played] = []

    def render(voice: Path, seconds: float, seed: int, at: float) -> np.ndarray:
        found.append((voice.stem, seconds, seed, at))
        return rain(seconds, 50 * 40**at, 1.0, seed)

    for module in (evaluation, excerpts, intensity):
        monkeypatch.setattr(module, "render", render)
    return found


def test_each_figure_is_of_what_it_says(
    tmp_path: Path, recordings: Recordings, played: list[Played], voice_paths: dict[str, Path]
) -> None:
    figures = evaluate([voice_paths["stream"], voice_paths["bird"]], recordings, tmp_path, LITTLE)
    for name, alone in (("stream", (0.3, 0.7)), ("bird", (0.0, 0.0))):  # copies: clips stand alone at no intensity
        wanted = [(name, 4.0, 1, 0.3), (name, 4.0, 2, 0.7), (name, 3.0, 1, 0.7)]
        wanted += [(name, 1.0, 1, step) for step in STEPS]
        wanted += [(name, 4.0, seed, at) for seed, at in zip((1, 2), alone, strict=True)]
        assert [each for each in played if each[0] == name] == wanted
        found = figures["voices"][name]
        assert found["intensity"]["rank_correlation"]["events_per_second"] > 0.9
        assert found["intensity"]["rank_correlation"]["loudness_db"] > 0.9
        assert found["repetition"]["share"] == 0.0 < found["repetition"]["highest"] < 0.9
        assert found["copying"]["stretches"] > 0
    assert json.loads((tmp_path / "figures.json").read_text()) == json.loads(json.dumps(figures))
    page, table = (tmp_path / "report.html").read_text(), as_text(figures)
    assert all(name in page and name in table for name in ("stream", "bird", "kept apart"))


def test_voice_and_recordings_are_told_from_those_kept_apart(
    tmp_path: Path, recordings: Recordings, played: list[Played], voice_paths: dict[str, Path], monkeypatch: Any
) -> None:
    telling = pytest.importorskip("petrichor_training.quality.telling")
    asked: list[Any] = []

    class Jury:
        def __init__(self, apart: list[Excerpt], draws: int) -> None:
            asked.append((apart, draws))

        def told(self, excerpts: list[Excerpt]) -> Any:
            asked.append({excerpt.origin for excerpt in excerpts})
            return telling.Told(0.1 * len(asked), 0.0, 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(telling, "Jury", Jury)
        options = dataclasses.replace(NOTHING_MORE, telling_draws=7)
        figures = evaluate([voice_paths["stream"]], recordings, tmp_path, options)
    assert asked == [(recordings.validation, 7), {"kind 0", "kind 2"}, {"seed 1", "seed 2"}]
    assert figures["recordings"]["telling"]["value"] == pytest.approx(0.2)
    assert figures["voices"]["stream"]["telling"]["value"] == pytest.approx(0.3)
    assert "0.30" in as_text(figures)
    said: list[str] = []
    few = evaluate([voice_paths["stream"]], recordings, tmp_path, options, said.append)
    assert "telling" not in few["recordings"] and any("too few" in each for each in said)


def test_nothing_is_rendered_for_what_is_not_asked_for(
    tmp_path: Path, recordings: Recordings, played: list[Played], voice_paths: dict[str, Path]
) -> None:
    figures = evaluate([voice_paths["stream"]], recordings, tmp_path, NOTHING_MORE)
    assert len(played) == 2
    assert not {"repetition", "intensity", "copying", "telling"} & set(figures["voices"]["stream"])


def test_two_voices_of_one_name_are_refused(
    tmp_path: Path, recordings: Recordings, played: list[Played], voice_paths: dict[str, Path]
) -> None:
    with pytest.raises(EvaluationError, match="different names, got bird, bird"):
        evaluate([voice_paths["bird"], SHIPPED], recordings, tmp_path, LITTLE)
    assert not played


def test_a_voice_that_has_learned_from_what_it_is_judged_by_is_told(
    tmp_path: Path, recordings: Recordings, played: list[Played], voice_paths: dict[str, Path]
) -> None:
    line = next(line for line in read_voice(SHIPPED).credits.splitlines() if line.startswith("- "))
    known = Recordings(recordings.train, recordings.validation, apart=[line, "- nobody's"])
    said: list[str] = []
    evaluate([SHIPPED, voice_paths["stream"]], known, tmp_path, NOTHING_MORE, said.append)
    assert [each for each in said if "judged by" in each] == [f"bird has learned from what it is judged by: {line}"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seeds": 1}, "--seeds: got 1"),
        ({"excerpts": -5}, "--excerpts: got -5"),
        ({"intensities": (1.5,)}, "--intensities: got"),
        ({"repetition_seconds": 1.5}, "--minutes: got 0.025"),
        ({"intensity_seconds": 0.5}, "--intensity-seconds: got 0.5"),
        ({"copying_seeds": 1}, "--copying-seeds: got 1"),
        ({"telling_draws": -1}, "--telling-draws: got -1"),
    ],
)
def test_impossible_options_are_refused(settings: dict[str, float], told: str) -> None:
    with pytest.raises(EvaluationError, match=f"{told}.*expected"):
        EvaluateOptions(**settings)  # type: ignore[arg-type]


def test_a_voice_is_heard_with_both_ears_once_it_has_begun(tmp_path: Path) -> None:
    out = tmp_path / "both.wav"
    command = [sys.executable, "-m", "petrichor", "render", SHIPPED, out, "--rate", RATE, "--seconds", 2, "--seed", 3]
    subprocess.run([*map(str, command), "--intensity", "0.5"], check=True, capture_output=True)
    sound, _ = soundfile.read(out, dtype="float32")
    assert np.abs(sound[:, 0] - sound[:, 1]).max() > 0.01
    np.testing.assert_array_equal(excerpts.render(SHIPPED, 1.0, 3, 0.5), sound[RATE:].mean(axis=1))
