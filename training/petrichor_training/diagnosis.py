"""What is wrong with a run whose numbers are none any more."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from petrichor_training.gan import Gan

ADVICE = "Go on from the last checkpoint with a lower discriminator_rate."


def diagnosis(gan: Gan, figures: Mapping[str, float]) -> str | None:
    """Return which figures and which weights are no longer finite, and what usually helps; None where all are.

    Args:
        gan: Both networks.
        figures: Of a step, by name.
    """
    bad = [name for name, value in figures.items() if not np.isfinite(value)]
    sick = [found for network in (gan.generator, gan.discriminator) if (found := _sick(network))]
    if not bad and not sick:
        return None
    return f"{', '.join(bad) or 'weights'} not finite; {'; '.join(sick) or 'all weights still finite'}. {ADVICE}"


def _sick(network: keras.Model) -> str:
    """The first weights of a network that are not finite."""
    paths = [weight.path for weight in network.weights if not np.all(np.isfinite(keras.ops.convert_to_numpy(weight)))]
    return f"in the {network.name} {len(paths)} weights not finite, first {paths[0]}" if paths else ""
