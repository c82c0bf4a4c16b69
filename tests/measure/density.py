"""How many more events there are at full intensity than at none, at several latents: each rendered with its own seed.

    python -m tests.measure.density bird [--of onsets] [--seeds 8] [--seconds 90]

Events are counted as `petrichor-train evaluate` does, which looks at one latent only.
"""

from __future__ import annotations

import argparse

import numpy as np

from petrichor.bench.figures import Figure, to_text
from petrichor.folders import find_voice
from petrichor_training.quality.character import event_rate, onset_density
from petrichor_training.quality.excerpts import render
from tests.measure.endless import VOICES

INTENSITIES = (0.0, 0.1, 0.5, 1.0)
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
    rates = np.array(
        [
            [of(render(voice, options.seconds, seed, intensity)) for intensity in INTENSITIES]
            for seed in range(1, options.seeds + 1)
        ]
    )
    growth = rates[:, -1] / np.maximum(rates[:, 0], 1 / options.seconds)  # one event, where there is none
    means = {f"at {intensity:g}": rate for intensity, rate in zip(INTENSITIES, rates.mean(0).tolist(), strict=True)}
    spread = {"least": float(growth.min()), "median": float(np.median(growth)), "most": float(growth.max())}
    print(to_text(Figure(f"{options.of}, mean of {options.seeds} latents", means, "a second")))
    print(
        to_text(
            Figure(
                f"{options.of}: growth from no intensity to full, by latent", spread, "times", "≥ 5", 5, "least", True
            )
        )
    )


if __name__ == "__main__":
    main()
