"""Which truncation a voice begins with, where its recipe leaves it open.

The rule: of `CANDIDATES` up to the one it was trained with, and that one, the one whose clips are nearest to the
windows it learned from, by the Fréchet distance of their log-mel statistics; where others are within `TIE` of it, the
largest of them, which varies most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from petrichor_training.quality.distances import frechet_distance

CANDIDATES = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
TIE = 1.05

Points = Callable[[float], np.ndarray]


def choose_truncation(points: Points, real: np.ndarray, trained: float) -> tuple[float, dict[str, float]]:
    """Choose.

    Args:
        points: Gives log-mel points of clips at a truncation. Shape [clips, dimensions]
        real: Those of the windows learned from. Shape [windows, dimensions]
        trained: Truncation in training; 0 = none.

    Returns:
        The truncation, and the distance that each has, by its name.
    """
    most = min(trained or max(CANDIDATES), max(CANDIDATES))
    tried = [*(candidate for candidate in CANDIDATES if candidate < most), most]
    distances = {candidate: frechet_distance(points(candidate), real) for candidate in tried}
    nearest = min(distances.values())
    chosen = max(candidate for candidate, distance in distances.items() if distance <= TIE * nearest)
    return chosen, {f"{candidate:g}": round(distance, 1) for candidate, distance in distances.items()}
