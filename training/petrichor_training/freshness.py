"""Whether a prepared cache still is what preparing would give."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from petrichor_training.dataset import decides
from petrichor_training.manifest import manifest_of
from petrichor_training.recipe import Recipe
from petrichor_training.recordings import find_recordings
from petrichor_training.streaming.conditions import NAME as CONDITIONS
from petrichor_training.streaming.conditions import VERSION as CONDITIONS_VERSION
from petrichor_training.streaming.syllables import NAME as SONGS
from petrichor_training.streaming.syllables import VERSION as SONGS_VERSION

VERSION = 3  # of what `prepare` does: raised when it would give other windows from the same settings


def fingerprint_of(folder: Path, recipe: Recipe) -> str:
    """Return a hash of everything that decides what a cache holds: settings, file names, contents, manifest.

    Args:
        folder: Recordings.
        recipe: The settings.

    Raises:
        DataError: It is no folder, or holds no audio file.
    """
    settings: dict[str, Any] = {name: dataclasses.asdict(getattr(recipe, name)) for name in decides(recipe)}
    if recipe.streams:
        settings["conditions"] = [CONDITIONS_VERSION, recipe.network.latent_size]
    if recipe.sings:
        settings["songs"] = SONGS_VERSION
    digest = hashlib.sha256(json.dumps([VERSION, recipe.base, settings], sort_keys=True).encode())
    paths = find_recordings(folder)
    manifest = manifest_of(folder)
    for path in [*paths, *([manifest] if manifest else [])]:
        digest.update(f"\0{path.relative_to(folder) if path in paths else path.name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(cache: Path, fingerprint: str, recipe: Recipe) -> bool:
    """Whether a cache folder is whole and has this fingerprint.

    Args:
        cache: What `prepare` may have written.
        fingerprint: Of what is wanted, from `fingerprint_of`.
        recipe: What it is wanted for.
    """
    names = ["train.npy", "validation.npy", "CREDITS.md", "recordings.csv", "recordings.png"]
    names += [CONDITIONS] * recipe.streams + [SONGS] * recipe.sings
    if not all((cache / name).is_file() for name in names):
        return False
    try:
        held = json.loads((cache / "prepared.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get("fingerprint") == fingerprint
