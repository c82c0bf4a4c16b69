"""Spectrograms of several sounds side by side on one scale: what the README shows, and what one judges a voice by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from petrichor_training.errors import TrainingError

RATE = 48_000  # Hz; all sounds are brought to it, so that the pictures have one frequency axis
WINDOW, HOP = 1024, 256  # frames at RATE
SHORTEST = 0.1  # seconds that can be drawn: a few windows
FLOOR_DB = -80.0  # below the loudest of each picture


def draw_comparison(sounds: Sequence[tuple[str, Path]], out: Path, seconds: float, start: float = 0.0) -> None:
    """Draw one spectrogram for each sound, side by side.

    Each is brought to the same level first (its own RMS), so that the colours compare texture, not loudness.

    Args:
        sounds: Titles and sound files; several channels are drawn as their first.
        out: A `.png`.
        seconds: Length shown of each.
        start: Where in each file to begin, in seconds.

    Raises:
        TrainingError: A file cannot be read or is too short, or the length or the beginning is none.
    """
    if not seconds >= SHORTEST or not start >= 0:
        raise TrainingError(f"got {seconds:g} s from {start:g} s on, expected {SHORTEST:g} s or more from 0 s or later")
    import matplotlib  # noqa: PLC0415  (slow to import)

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(1, len(sounds), figsize=(4.2 * len(sounds), 3.2), sharey=True, squeeze=False)
    for axis, (title, path) in zip(axes[0], sounds, strict=True):
        levels = spectrogram_db(_excerpt(path, seconds, start))
        axis.imshow(
            levels.T,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, RATE / 2000),
            vmin=FLOOR_DB,
            vmax=0,
            cmap="magma",
        )
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("s", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0][0].set_ylabel("kHz", fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=72)
    pyplot.close(figure)


def spectrogram_db(sound: np.ndarray) -> np.ndarray:
    """Return the levels of short-time spectra, in dB below the 99.9th percentile.

    Args:
        sound: Shape [frames], at RATE.

    Returns:
        Shape [windows, WINDOW / 2 + 1].
    """
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * np.hanning(WINDOW)
    levels = 20 * np.log10(np.abs(np.fft.rfft(windows, axis=1)) + 1e-9)
    return levels - np.percentile(levels, 99.9)


def _excerpt(path: Path, seconds: float, start: float) -> np.ndarray:
    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"{path}: {error}") from error
    mono = soxr.resample(sound[:, 0], rate, RATE) if rate != RATE else sound[:, 0]
    excerpt = mono[int(start * RATE) : int((start + seconds) * RATE)]
    if len(excerpt) < seconds * RATE * 0.99:
        raise TrainingError(f"{path.name}: has {len(mono) / RATE:.1f} s, expected {start + seconds:.1f} or more")
    level = float(np.sqrt(np.mean(np.square(excerpt))))
    return excerpt / max(level, 1e-9)
