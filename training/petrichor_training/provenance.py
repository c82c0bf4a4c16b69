"""What every voice file says of where it comes from: recipe, steps, figures, and which Petrichor wrote it."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from petrichor_training.recipe import Recipe


def origin(recipe: Recipe, steps: int, figures: dict[str, Any]) -> dict[str, Any]:
    """Return those fields of a `VoiceInfo`.

    Args:
        recipe: The settings.
        steps: Training steps taken.
        figures: Measured at export.
    """
    return {
        "recipe": recipe.base,
        "settings": json.loads(json.dumps(recipe.as_dict())),
        "steps": steps,
        "figures": figures,
        "petrichor": installed_version(),
        "commit": source_commit(),
    }


def installed_version() -> str:
    """Petrichor's version, or nothing where it is run from a source tree that was never installed."""
    try:
        return version("petrichor")
    except PackageNotFoundError:
        return ""


def source_commit() -> str:
    """The source tree's commit, or nothing where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
