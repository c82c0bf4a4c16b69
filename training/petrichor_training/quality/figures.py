"""The quality figures of excerpts against recordings kept apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from petrichor_training.inspection import bandwidth_hz
from petrichor_training.quality.character import brightness_hz, onset_density
from petrichor_training.quality.distances import energy_distance, frechet_distance, spread
from petrichor_training.quality.excerpts import Excerpt, Recordings
from petrichor_training.quality.logmel import RATE, log_mel_point
from petrichor_training.quality.ratios import Cloud, ratio
from petrichor_training.quality.texture import TextureSpace, texture_statistics

CHARACTER: dict[str, Callable[[np.ndarray], float]] = {
    "brightness_hz": brightness_hz,
    "bandwidth_hz": lambda sound: bandwidth_hz(sound, RATE),
    "onsets_per_second": onset_density,
}


CLASS_DRAWS = 20


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured of excerpts once, whatever they are compared with.

    Attributes:
        textures: Statistics by class, one per excerpt.
        origins: Of the excerpts. Shape [excerpts]
        seconds: Log-mel points, one per second of every excerpt.
        character: One value per excerpt, by name.
    """

    textures: list[dict[str, np.ndarray]]
    origins: np.ndarray
    seconds: Cloud
    character: dict[str, np.ndarray]


def measure(excerpts: Sequence[Excerpt]) -> Measured:
    """Measure every excerpt."""
    sounds = [excerpt.sound for excerpt in excerpts]
    origins = np.array([excerpt.origin for excerpt in excerpts])
    seconds = [log_mel_point(second) for sound in sounds for second in sound.reshape(-1, RATE)]
    return Measured(
        [texture_statistics(sound) for sound in sounds],
        origins,
        Cloud(np.stack(seconds), np.repeat(origins, len(seconds) // len(origins))),
        {name: np.array([of(sound) for sound in sounds]) for name, of in CHARACTER.items()},
    )


class Reference:
    """Recordings, measured: what a voice's figures are relative to.

    Args:
        recordings: Both parts.

    Attributes:
        high_pass_hz: What voices are to be high-passed at, as the recordings were.
    """

    def __init__(self, recordings: Recordings) -> None:
        """Measure both parts."""
        self.high_pass_hz = recordings.high_pass_hz
        self.train, self.validation = measure(recordings.train), measure(recordings.validation)
        self.space = TextureSpace(self.train.textures)

    def figures(self, voice: Measured) -> dict[str, Any]:
        """Return the figures of what a voice plays; of the training recordings, they are what 1 means.

        Args:
            voice: Its excerpts, measured.

        Returns:
            JSON: `texture` and `frechet` as `Ratio`, `texture_classes` as values, `diversity` (mean distance between
            two seeds over that between two recordings) and `character` (quartiles).
        """
        own, train, validation = (self._cloud(part) for part in (voice, self.train, self.validation))
        seconds = (voice.seconds, self.train.seconds, self.validation.seconds)
        return {
            "texture": asdict(ratio(energy_distance, own, train, validation)),
            "frechet": asdict(ratio(frechet_distance, *seconds)),
            "texture_classes": {name: self._of_class(voice, name) for name in self.space.classes},
            "diversity": spread(own.means()) / spread(train.means()),
            "character": {name: quartiles(values) for name, values in voice.character.items()},
        }

    def _cloud(self, part: Measured, only: str | None = None) -> Cloud:
        return Cloud(self.space.points(part.textures, only), part.origins)

    def _of_class(self, voice: Measured, name: str) -> float:
        own, train, validation = (self._cloud(part, name) for part in (voice, self.train, self.validation))
        return ratio(energy_distance, own, train, validation, draws=CLASS_DRAWS).value


def quartiles(values: np.ndarray) -> dict[str, float]:
    """Return the 25th, 50th and 75th percentile."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return {"low": float(low), "median": float(middle), "high": float(high)}
