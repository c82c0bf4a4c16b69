"""What was found in a folder of recordings, for people: a table of every file and a sheet of spectrograms."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window, and none of its threads

import numpy as np
import soxr
from matplotlib import pyplot

from petrichor_training.inspection import Inspection
from petrichor_training.quality.logmel import FLOOR_DB, RATE, WINDOW, log_mel
from petrichor_training.recordings import loudest_stretch
from petrichor_training.replacement import replacing

SHOWN = 48  # recordings on a sheet, spread evenly over all
SECONDS = 3.0  # of each
COLUMNS = 8
COLOURS = {"train": "tab:green", "validation": "tab:blue", "left out": "tab:red"}


@dataclass(frozen=True)
class Entry:
    """One file of the folder.

    Attributes:
        name: Path within the folder.
        group: Recordings of one group stay on one side of the split.
        inspection: Its figures; None where it could not be read.
        windows: It gave.
        reason: Why it was left out; empty where it was used.
    """

    name: str
    group: str
    inspection: Inspection | None
    windows: int = 0
    reason: str = ""

    @property
    def remarks(self) -> str:
        """What a person should know of a recording that was used all the same."""
        return "; ".join(self.inspection.remarks()) if self.inspection else ""

    def split(self, apart: set[str]) -> str:
        """Return "train", "validation" or "left out"."""
        if self.reason:
            return "left out"
        return "validation" if self.group in apart else "train"


@dataclass(frozen=True, eq=False)
class Glimpse:
    """The loudest seconds of a recording, for the sheet.

    Attributes:
        name: Of the recording.
        sound: Shape [frames], at 48 kHz.
    """

    name: str
    sound: np.ndarray


def glimpse(name: str, audio: np.ndarray, rate: int) -> Glimpse:
    """Return the loudest `SECONDS` of a recording.

    Args:
        name: Of the recording.
        audio: Shape [frames].
        rate: Hz.
    """
    length = min(len(audio), round(SECONDS * rate))
    start = loudest_stretch(audio, length)
    piece = audio[start : start + length]
    return Glimpse(name, soxr.resample(piece, rate, RATE) if rate != RATE else piece)


def write_table(path: Path, entries: Sequence[Entry], apart: set[str]) -> None:
    """Write every file's figures, what became of it and why, as CSV.

    Args:
        path: To write; an older one is replaced only by a whole one.
        entries: Every file of the folder.
        apart: Groups for validation.
    """
    figures = list(Inspection.__dataclass_fields__)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["name", "group", "split", "windows", "reason", "remarks", *figures])
        for entry in entries:
            inspection = asdict(entry.inspection) if entry.inspection else {}
            values = [f"{inspection[name]:.6g}" if inspection else "" for name in figures]
            split = entry.split(apart)
            table.writerow([entry.name, entry.group, split, entry.windows, entry.reason, entry.remarks, *values])


def draw_sheet(path: Path, glimpses: Sequence[Glimpse], splits: dict[str, str]) -> None:
    """Draw a contact sheet: one small spectrogram for each recording, framed by what became of it.

    Args:
        path: A ``.png``.
        glimpses: Of recordings; where there are more than `SHOWN`, some spread evenly over all.
        splits: "train", "validation" or "left out", by name.
    """
    chosen = [glimpses[i] for i in np.unique(np.linspace(0, len(glimpses) - 1, SHOWN).astype(int))] if glimpses else []
    rows = max(1, -(-len(chosen) // COLUMNS))
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(2 * COLUMNS, 1.7 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, shown in zip(axes.flat, chosen, strict=False):
        levels = log_mel(np.pad(shown.sound, (0, max(0, WINDOW - len(shown.sound)))), 64)
        extent = (0, len(shown.sound) / RATE, 0, 1)
        axis.imshow(
            (levels - levels.max()).T, origin="lower", aspect="auto", extent=extent, vmin=FLOOR_DB, vmax=0, cmap="magma"
        )
        axis.set_axis_on()
        axis.set_xlim(0, SECONDS)
        axis.set(xticks=[], yticks=[])
        axis.set_title(Path(shown.name).stem[-24:], fontsize=6)
        for spine in axis.spines.values():
            spine.set(color=COLOURS[splits.get(shown.name, "left out")], linewidth=2)
    figure.supxlabel(", ".join(f"{colour[4:]}: {split}" for split, colour in COLOURS.items()), fontsize=8)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
