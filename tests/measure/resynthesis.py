"""What a representation can do at best: recordings taken apart and put together again, held against other recordings.

    python -m tests.measure.resynthesis --data recordings/ --cache cache/

Nothing is trained here. A voice that chooses powers well can only be as good as recordings are whose own powers are
kept and whose signs are drawn anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from keras import ops

from petrichor_training.quality.excerpts import Excerpt, read_recordings
from petrichor_training.quality.figures import Reference, measure
from petrichor_training.streaming.lapped import powers, sounds
from petrichor_training.streaming.zones import HOP

MOST = 60  # excerpts, evenly chosen
Carrier = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice((-1.0, 1.0), shape)


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


CARRIERS: dict[str, Carrier] = {"signs": _signs, "Gaussian": _gaussian}


def resynthesised(sound: np.ndarray, carrier: Carrier, seed: int) -> np.ndarray:
    """Return a sound of the same powers.

    Args:
        sound: At the rate of the zones. Shape [frames]
        carrier: Draws what the roots of the powers are multiplied by.
        seed: Of what is drawn.

    Returns:
        Shape [frames]
    """
    rng = np.random.default_rng(seed)
    # What is given back begins a hop after what is taken apart, and ends a hop before it.
    whole = np.pad(sound, (HOP, HOP + -len(sound) % HOP), mode="reflect")
    found = [ops.convert_to_numpy(part) for part in powers(whole[None])]
    drawn = [np.sqrt(part) * carrier(rng, part.shape) for part in found]
    hops = found[0].shape[1]
    made = ops.convert_to_numpy(sounds([part[:, : part.shape[1] // hops * hops] for part in drawn]))[0]
    return np.asarray(made[: len(sound)], np.float32)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    parser.add_argument("--cache", type=Path, required=True, help="the cache that says which were kept apart")
    options = parser.parse_args()
    recordings = read_recordings(options.data, options.cache)
    reference = Reference(recordings)
    chosen = np.unique(np.linspace(0, len(recordings.train) - 1, MOST).astype(int))
    excerpts = [recordings.train[index] for index in chosen]
    _tell("as they are", reference, excerpts)
    for name, carrier in CARRIERS.items():
        made = [
            Excerpt(resynthesised(each.sound, carrier, seed), each.origin, each.name)
            for seed, each in enumerate(excerpts)
        ]
        _tell(name, reference, made)


def _tell(name: str, reference: Reference, excerpts: list[Excerpt]) -> None:
    figures = reference.figures(measure(excerpts))
    texts = ["{value:.2f} ({low:.2f}…{high:.2f})".format(**figures[which]) for which in ("texture", "frechet")]
    print(f"{name:12} texture {texts[0]}, Fréchet {texts[1]}")


if __name__ == "__main__":
    _main()
