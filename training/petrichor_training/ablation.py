"""Several recipes trained for the same number of steps on the same recordings, and held against one another.

Each is prepared, trained and exported by the real command in a process of its own. What is there already is kept as
long as it is of the same recipe and recordings, so that a comparison that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from petrichor_training.checkpoint import read_progress
from petrichor_training.errors import EvaluationError
from petrichor_training.freshness import fingerprint_of
from petrichor_training.pace import Pace
from petrichor_training.publish import ENVIRONMENT
from petrichor_training.quality.evaluate import EvaluateOptions, evaluate
from petrichor_training.quality.excerpts import read_recordings
from petrichor_training.recipe import load_recipe
from petrichor_training.replacement import replacing

Say = Callable[[str], None]
BRIEF = EvaluateOptions(repetition_seconds=0.0, intensity_seconds=0.0, telling_draws=0)
TENSORFLOWS = ("prepare", "export")  # commands that are TensorFlow's, whatever trains


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

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.steps < 1:
            raise EvaluationError(f"--steps: got {self.steps}, expected 1 or more")


@dataclass(frozen=True)
class Entry:
    """One recipe of a comparison.

    Attributes:
        name: Of its file.
        recipe: As it was named.
        cache: Shared with all that prepare the same.
        run: Of this recipe on these recordings and no other.
        voice: What is exported.
    """

    name: str
    recipe: str
    cache: Path
    run: Path
    voice: Path


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
        The table, Markdown; of recipes that could not be trained it says why.

    Raises:
        EvaluationError: Two recipes have one name, one learns from what another is judged by, or none could be trained.
        TrainingError: What preparing or evaluating raises.
    """
    entries = [_entry(recipe, recordings, out) for recipe in recipes]
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise EvaluationError(f"expected recipes of different names, got {', '.join(names)}")
    for cache, recipe in {entry.cache: entry.recipe for entry in entries}.items():
        _command("prepare", "--recipe", recipe, recordings, "--out", cache)
    _check_splits(entries)
    failures = {}
    for entry in entries:
        try:
            _train(entry, options, say)
        except EvaluationError as error:
            failures[entry.name] = str(error)
            say(f"{entry.name}: {error}")
    trained = [entry for entry in entries if entry.name not in failures]
    if not trained:
        raise EvaluationError(f"no recipe could be trained: {failures}")
    say("listening")
    kept_apart = read_recordings(recordings, entries[0].cache)
    figures = evaluate([entry.voice for entry in trained], kept_apart, out, options.evaluation, say)
    table = as_table(figures["voices"], {entry.name: Pace.of(entry.run) for entry in trained}, failures)
    with replacing(out / "table.md") as temporary:
        temporary.write_text(table, "utf-8")
    return table


def as_table(voices: dict[str, Any], paces: dict[str, Pace], failures: dict[str, str]) -> str:
    """Return the comparison as a Markdown table.

    Args:
        voices: Figures by name, from `evaluate`.
        paces: By name.
        failures: Reasons by name, of recipes that could not be trained.
    """
    lines = [
        "| recipe | texture | Fréchet | diversity | copies | s per 100 steps |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, figures in voices.items():
        ratios = " | ".join(
            f"{of['value']:.2f} ({of['low']:.2f}…{of['high']:.2f})" for of in (figures["texture"], figures["frechet"])
        )
        pace = f"{100 * paces[name].seconds / paces[name].steps:.1f}" if paces[name].steps else "–"
        copies = f"{100 * figures['copying']['share']:.0f} %" if "copying" in figures else "–"
        lines.append(f"| {name} | {ratios} | {figures['diversity']:.2f} | {copies} | {pace} |")
    lines += [f"| {name} | failed: {reason.splitlines()[-1]} | | | | |" for name, reason in failures.items()]
    return "\n".join(lines) + "\n"


def _entry(recipe: str, recordings: Path, out: Path) -> Entry:
    settings, name = load_recipe(recipe), Path(recipe).stem
    prepared = fingerprint_of(recordings, settings)
    whole = hashlib.sha256(json.dumps([prepared, settings.as_dict()], sort_keys=True).encode()).hexdigest()
    run = out / "runs" / f"{name}-{whole[:8]}"
    return Entry(name, recipe, out / "caches" / prepared[:12], run, run / f"{name}.voice")


def _check_splits(entries: Sequence[Entry]) -> None:
    """See that no recipe learns from what all are judged by."""
    judges = _groups(entries[0].cache, validation=True)
    for entry in entries:
        shared = judges & _groups(entry.cache, validation=False)
        if shared:
            reason = f"{entry.name} learns from {', '.join(sorted(shared))}, by which {entries[0].name} is judged"
            raise EvaluationError(f"{reason}: expected recipes that keep the same recordings apart")


def _groups(cache: Path, validation: bool) -> set[str]:
    used = json.loads((cache / "prepared.json").read_text("utf-8"))["used"]
    return {entry["group"] for entry in used if entry["validation"] == validation}


def _train(entry: Entry, options: AblationOptions, say: Say) -> None:
    """Train to the wanted step and export, if that has not been done."""
    done = entry.run / f"exported-{options.steps}"
    if done.is_file() and entry.voice.is_file():
        return
    say(f"{entry.name}: {options.steps} steps")
    limits = ("--steps", options.steps, "--threads", options.threads)
    _command("fit", "--recipe", entry.recipe, entry.cache, "--out", entry.run, *limits)
    progress = read_progress(entry.run)
    if progress is None or progress.step != options.steps:
        got = "no checkpoint" if progress is None else f"{progress.step} steps"
        raise EvaluationError(f"{entry.name}: got {got}, expected {options.steps} steps (fit.epochs may be too few)")
    export = ("--recipe", entry.recipe, entry.run, "--cache", entry.cache, "--out", entry.voice)
    _command("export", "--last", "--no-directions", *export)
    for older in entry.run.glob("exported-*"):
        older.unlink()
    done.touch()


def _command(name: str, *arguments: object) -> None:
    command = [sys.executable, "-m", "petrichor_training.command_line", name, *map(str, arguments)]
    environment = ENVIRONMENT if name in TENSORFLOWS else None
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[-800:]
        raise EvaluationError(f"petrichor-train {name} failed with status {done.returncode}: {said}")
