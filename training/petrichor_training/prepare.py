"""From a folder of recordings to a cache of training windows.

The cache folder holds ``train.npy``, ``validation.npy``, ``prepared.json`` (what was used, what was left out
and why) and ``CREDITS.md``. ``prepared.json`` is written last: without it a cache does not count.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from petrichor_training.errors import DataError
from petrichor_training.manifest import Source, credits_of, read_manifest
from petrichor_training.recipe import PrepareSettings, Recipe
from petrichor_training.recordings import clarity_db, find_recordings, level, read_recording

log = logging.getLogger(__name__)

Progress = Callable[[Iterable[Path]], Iterable[Path]]


@dataclass
class Gathered:
    """Windows found so far."""

    windows: list[np.ndarray] = field(default_factory=list)  # one array [count, frames] per recording
    sources: list[Source] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def split_chunks(audio: np.ndarray, rate: int, seconds: float) -> list[np.ndarray]:
    """Cut a recording into equal chunks by the published rule.

    Args:
        audio: Shape [frames].
        rate: Hz.
        seconds: Chunk length asked for; a file of s seconds gives floor(s / seconds) chunks.

    Returns:
        Chunks of floor(frames / n) samples each; none if the recording is shorter than `seconds`.
    """
    count = int(len(audio) / rate // seconds)
    length = len(audio) // count if count else 0
    return [audio[i * length : (i + 1) * length] for i in range(count)]


def hop_windows(
    audio: np.ndarray, settings: PrepareSettings, context: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Overlapping windows whose starts stray by up to half a hop.

    Args:
        audio: Shape [frames].
        settings: Rate, window and hop.
        context: Samples after each window that its last analysis frames reach into.
        rng: Draws the strays.

    Returns:
        Windows of equal length; none if the recording is too short.
    """
    length = round(settings.split_seconds * settings.rate) + context
    hop = round(settings.hop_seconds * settings.rate)
    last = len(audio) - length
    if last < 0:
        return []
    starts = np.arange(0, last + 1, hop)
    starts = np.clip(starts + rng.integers(-(hop // 2), hop // 2 + 1, len(starts)), 0, last)
    return [audio[start : start + length] for start in starts]


def _refusal(path: Path, source: Source, settings: PrepareSettings) -> str | None:
    """Why a recording is left out unread, if it is."""
    for part in settings.leave_out:
        if part in str(path):
            return f"named in leave_out ({part})"
    if source.bandwidth_hz is not None and source.bandwidth_hz < settings.min_bandwidth_hz:
        return f"bandwidth {source.bandwidth_hz:.0f} Hz, expected at least {settings.min_bandwidth_hz:.0f} Hz"
    return None


def context_of(recipe: Recipe) -> int:
    """Samples after a window that its last spectrogram frames reach into; none for waveforms."""
    return recipe.analysis.window - recipe.analysis.stride if recipe.base == "rain" else 0


def _windows_of(path: Path, settings: PrepareSettings, context: int, rng: np.random.Generator) -> np.ndarray:
    audio = read_recording(path, settings.rate, settings.high_pass_hz)
    if settings.window == "split":
        windows = split_chunks(audio, settings.rate, settings.split_seconds)
    else:
        windows = hop_windows(audio, settings, context, rng)
    if not windows:
        seconds = len(audio) / settings.rate
        raise DataError(path, f"{seconds:.2f} s long, expected at least {settings.split_seconds:g} s")
    kept = np.stack(windows)
    heard = np.sqrt(np.mean(np.square(kept), axis=1)) > 1e-5  # digital silence cannot be brought to level
    if not np.any(heard):
        raise DataError(path, "only silent windows")
    return _clear(path, kept[heard], settings.min_clarity_db)


def _clear(path: Path, windows: np.ndarray, min_clarity_db: float) -> np.ndarray:
    """The windows in which something stands out."""
    if min_clarity_db <= 0:
        return windows
    clarity = clarity_db(windows)
    if not np.any(clarity >= min_clarity_db):
        raise DataError(path, f"clarity at most {np.max(clarity):.1f} dB, expected at least {min_clarity_db:.1f} dB")
    return windows[clarity >= min_clarity_db]


def gather(
    folder: Path, settings: PrepareSettings, context: int = 0, progress: Progress = lambda paths: paths
) -> Gathered:
    """Windows of every usable recording below a folder.

    Args:
        folder: Recordings.
        settings: How they become windows.
        context: See `hop_windows`.
        progress: Wraps the iteration over files, e.g. with a progress bar.

    Returns:
        Windows, where they came from, and what was left out and why.

    Raises:
        DataError: Nothing was usable.
    """
    manifest, found, rng = read_manifest(folder), Gathered(), np.random.default_rng(settings.seed)
    for path in progress(find_recordings(folder)):
        name = str(path.relative_to(folder))
        source = manifest.get(path.resolve(), Source(name, name))
        reason = _refusal(path, source, settings)
        try:
            if reason is None:
                found.windows.append(_windows_of(path, settings, context, rng))
                found.sources.append(source)
                continue
        except DataError as error:
            reason = error.reason
        log.warning("left out %s: %s", name, reason)
        found.left_out[name] = reason
    if not found.windows:
        raise DataError(folder, f"no usable recording among {len(found.left_out)}; {found.left_out}")
    return found


def validation_groups(found: Gathered, share: float, seed: int) -> set[str]:
    """Groups to keep apart: about `share` of the windows, never the only group.

    Args:
        found: Windows and their sources.
        share: 0 to below 1.
        seed: Of the draw.

    Returns:
        Names of groups.
    """
    counts: dict[str, int] = {}
    for source, windows in zip(found.sources, found.windows, strict=True):
        counts[source.group] = counts.get(source.group, 0) + len(windows)
    wanted, chosen, taken = share * sum(counts.values()), set[str](), 0
    for group in np.random.default_rng(seed).permutation(sorted(counts)):
        if taken + counts[group] <= wanted * 1.2 and len(chosen) + 1 < len(counts):
            chosen.add(str(group))
            taken += counts[group]
    return chosen


def _to_images(windows: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Windows as 8-bit images, with the log range of each. Shape [count, image, image], [count, 2]."""
    from petrichor_training.spectrogram_images import image_of  # noqa: PLC0415  (TensorFlow, only for rain)

    images = np.empty((len(windows), recipe.analysis.image, recipe.analysis.image), np.uint8)
    ranges = np.empty((len(windows), 2))
    for index, window in enumerate(windows):
        image, low, high = image_of(window, recipe.analysis)
        images[index], ranges[index] = np.rint(image * 255), (low, high)
    return images, ranges


def prepare(folder: Path, out: Path, recipe: Recipe, progress: Progress = lambda paths: paths) -> dict[str, Any]:
    """Write the cache of a folder of recordings.

    Args:
        folder: Recordings of any rate and number of channels, with or without a MANIFEST.csv.
        out: Cache folder, made if need be.
        recipe: The settings.
        progress: Wraps the iteration over files.

    Returns:
        What ``prepared.json`` holds.

    Raises:
        DataError: Nothing was usable.
    """
    found = gather(folder, recipe.prepare, context_of(recipe), progress)
    apart = validation_groups(found, recipe.prepare.validation_share, recipe.prepare.seed)
    length = min(windows.shape[1] for windows in found.windows)
    out.mkdir(parents=True, exist_ok=True)
    (out / "prepared.json").unlink(missing_ok=True)
    summary: dict[str, Any] = {
        "base": recipe.base,
        "prepare": dataclasses.asdict(recipe.prepare),
        "analysis": dataclasses.asdict(recipe.analysis),
        "frames": length - context_of(recipe),
        "left_out": found.left_out,
        "used": [
            {"name": source.name, "group": source.group, "windows": len(windows), "validation": source.group in apart}
            for source, windows in zip(found.sources, found.windows, strict=True)
        ],
    }
    for split in ("train", "validation"):
        summary[split] = _write_split(out, split, found, apart, length, recipe, summary)
    used = [source for source in found.sources if source.group not in apart]
    (out / "CREDITS.md").write_text(credits_of(used), "utf-8")
    temporary = out / ".prepared.json"
    temporary.write_text(json.dumps(summary, indent=1), "utf-8")
    os.replace(temporary, out / "prepared.json")
    return summary


def _write_split(
    out: Path, split: str, found: Gathered, apart: set[str], length: int, recipe: Recipe, summary: dict[str, Any]
) -> int:
    """Write one split's array; returns the number of windows."""
    pairs = zip(found.sources, found.windows, strict=True)
    kept = [windows[:, :length] for source, windows in pairs if (source.group in apart) == (split == "validation")]
    windows = np.concatenate(kept) if kept else np.zeros((0, length), np.float32)
    windows = level(windows, recipe.prepare.level_db) if len(windows) else windows
    if recipe.base == "rain":
        windows, ranges = _to_images(windows, recipe)
        if split == "train":
            summary["log_min"], summary["log_max"] = (float(value) for value in np.median(ranges, axis=0))
    np.save(out / f"{split}.npy", windows)
    return len(windows)
