"""What a representation can do at best: recordings taken apart and put together again, held against other recordings.

    python -m tests.measure.resynthesis --data recordings/ --cache cache/ [--sings]

Nothing is trained here. A voice that chooses powers well can only be as good as recordings are whose own powers are
kept and whose signs are drawn anew; with `--sings`, and whose lines are sinusoids. Each is held against the others
twice: as it is put together, and high-passed as the recordings were and as voices are (see `streaming/high_pass.py`).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from keras import ops

from petrichor_training.quality.excerpts import Excerpt, read_recordings
from petrichor_training.quality.figures import Reference, measure
from petrichor_training.recordings import high_pass
from petrichor_training.streaming.lapped import powers, sounds
from petrichor_training.streaming.lines import HOP as LINE_HOP
from petrichor_training.streaming.lines import Line, find_lines, without_lines
from petrichor_training.streaming.zones import HOP, RATE

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


def sinusoids(lines: list[Line], frames: int) -> np.ndarray:
    """Return lines as sinusoids, each with 3 ms to begin and to end.

    Args:
        lines: Found in a sound.
        frames: Of the sound.

    Returns:
        Shape [frames]
    """
    made = np.zeros(frames)
    for line in lines:
        at, values = np.arange((len(line.hertz) - 1) * LINE_HOP + 1), np.arange(len(line.hertz)) * LINE_HOP
        hertz, level = np.interp(at, values, line.hertz), np.interp(at, values, line.level_db)
        ends = np.clip(np.minimum(at, at[::-1]) / (0.003 * RATE), 0, 1)
        wave = 10 ** (level / 20) * ends * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
        begin = line.start * LINE_HOP
        made[begin : begin + len(wave)] += wave[: frames - begin]
    return made.astype(np.float32)


def _sung(sound: np.ndarray, seed: int) -> np.ndarray:
    """Sinusoids in what is left, which is resynthesised. Shape [frames]"""
    lines = find_lines(sound)
    return resynthesised(without_lines(sound, lines), _signs, seed) + sinusoids(lines, len(sound))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    parser.add_argument("--cache", type=Path, required=True, help="the cache that says which were kept apart")
    parser.add_argument("--sings", action="store_true", help="lines as sinusoids, too")
    options = parser.parse_args()
    recordings = read_recordings(options.data, options.cache)
    reference = Reference(recordings)
    chosen = np.unique(np.linspace(0, len(recordings.train) - 1, MOST).astype(int))
    excerpts = [recordings.train[index] for index in chosen]
    _tell("as they are", reference, excerpts)
    ways: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        name: partial(_with_carrier, carrier) for name, carrier in CARRIERS.items()
    }
    ways |= {"lines, signs": _sung} if options.sings else {}
    for name, way in ways.items():
        made = [Excerpt(way(each.sound, seed), each.origin, each.name) for seed, each in enumerate(excerpts)]
        _tell(name, reference, made)
        passed = [dataclasses.replace(each, sound=high_pass(each.sound, RATE, reference.high_pass_hz)) for each in made]
        _tell(f"{name}, high-passed", reference, passed)


def _with_carrier(carrier: Carrier, sound: np.ndarray, seed: int) -> np.ndarray:
    return resynthesised(sound, carrier, seed)


def _tell(name: str, reference: Reference, excerpts: list[Excerpt]) -> None:
    figures = reference.figures(measure(excerpts))
    texts = ["{value:.2f} ({low:.2f}…{high:.2f})".format(**figures[which]) for which in ("texture", "frechet")]
    print(f"{name:25} texture {texts[0]}, Fréchet {texts[1]}")


if __name__ == "__main__":
    _main()
