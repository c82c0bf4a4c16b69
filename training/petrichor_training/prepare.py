"""From a folder of recordings to a cache of training windows.

The cache folder holds ``train.npy``, ``validation.npy``, ``prepared.json`` (what was used, what was left out and why),
for streams ``conditions.npz``, for those that sing ``songs.npz``, ``CREDITS.md`` and, for people, ``recordings.csv``
and ``recordings.png``. ``prepared.json`` is written last: without it a cache does not count. Where nothing has changed
since, nothing is done again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from petrichor_training.duplicates import Known
from petrichor_training.errors import DataError, RecipeError, WindowError
from petrichor_training.freshness import fingerprint_of, is_fresh
from petrichor_training.inspection import Inspection, inspect
from petrichor_training.manifest import Source, credits_of, read_manifest, source_of
from petrichor_training.quality.character import loudness_db
from petrichor_training.recipe import Recipe
from petrichor_training.recordings import (
    Conditioning,
    Progress,
    conditioned,
    find_recordings,
    is_silent,
    level,
    loudest_channel,
    open_recording,
)
from petrichor_training.replacement import replacing
from petrichor_training.settings import PrepareSettings
from petrichor_training.streaming.conditions import conditions_of
from petrichor_training.streaming.lines import taken_apart
from petrichor_training.streaming.syllables import IDENTITY, birds_of, songs_of
from petrichor_training.survey import Entry, Glimpse, draw_sheet, glimpse, write_table
from petrichor_training.windows import windows_of

log = logging.getLogger(__name__)


@dataclass
class Gathered:
    """Windows found so far, and every file that was looked at.

    Attributes:
        windows: One array per used recording, Shape [count, frames].
        birds: What the birds of each sing, where that is wanted: see `syllables.birds_of`.
        sources: Of the used recordings.
        entries: Of all files.
        glimpses: Of all files that could be read.
    """

    windows: list[np.ndarray] = field(default_factory=list)
    birds: list[list[np.ndarray]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    glimpses: list[Glimpse] = field(default_factory=list)

    @property
    def left_out(self) -> dict[str, str]:
        """Reasons by file name."""
        return {entry.name: entry.reason for entry in self.entries if entry.reason}


def context_of(recipe: Recipe) -> int:
    """Samples after a window that its last spectrogram frames reach into; none for waveforms."""
    if recipe.base != "rain":
        return 0
    return max((recipe.analysis.window, *recipe.analysis.views)) - recipe.analysis.stride


def _refusal(name: str, source: Source, found: Inspection, settings: PrepareSettings) -> str | None:
    """Why a recording that can be read is left out, if it is."""
    for part in settings.leave_out:
        if part in name:
            return f"named in leave_out ({part})"
    bandwidth = source.bandwidth_hz if source.bandwidth_hz is not None else found.bandwidth_hz
    if bandwidth < settings.min_bandwidth_hz:
        return f"bandwidth {bandwidth:.0f} Hz, expected at least {settings.min_bandwidth_hz:.0f} Hz"
    if found.clipped > settings.max_clipped:
        return f"{100 * found.clipped:.2f} % clipped, expected at most {100 * settings.max_clipped:.2f} %"
    return None


class _Gatherer:
    """Goes through the files, one after the other."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder, self.settings, self.context = folder, recipe.prepare, context_of(recipe)
        self.sings = recipe.sings
        self.manifest = read_manifest(folder)
        self.rng = np.random.default_rng(recipe.prepare.seed)
        self.known = Known()
        self.found = Gathered()

    def look_at(self, path: Path) -> None:
        """Use a file, or note why not."""
        name = str(path.relative_to(self.folder))
        source = source_of(path, self.folder, self.manifest)
        inspection, windows = None, 0
        try:
            audio, rate = open_recording(path)
            inspection, mono = inspect(audio, rate), loudest_channel(audio)
            self.found.glimpses.append(glimpse(name, mono, rate))
            reason = _refusal(name, source, inspection, self.settings) or self._duplicate(name, mono, rate)
            if reason is None:
                windows = self._use(source, audio, rate)
        except DataError as error:
            reason = error.reason
        except WindowError as error:
            reason = str(error)
            self.known.forget(name)  # a longer copy of it may be of use
        if reason is not None:
            log.warning("left out %s: %s", name, reason)
        self.found.entries.append(Entry(name, source.group, inspection, windows, reason or ""))

    def _duplicate(self, name: str, mono: np.ndarray, rate: int) -> str | None:
        if not self.settings.leave_out_duplicates:
            return None
        same = self.known.add(name, mono, rate)
        return f"the same recording as {same[0]} (correlation {same[1]:.2f})" if same else None

    def _use(self, source: Source, audio: np.ndarray, rate: int) -> int:
        settings = self.settings
        mono = conditioned(audio, rate, Conditioning(settings.rate, settings.high_pass_hz, settings.denoise))
        if is_silent(mono):
            raise WindowError("is silent")
        birds: list[np.ndarray] = []
        if self.sings:
            lines, mono = taken_apart(mono)
            birds = birds_of(lines, loudness_db(mono))
        try:
            windows = windows_of(mono, settings, self.context, self.rng)
        except WindowError:
            if not birds or len(mono) >= settings.split_seconds * settings.rate:
                raise
            # Too short for what is around the birds; what they sing counts all the same.
            windows = np.zeros((0, round(settings.split_seconds * settings.rate) + self.context), np.float32)
        self.found.windows.append(windows)
        self.found.birds.append(birds)
        self.found.sources.append(source)
        return len(windows)


def gather(folder: Path, recipe: Recipe, progress: Progress = lambda paths: paths) -> Gathered:
    """Windows of every usable recording below a folder.

    Args:
        folder: Recordings.
        recipe: How they become windows, and whether their lines are taken out of them first.
        progress: Wraps the iteration over files, e.g. with a progress bar.

    Returns:
        Windows, where they came from, and what was left out and why.

    Raises:
        DataError: Nothing was usable.
    """
    gatherer = _Gatherer(folder, recipe)
    for path in progress(find_recordings(folder)):
        gatherer.look_at(path)
    found = gatherer.found
    if not found.windows:
        raise DataError(folder, f"no usable recording among {len(found.left_out)}; {found.left_out}")
    return found


def validation_groups(found: Gathered, settings: PrepareSettings) -> set[str]:
    """Groups to keep apart: those that are named, or about so large a share of the windows, never the only group.

    Where none of those that are named is there, as with a recipe for other recordings, they are drawn.

    Args:
        found: Windows and their sources.
        settings: Names, or share and seed of the draw.

    Returns:
        Names of groups.

    Raises:
        RecipeError: All are named.
    """
    counts: dict[str, int] = {}
    for source, windows in zip(found.sources, found.windows, strict=True):
        counts[source.group] = counts.get(source.group, 0) + len(windows)
    named = set(settings.keep_apart)
    if named and not {group for group, count in counts.items() if count} - named:
        raise RecipeError("prepare.keep_apart", settings.keep_apart, "a group of recordings that it does not name")
    if named & set(counts):
        if unknown := named - set(counts):
            log.warning("nothing to keep apart of %s", ", ".join(sorted(unknown)))
        return named & set(counts)
    if named:
        log.warning("none of the groups of prepare.keep_apart is here: some that are here are drawn to be kept apart")
    wanted, chosen, taken = settings.validation_share * sum(counts.values()), set[str](), 0
    for group in np.random.default_rng(settings.seed).permutation(sorted(counts)):
        if (
            counts[group]
            and taken + counts[group] <= wanted * 1.2
            and len(chosen) + 1 < sum(map(bool, counts.values()))
        ):
            chosen.add(str(group))
            taken += counts[group]
    present = [group for group, count in counts.items() if count]
    if wanted and not chosen and len(present) > 1:  # each is more than that share
        chosen.add(min(present, key=lambda group: (counts[group], group)))
    return chosen


def _to_images(windows: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Windows as 8-bit images, with the log range of each. Shape [count, image, image, channels], [count, 2]."""
    from petrichor_training.spectrogram_images import image_of  # noqa: PLC0415  (TensorFlow, only for rain)

    side = recipe.analysis.image
    images = np.empty((len(windows), side, side, 1 + len(recipe.analysis.views)), np.uint8)
    ranges = np.empty((len(windows), 2))
    for index, window in enumerate(windows):
        image, low, high = image_of(window, recipe.analysis, recipe.prepare.rate)
        images[index], ranges[index] = np.rint(image * 255), (low, high)
    return images, ranges


def prepare(folder: Path, out: Path, recipe: Recipe, progress: Progress = lambda paths: paths) -> dict[str, Any]:
    """Write the cache of a folder of recordings, unless it is there and nothing has changed.

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
    fingerprint = fingerprint_of(folder, recipe)
    if is_fresh(out, fingerprint, recipe):
        log.info("%s: nothing has changed, it is used as it is", out)
        kept: dict[str, Any] = json.loads((out / "prepared.json").read_text("utf-8"))
        return kept
    found = gather(folder, recipe, progress)
    apart = validation_groups(found, recipe.prepare)
    length = min(windows.shape[1] for windows in found.windows)
    out.mkdir(parents=True, exist_ok=True)
    (out / "prepared.json").unlink(missing_ok=True)
    summary = _summary(recipe, found, apart, length) | {"fingerprint": fingerprint}
    for split in ("train", "validation"):
        summary[split] = _write_split(out, split, found, apart, length, recipe, summary)
    if recipe.streams:
        _write_conditions(out, found, apart, recipe)
    _write_for_people(out, found, apart)
    text = json.dumps(summary, indent=1)
    with replacing(out / "prepared.json") as temporary:
        temporary.write_text(text, "utf-8")
    written: dict[str, Any] = json.loads(text)
    return written


def _summary(recipe: Recipe, found: Gathered, apart: set[str], length: int) -> dict[str, Any]:
    """What ``prepared.json`` says of settings and recordings."""
    return {
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


def _write_conditions(out: Path, gathered: Gathered, apart: set[str], recipe: Recipe) -> None:
    groups = [
        np.repeat(source.group, len(windows))
        for source, windows in zip(gathered.sources, gathered.windows, strict=True)
        if source.group not in apart
    ]
    try:
        size = recipe.network.latent_size - (IDENTITY if recipe.sings else 0)
        conditions_of(np.load(out / "train.npy", mmap_mode="r"), np.concatenate(groups), size).save(out)
        if recipe.sings:
            pairs = zip(gathered.sources, gathered.birds, strict=True)
            songs_of([bird for source, birds in pairs if source.group not in apart for bird in birds]).save(out)
    except ValueError as error:
        raise DataError(out, f"gives {error}") from error


def _write_for_people(out: Path, found: Gathered, apart: set[str]) -> None:
    used = [source for source in found.sources if source.group not in apart]
    (out / "CREDITS.md").write_text(credits_of(used), "utf-8")
    write_table(out / "recordings.csv", found.entries, apart)
    draw_sheet(out / "recordings.png", found.glimpses, {entry.name: entry.split(apart) for entry in found.entries})


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
    with replacing(out / f"{split}.npy") as temporary, temporary.open("wb") as file:  # a run may have the old one open
        np.save(file, windows)
    return len(windows)
