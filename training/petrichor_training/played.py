"""How an image becomes sound again: what a voice file says of it, and the published way, for people to hear."""

from __future__ import annotations

from typing import Any

import numpy as np

from petrichor.inversion import Analysis, area_matrix, griffin_lim
from petrichor_training.dataset import Dataset
from petrichor_training.recipe import Recipe


def inversion_of(recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """Return the ``inversion`` entry of a voice file.

    Args:
        recipe: The settings, of a rain.
        data: Gives the clip's length and the log range.
    """
    analysis = recipe.analysis
    return {
        "nfft": analysis.nfft,
        "window": analysis.window,
        "stride": analysis.stride,
        "iterations": analysis.iterations,
        "frames": -(-data.frames // analysis.stride),
        "bins": analysis.nfft // 2 + 1,
        "log_offset": analysis.log_offset,
        "log_min": data.summary["log_min"],
        "log_max": data.summary["log_max"],
        "mel_rate": recipe.prepare.rate if analysis.mel else 0,
    }


def sound_of(image: np.ndarray, analysis: Analysis) -> np.ndarray:
    """Return an image as sound: area interpolation, then the published number of rounds of Griffin-Lim.

    Args:
        image: Time first, lowest frequency first, 0…1. Shape [rows, columns].
        analysis: How it was made.

    Returns:
        From the centre of the first frame on. Shape [frames · stride].
    """
    rows = area_matrix(image.shape[0], analysis.frames)
    magnitude = analysis.magnitude(rows @ image @ analysis.columns_matrix(image.shape[1]).T)
    sound = griffin_lim(magnitude, analysis)
    begin = (analysis.window - analysis.stride) // 2
    return sound[begin : begin + analysis.frames * analysis.stride]
