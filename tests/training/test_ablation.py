"""Two tiny recipes, trained and compared by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

pytest.importorskip("tensorflow")

from petrichor.voice_file import read_voice
from petrichor_training.ablation import AblationOptions, ablate, as_table
from petrichor_training.checkpoint import read_progress
from petrichor_training.errors import EvaluationError
from petrichor_training.pace import Pace
from petrichor_training.quality.evaluate import EvaluateOptions
from tests.training.recordings_to_learn import TINY_BIRD, chirp

LITTLE = AblationOptions(5, 1, EvaluateOptions(2, (0.5,), 2, 0.0, 0.0, 2, telling_draws=0))


def test_recipes_are_trained_alike_and_compared(tmp_path: Path) -> None:
    recordings = tmp_path / "in"
    recordings.mkdir()
    for index in range(4):  # each gives one excerpt
        soundfile.write(recordings / f"{index}.wav", chirp(4.2, 16_000, index), 16_000)
    plain, hinge, out = tmp_path / "plain.toml", tmp_path / "hinge.toml", tmp_path / "out"
    tiny = TINY_BIRD.replace("min_clarity_db", "validation_share = 0.5\nmin_clarity_db")
    plain.write_text(tiny)
    hinge.write_text(tiny.replace("[fit]", '[fit]\nloss = "hinge"'))
    said: list[str] = []
    ablate([str(plain)], recordings, out, LITTLE, said.append)
    table = ablate([str(plain), str(hinge)], recordings, out, LITTLE, said.append)
    assert [what for what in said if "steps" in what] == ["plain: 5 steps", "hinge: 5 steps"], "each only once"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == ["plain", "hinge"]
    assert all(float(row[5]) > 0 for row in rows)
    assert all(row[4].endswith(" %") for row in rows)
    runs = {path.name.split("-")[0]: path for path in (out / "runs").iterdir()}
    assert {name: read_progress(path).step for name, path in runs.items()} == {"plain": 5, "hinge": 5}
    assert read_voice(runs["hinge"] / "hinge.voice").info.settings["fit"]["loss"] == "hinge"
    assert len(list((out / "caches").iterdir())) == 1, "they prepare the same"
    assert (out / "table.md").read_text() == table
    assert (out / "report.html").is_file()


def test_what_fails_is_in_the_table() -> None:
    ratio = {"value": 1.5, "low": 1.0, "high": 2.0}
    figures = {"texture": ratio, "frechet": ratio, "diversity": 0.7}
    good = figures | {"copying": {"share": 0.25}}
    table = as_table({"good": good, "resumed": figures}, {"good": Pace(50, 20.0), "resumed": Pace()}, {"bad": "why"})
    assert table.splitlines()[2:] == [
        "| good | 1.50 (1.00…2.00) | 1.50 (1.00…2.00) | 0.70 | 25 % | 40.0 |",
        "| resumed | 1.50 (1.00…2.00) | 1.50 (1.00…2.00) | 0.70 | – | – |",
        "| bad | failed: why | | | | |",
    ]


def test_recipes_that_learn_from_what_others_are_judged_by_are_refused(tmp_path: Path) -> None:
    recordings = tmp_path / "in"
    recordings.mkdir()
    for index in range(6):
        soundfile.write(recordings / f"{index}.wav", chirp(3.0, 16_000, index), 16_000)
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    tiny = TINY_BIRD.replace("min_clarity_db", "validation_share = 0.3\nmin_clarity_db")
    one.write_text(tiny)
    other.write_text(tiny.replace("validation_share", "seed = 5\nvalidation_share"))
    with pytest.raises(EvaluationError, match=r"other learns from .*, by which one is judged"):
        ablate([str(one), str(other)], recordings, tmp_path / "out", LITTLE)


def test_two_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", chirp(1.0, 16_000, 1), 16_000)
    (tmp_path / "bird.toml").write_text(TINY_BIRD)
    with pytest.raises(EvaluationError, match="different names, got bird, bird"):
        ablate(["bird", str(tmp_path / "bird.toml")], tmp_path, tmp_path / "out", LITTLE)
