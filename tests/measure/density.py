"""How events, and the level, follow intensity at several latents: each rendered with its own seed.

    python -m tests.measure.density bird [--of onsets] [--seeds 8] [--seconds 90]

Events are counted as `petrichor-train evaluate` does, which looks at one latent only.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import spearmanr

from petrichor.bench.figures import Figure, to_text
from petrichor.folders import find_voice
from petrichor_training.quality.character import event_rate, onset_density
from petrichor_training.quality.excerpts import render
from tests.measure.endless import VOICES

INTENSITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
MEASURES = {"onsets": onset_density, "events": event_rate}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice")
    parser.add_argument("--of", choices=MEASURES, default="onsets")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=90.0)
    options = parser.parse_args()
    voice, of = find_voice(options.voice, VOICES), MEASURES[options.of]
    rates, powers = np.zeros((2, options.seeds, len(INTENSITIES)))
    for seed in range(options.seeds):
        for place, intensity in enumerate(INTENSITIES):
            sound = render(voice, options.seconds, seed + 1, intensity)
            rates[seed, place], powers[seed, place] = of(sound), np.mean(np.square(sound))
    means = {f"at {intensity:g}": rate for intensity, rate in zip(INTENSITIES, rates.mean(0).tolist(), strict=True)}
    growth = rates[:, -1] / np.maximum(rates[:, 0], 1 / options.seconds)  # one event, where there is none
    figures = [
        Figure(f"{options.of}, mean of {options.seeds} latents", means, "a second"),
        _by_latent(f"{options.of}: growth from no intensity to full", growth, 5.0),
        _by_latent(f"{options.of}: rank correlation with intensity", _follows(rates), 0.95),
        _by_latent("level: rank correlation with intensity", _follows(powers), 0.95),
    ]
    print("\n".join(map(to_text, figures)))


def _follows(values: np.ndarray) -> np.ndarray:
    return np.array([spearmanr(INTENSITIES, row).statistic for row in values])


def _by_latent(what: str, values: np.ndarray, least: float) -> Figure:
    spread = {"least": float(values.min()), "median": float(np.median(values)), "most": float(values.max())}
    return Figure(f"{what}, by latent", spread, "", f"≥ {least:g}", least, "least", True)


if __name__ == "__main__":
    main()
