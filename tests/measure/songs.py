"""What birds sing, recorded and made: how high, how long, how loud, how varied, counted in the lines that stand out.

    python -m tests.measure.songs VOICE [VOICE ...] --data recordings/ --cache cache/ [--seeds 12] [--seconds 20]

Lines and birds are found in both by what prepares recordings for `bird-stream`. Of the recordings, those kept apart
by the cache count, beside the others. Percentiles 10, 50, 90 of all syllables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from petrichor.controls import Controls
from petrichor.engine import open_engine
from petrichor.latent import draw
from petrichor.voice_file import read_voice
from petrichor_training.manifest import read_manifest, source_of
from petrichor_training.quality.character import loudness_db
from petrichor_training.recordings import find_recordings, read_recording
from petrichor_training.streaming.lines import find_lines, without_lines
from petrichor_training.streaming.syllables import (
    GAP,
    HEIGHT,
    HIGH_HZ,
    LENGTH,
    LONG_SECONDS,
    PAUSE_SECONDS,
    PEAK,
    PITCH,
    birds_of,
)
from petrichor_training.streaming.zones import RATE

LOWEST_HZ = 400.0  # below it nothing is listened to
INTENSITIES = (0.3, 0.6, 0.9)  # in turn


def sung(sounds: Iterable[np.ndarray]) -> tuple[dict[str, np.ndarray], float]:
    """Return figures of all syllables by name, and syllables per second.

    Args:
        sounds: At `RATE`. Shape [frames] each
    """
    birds, seconds, found = [], 0.0, 0
    for sound in sounds:
        lines = find_lines(sound)
        here = birds_of(lines, loudness_db(without_lines(sound, lines)))
        birds += here
        found += sum(map(len, here))
        seconds += len(sound) / RATE
    if not birds:
        return {}, 0.0
    rows = np.concatenate(birds)
    after = np.concatenate([bird[1:] - bird[:-1] for bird in birds])
    curve = rows[:, PITCH]
    return {
        "pitch, Hz": HIGH_HZ * 2 ** rows[:, HEIGHT],
        "length, ms": 1000 * LONG_SECONDS * 2 ** rows[:, LENGTH],
        "pause, ms": 1000 * PAUSE_SECONDS * 2 ** np.concatenate([bird[:-1, GAP] for bird in birds]),
        "over what is around it, dB": 10 * rows[:, PEAK],
        "range of a syllable, octaves": curve.max(axis=1) - curve.min(axis=1),
        "way of its pitch, octaves": np.abs(np.diff(curve, axis=1)).sum(axis=1),
        "step to the next, octaves": np.abs(after[:, HEIGHT]),
        "unlikeness to the next": np.sqrt(np.mean(np.square(after[:, PITCH]), axis=1)),
    }, found / seconds


def recorded(data: Path, cache: Path, apart: bool) -> Iterable[np.ndarray]:
    """Recordings that a cache used, kept apart or not. Shape [frames] each"""
    used = json.loads((cache / "prepared.json").read_text("utf-8"))["used"]
    wanted = {entry["name"] for entry in used if entry["validation"] == apart}
    manifest = read_manifest(data)
    for path in find_recordings(data):
        if source_of(path, data, manifest).name in wanted:
            yield read_recording(path, RATE, LOWEST_HZ)


def made(path: Path, seeds: int, seconds: float) -> Iterable[np.ndarray]:
    """Of latents all over the voice's space. Shape [frames] each"""
    voice = read_voice(path)
    for seed in range(seeds):
        latent = draw(np.random.default_rng(seed), voice.info.latent_size, voice.info.truncation)
        engine = open_engine(voice, RATE, background=False)
        controls = Controls(latent.astype(np.float32), intensity=INTENSITIES[seed % len(INTENSITIES)], seed=seed)
        try:
            sound = engine.render(controls, round((seconds + 3) * RATE))[3 * RATE :]
        finally:
            engine.close()
        yield sound.mean(axis=1).astype(np.float32)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    parser.add_argument("--cache", type=Path, required=True, help="the cache that says which were kept apart")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    columns = {"kept apart": recorded(options.data, options.cache, True)}
    columns["learned from"] = recorded(options.data, options.cache, False)
    columns |= {path.stem: made(path, options.seeds, options.seconds) for path in options.voices}
    for name, sounds in columns.items():
        figures, rate = sung(sounds)
        print(f"{name}: {rate:.1f} syllables per second")
        for what, values in figures.items():
            print(f"  {what:30} " + " ".join(f"{value:8.3g}" for value in np.percentile(values, (10, 50, 90))))


if __name__ == "__main__":
    _main()
