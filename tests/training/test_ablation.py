"""Two tiny recipes, trained and compared by the real command."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

pytest.importorskip("tensorflow")

from petrichor_training.ablation import AblationOptions, ablate
from petrichor_training.checkpoint import read_progress
from petrichor_training.errors import EvaluationError
from petrichor_training.quality.evaluate import EvaluateOptions
from tests.training.recordings_to_learn import TINY_BIRD, chirp

LITTLE = AblationOptions(5, 1, EvaluateOptions(2, (0.5,), 2, 0.0, 0.0))


def test_recipes_are_trained_alike_and_compared(tmp_path: Path) -> None:
    recordings = tmp_path / "in"
    recordings.mkdir()
    for index in range(4):
        soundfile.write(recordings / f"{index}.wav", chirp(9.0, 16_000, index), 16_000)
    plain, hinge, out = tmp_path / "plain.toml", tmp_path / "hinge.toml", tmp_path / "out"
    tiny = TINY_BIRD.replace("min_clarity_db", "validation_share = 0.3\nmin_clarity_db")
    plain.write_text(tiny)
    hinge.write_text(tiny.replace("[fit]", '[fit]\nloss = "hinge"'))
    said: list[str] = []
    ablate([str(plain)], recordings, out, LITTLE, said.append)
    table = ablate([str(plain), str(hinge)], recordings, out, LITTLE, said.append)
    assert [what for what in said if "steps" in what] == ["plain: 5 steps", "hinge: 5 steps"], "each only once"
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert rows == ["plain", "hinge"]
    assert [read_progress(out / "runs" / name).step for name in rows] == [5, 5]
    assert len(list((out / "caches").iterdir())) == 1, "they prepare the same"
    assert (out / "table.md").read_text() == table
    assert (out / "report.html").is_file()


def test_two_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="different names, got bird, bird"):
        ablate(["bird", str(tmp_path / "bird.toml")], tmp_path, tmp_path / "out", LITTLE)
