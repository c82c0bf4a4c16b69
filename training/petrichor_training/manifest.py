"""What a MANIFEST.csv beside the recordings says about them, and the credits that follow from it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from petrichor_training.errors import DataError


@dataclass(frozen=True)
class Source:
    """One recording's entry."""

    name: str  # path relative to the manifest, or the file's name
    group: str  # recordings of one group never fall into both splits
    title: str = ""
    author: str = ""
    licence: str = ""
    url: str = ""
    bandwidth_hz: float | None = None


def manifest_of(folder: Path) -> Path | None:
    """MANIFEST.csv in the folder or, for one class of a collection, above it."""
    for place in (folder, *folder.resolve().parents[:2]):
        if (place / "MANIFEST.csv").is_file():
            return place / "MANIFEST.csv"
    return None


def _source(row: dict[str, str], path: Path) -> Source:
    try:
        bandwidth = float(row["bandwidth_hz"]) if row.get("bandwidth_hz") else None
    except ValueError as error:
        raise DataError(
            path, f"bandwidth_hz of {row['path']}: expected a number, got {row['bandwidth_hz']!r}"
        ) from error
    texts = {key: row.get(key) or "" for key in ("title", "author", "licence", "url")}
    return Source(row["path"], row.get("group") or row["path"], bandwidth_hz=bandwidth, **texts)


def read_manifest(folder: Path) -> dict[Path, Source]:
    """Entries by resolved path of the recording; empty where there is no manifest.

    Args:
        folder: The folder of recordings, or one below the manifest's.

    Returns:
        Sources by path.

    Raises:
        DataError: The manifest has no ``path`` column or a figure is no number.
    """
    path = manifest_of(folder)
    if path is None:
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if "path" not in (reader.fieldnames or ()):
            raise DataError(path, f"expected a column named path, got {reader.fieldnames}")
        return {(path.parent / row["path"]).resolve(): _source(row, path) for row in reader}


def source_of(path: Path, folder: Path, manifest: dict[Path, Source]) -> Source:
    """The entry of a recording; where there is none, it is a source of its own, named by its place in the folder.

    Args:
        path: Of the recording.
        folder: It was found in, at whatever depth.
        manifest: From `read_manifest`.
    """
    name = str(path.relative_to(folder))
    return manifest.get(path.resolve(), Source(name, name))


def credits_of(sources: Iterable[Source]) -> str:
    """CREDITS.md of the recordings really used.

    Args:
        sources: Their entries.

    Returns:
        Markdown: one line per recording.
    """
    lines = ["# Credits", "", "This voice was trained on:", ""]
    lines += [credit_of(source) for source in sorted(sources, key=lambda source: source.name)]
    return "\n".join(lines) + "\n"


def credit_of(source: Source) -> str:
    """Return the line of a recording in CREDITS.md."""
    parts = [f'"{source.title}"' if source.title else f"`{source.name}`"]
    parts += [f"by {source.author}"] if source.author else []
    parts += [source.licence] if source.licence else ["licence unknown"]
    parts += [f"<{source.url}>"] if source.url else []
    return "- " + ", ".join(parts)
