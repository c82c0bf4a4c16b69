"""Several recipes trained for the same number of steps on the same recordings, and held against one another.

Each is prepared, trained and exported by the real command in a process of its own; what is there already is kept, so
that a comparison that was stopped goes on.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from petrichor_training.errors import EvaluationError
from petrichor_training.freshness import fingerprint_of
from petrichor_training.quality.evaluate import EvaluateOptions, evaluate
from petrichor_training.quality.excerpts import read_recordings
from petrichor_training.recipe import load_recipe
from petrichor_training.replacement import replacing

Say = Callable[[str], None]
BRIEF = EvaluateOptions(repetition_seconds=0.0, intensity_seconds=0.0)
TIMES = "times.json"  # seconds of computation by recipe, in the comparison's folder


@dataclass(frozen=True)
class AblationOptions:
    """How much is spent on each recipe.

    Attributes:
        steps: That each is trained for.
        threads: Of the training; 0 = all cores.
        evaluation: How much is listened to.
    """

    steps: int
    threads: int = 0
    evaluation: EvaluateOptions = field(default_factory=lambda: BRIEF)


def ablate(
    recipes: Sequence[str], recordings: Path, out: Path, options: AblationOptions, say: Say = lambda _: None
) -> str:
    """Train and compare recipes; write ``report.html``, ``figures.json`` and ``table.md``.

    Args:
        recipes: Names or paths; figures are taken on the split of the first one's recordings.
        recordings: A folder.
        out: Folder of the comparison, made if need be.
        options: How much is spent on each.
        say: Told what is being done.

    Returns:
        The table, Markdown.

    Raises:
        EvaluationError: Two recipes have one name, or a step failed.
        TrainingError: What preparing or evaluating raises.
    """
    names = [Path(recipe).stem for recipe in recipes]
    if len(set(names)) < len(names):
        raise EvaluationError(f"expected recipes of different names, got {', '.join(names)}")
    out.mkdir(parents=True, exist_ok=True)
    caches = [_cache_of(recipe, recordings, out) for recipe in recipes]
    for name, recipe, cache in zip(names, recipes, caches, strict=True):
        if not _is_trained(out, name, options.steps):
            say(f"{name}: {options.steps} steps")
            _train(name, recipe, recordings, cache, out, options)
    say("listening")
    voices = [out / f"{name}.voice" for name in names]
    figures = evaluate(voices, read_recordings(recordings, caches[0]), out, options.evaluation, say)
    table = as_table(figures["voices"], _times(out))
    with replacing(out / "table.md") as temporary:
        temporary.write_text(table, "utf-8")
    return table


def as_table(voices: dict[str, Any], times: dict[str, Any]) -> str:
    """Return the comparison as a Markdown table.

    Args:
        voices: Figures by name, from `evaluate`.
        times: Steps and seconds by name.
    """
    lines = ["| recipe | texture | Fréchet | diversity | s per 100 steps |", "| --- | --- | --- | --- | --- |"]
    for name, figures in voices.items():
        ratios = " | ".join(
            f"{of['value']:.2f} ({of['low']:.2f}…{of['high']:.2f})" for of in (figures["texture"], figures["frechet"])
        )
        pace = 100 * times[name]["seconds"] / times[name]["steps"]
        lines.append(f"| {name} | {ratios} | {figures['diversity']:.2f} | {pace:.1f} |")
    return "\n".join(lines) + "\n"


def _cache_of(recipe: str, recordings: Path, out: Path) -> Path:
    """Return the cache that a recipe shares with all that prepare the same."""
    return out / "caches" / fingerprint_of(recordings, load_recipe(recipe))[:12]


def _times(out: Path) -> dict[str, Any]:
    try:
        times: dict[str, Any] = json.loads((out / TIMES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return times


def _is_trained(out: Path, name: str, steps: int) -> bool:
    return _times(out).get(name, {}).get("steps") == steps and (out / f"{name}.voice").is_file()


def _train(name: str, recipe: str, recordings: Path, cache: Path, out: Path, options: AblationOptions) -> None:
    run, voice = out / "runs" / name, out / f"{name}.voice"
    limits = ("--steps", options.steps, "--threads", options.threads)
    _command("prepare", "--recipe", recipe, recordings, "--out", cache)
    told = _command("fit", "--recipe", recipe, cache, "--out", run, *limits)
    _command("export", "--quick", "--recipe", recipe, run, "--cache", cache, "--out", voice)
    found = re.search(r"(\d+) steps, .* ([\d.]+) s of computation", told)
    if found is None or int(found[1]) != options.steps:
        raise EvaluationError(f"{name}: expected {options.steps} steps, got: {told.strip()}")
    times = {**_times(out), name: {"steps": options.steps, "seconds": float(found[2])}}
    with replacing(out / TIMES) as temporary:
        temporary.write_text(json.dumps(times, indent=1), "utf-8")


def _command(*arguments: object) -> str:
    command = [sys.executable, "-m", "petrichor_training.command_line", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EvaluationError(f"petrichor-train {' '.join(map(str, arguments))} failed: {done.stderr.strip()[-800:]}")
    return done.stdout
