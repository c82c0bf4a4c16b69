"""What a run writes for people: losses.csv, probs.csv and their pictures."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window, and none of its threads

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from petrichor_training.replacement import replacing

LOSSES = ["epoch", "generator_loss", "discriminator_loss"]
PROBABILITIES = ["epoch", "p_real", "p_fake"]


class Diary:
    """The epochs of one run, kept in its folder."""

    def __init__(self, folder: Path, epochs: int) -> None:
        """Read what an earlier part of the run wrote.

        Args:
            folder: Of the run.
            epochs: Finished according to the checkpoint: later lines are dropped.
        """
        self.folder = folder
        self.rows: list[dict[str, float]] = []
        paths = folder / "losses.csv", folder / "probs.csv"
        if epochs and all(path.is_file() for path in paths):
            losses, probabilities = (pd.read_csv(path) for path in paths)
            table = pd.merge(losses, probabilities, on="epoch")
            self.rows = [{str(k): float(v) for k, v in row.items()} for row in table.to_dict("records")]
            self.rows = [row for row in self.rows if row["epoch"] <= epochs]

    def add(self, epoch: int, means: dict[str, float]) -> None:
        """Write one more epoch.

        Args:
            epoch: From 1.
            means: Over the epoch, by the names that `Steps` gives.
        """
        self.rows.append({"epoch": epoch, **means})
        table = pd.DataFrame(self.rows).astype({"epoch": int})
        for name, columns in (("losses.csv", LOSSES), ("probs.csv", PROBABILITIES)):
            with replacing(self.folder / name) as temporary:
                table[columns].to_csv(temporary, index=False, float_format="%.6g")

    def plot(self) -> None:
        """Draw losses.png and probabilities.png."""
        if not self.rows:
            return
        table = pd.DataFrame(self.rows)
        _plot(table, LOSSES, "loss", self.folder / "losses.png")
        _plot(table, PROBABILITIES, "mean probability of being real", self.folder / "probabilities.png")


def _plot(table: pd.DataFrame, columns: list[str], label: str, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for column in columns[1:]:
        axes.plot(table["epoch"], table[column], label=column.replace("_", " "), linewidth=1.2)
    axes.set(xlabel="epoch", ylabel=label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_quality(table: pd.DataFrame, path: Path) -> None:
    """Draw distance, variety and share of copies of the assessed epochs.

    Args:
        table: Columns epoch, frechet, variety and copies.
        path: PNG to write.
    """
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    (distance,) = axes.plot(table["epoch"], table["frechet"], label="Fréchet distance to the recordings", linewidth=1.2)
    other = axes.twinx()
    (variety,) = other.plot(table["epoch"], table["variety"], "--", color="tab:orange", label="variety", linewidth=1.2)
    (copies,) = other.plot(table["epoch"], table["copies"], ":", color="tab:red", label="copies", linewidth=1.2)
    axes.set(xlabel="epoch", ylabel="distance", ylim=(0, None))
    other.set(ylabel="variety (1 = the recordings'), share of copies", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(handles=[distance, variety, copies], frameon=False, loc="lower center")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_images(images: np.ndarray, path: Path, titles: list[str] | None = None) -> None:
    """Spectrogram images side by side, lowest frequency at the bottom.

    Args:
        images: Shape [count, time, frequency], 0…1.
        path: PNG to write.
        titles: One per image.
    """
    figure, axes = plt.subplots(1, len(images), figsize=(3 * len(images), 3.2), layout="constrained", squeeze=False)
    for index, (place, image) in enumerate(zip(axes[0], images, strict=True)):
        place.imshow(np.asarray(image).T, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="magma")
        place.set_axis_off()
        if titles:
            place.set_title(titles[index], fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)
