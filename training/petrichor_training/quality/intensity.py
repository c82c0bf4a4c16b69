"""Whether a voice's intensity does what it says: more events, louder, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from petrichor_training.quality.character import brightness_hz, event_rate, loudness_db, onset_density
from petrichor_training.quality.excerpts import render

STEPS = tuple(np.linspace(0, 1, 11))
MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "onsets_per_second": onset_density,
    "loudness_db": loudness_db,
    "events_per_second": event_rate,
    "brightness_hz": brightness_hz,
}


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation, -1…1; 0 where one of the two never changes.

    Args:
        one: Shape [count].
        other: Shape [count].
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def intensity_figures(voice: Path, seconds: float, seed: int = 1) -> dict[str, Any]:
    """Render a voice at eleven intensities, latent and noise unchanged, and measure each.

    Args:
        voice: A voice file.
        seconds: Length of each rendering.
        seed: Of latent and noise.

    Returns:
        JSON: `intensity`, the measures as lists, and `rank_correlation` of each with the intensity.

    Raises:
        EvaluationError: The voice cannot be played.
    """
    sounds = [render(voice, seconds, seed, float(step)) for step in STEPS]
    found: dict[str, list[float]] = {name: [of(sound) for sound in sounds] for name, of in MEASURES.items()}
    correlations = {name: rank_correlation(np.array(STEPS), np.array(values)) for name, values in found.items()}
    return {"intensity": [float(step) for step in STEPS], **found, "rank_correlation": correlations}
