"""What a network's clips sound like, at the rate at which figures are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from petrichor.inversion import Analysis, Inverter
from petrichor_training.dataset import Dataset
from petrichor_training.played import inversion_of
from petrichor_training.quality.character import brightness_hz, loudness_db, onset_density
from petrichor_training.quality.logmel import RATE, log_mel_point
from petrichor_training.recipe import Recipe
from petrichor_training.recordings import high_pass

SHORTEST = RATE // 2  # frames that the measures ask for


class Hearing:
    """Turns what a network makes, or what it learned from, into sound, as the server does before it levels clips.

    (The server evens out two thirds of what clips differ in level by.) It is high-passed as the recordings were, so
    that nothing is judged by what a network leaves where they have nothing.

    Args:
        recipe: The settings.
        data: Gives the clip's length and the log range.
    """

    def __init__(self, recipe: Recipe, data: Dataset) -> None:
        """Prepare the inversion of images."""
        self.rate, self._edge = recipe.prepare.rate, recipe.prepare.high_pass_hz
        self._invert: Inverter | None = None
        if recipe.base == "rain":
            side = recipe.analysis.image
            self._invert = Inverter(Analysis.from_info(inversion_of(recipe, data)), side, side)

    def sound(self, clip: np.ndarray, index: int = 0) -> np.ndarray:
        """Return a clip as sound, at `RATE`.

        Args:
            clip: Shape [frames], or an image: [rows, columns].
            index: Of the clip: decides the phases of an image.
        """
        if self._invert is not None:
            clip = self._invert(clip, np.random.default_rng((5, index)))
        sound = high_pass(clip, self.rate, self._edge)
        sound = sound if self.rate == RATE else soxr.resample(sound, self.rate, RATE)
        again = -(-SHORTEST // len(sound))
        return np.asarray(np.tile(sound, again) if again > 1 else sound, np.float32)

    def sounds(self, clips: np.ndarray) -> Iterator[np.ndarray]:
        """Return clips as sounds, at `RATE`.

        Args:
            clips: Shape [clips, frames], or images: [clips, rows, columns, channels], of which the first is heard.
        """
        for index, clip in enumerate(clips[..., 0] if clips.ndim == 4 else clips):
            yield self.sound(clip, index)


def points_of(sounds: Iterable[np.ndarray]) -> np.ndarray:
    """Return the log-mel points of sounds at `RATE`. Shape [sounds, dimensions]"""
    return np.stack([log_mel_point(sound) for sound in sounds])


def described(sounds: Iterator[np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Measure sounds.

    Args:
        sounds: At `RATE`.

    Returns:
        `loudness` (dB), `density` (onsets per second), `brightness` (octaves), one value per sound, by name; and the
        log-mel points. Shape [sounds, dimensions]
    """
    values, points = [], []
    for sound in sounds:
        values.append((loudness_db(sound), onset_density(sound), np.log2(max(brightness_hz(sound), 1.0))))
        points.append(log_mel_point(sound))
    columns = np.array(values).T
    return dict(zip(("loudness", "density", "brightness"), columns, strict=True)), np.stack(points)
