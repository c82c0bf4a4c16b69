"""How soon a voice answers a control, and whether the answer is a step: the same noise with and without a change.

    python -m tests.measure.answers VOICE [VOICE ...] [--changes 40]

A change comes at any frame of a block of 64. What follows differs from the same sound without it by a difference
that is exact, for the noise is the same.

- Delay: until that difference is 20 dB below the sound, over 2 ms. A level changed by 1 dB differs by as much.
- Step: the largest second difference of the sound in 50 ms from the change on, where the difference has one, in dB of
  the largest in the half second before; beside it the same without a change. A click is far above it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from petrichor.controls import Controls
from petrichor.engine import open_engine
from petrichor.folders import find_voice
from petrichor.voice_file import Voice, read_voice

VOICES = Path(__file__).parents[2] / "voices"
RATE = 48000
BLOCK = 64  # frames: the server's
BEFORE, AFTER = 2 * RATE // BLOCK, RATE // 2 // BLOCK  # blocks
WINDOW = RATE // 500  # frames, 2 ms
AUDIBLE_DB = -20.0
CHANGES = {"intensity up": (0.2, 0.9), "intensity down": (0.9, 0.2), "latent": (0.5, 0.5)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="+", help="names in the voices folder, or files")
    parser.add_argument("--changes", type=int, default=40)
    options = parser.parse_args()
    for name in options.voices:
        voice = read_voice(Path(name) if name.endswith(".voice") else find_voice(name, VOICES))
        for what, intensities in CHANGES.items():
            pairs = [_pair(voice, what, intensities, seed) for seed in range(options.changes)]
            delays = np.array([delay_ms(*pair) for pair in pairs])
            changed, same = (np.array([step_db(pair[which]) for pair in pairs]) for which in (1, 0))
            print(
                f"{voice.path.stem}, {what}: answered after {np.median(delays):.1f} ms "
                f"(90 %: {np.percentile(delays, 90):.1f}, most: {delays.max():.1f}); largest step "
                f"{np.median(changed):+.1f} dB of what was before (most {changed.max():+.1f}), "
                f"unchanged {np.median(same):+.1f} ({same.max():+.1f})"
            )


def _pair(voice: Voice, what: str, intensities: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A sound that is not changed, and the same changed after BEFORE blocks. Shape [frames] each"""
    rng = np.random.default_rng(seed)
    one, other = (rng.uniform(-1, 1, voice.info.latent_size).astype(np.float32) for _ in range(2))
    before = Controls(one, intensity=intensities[0], seed=seed)
    after = Controls(other if what == "latent" else one, intensity=intensities[1], seed=seed)
    more = int(rng.integers(0, 8))  # so that it comes anywhere in a hop
    sounds = []
    for then in (before, after):
        engine = open_engine(voice, RATE, background=False)
        blocks = [engine.render(before, BLOCK) for _ in range(BEFORE + more)]
        blocks += [engine.render(then, BLOCK) for _ in range(AFTER)]
        sounds.append(np.concatenate(blocks)[more * BLOCK :].mean(axis=1))
        engine.close()
    return sounds[0], sounds[1]


def delay_ms(same: np.ndarray, changed: np.ndarray) -> float:
    """Return how long after the change the two differ audibly, ms. Half a second where they never do."""
    start, smoothing = BEFORE * BLOCK, np.full(WINDOW, 1 / WINDOW)
    if not np.array_equal(same[:start], changed[:start]):
        raise ValueError("the two differ before the change")
    apart, there = (np.convolve(np.square(x), smoothing)[start : len(same)] for x in (changed - same, same))
    audible = np.flatnonzero(apart > 10 ** (AUDIBLE_DB / 10) * np.maximum(there, np.mean(there) / 10))
    return 1000 / RATE * float(audible[0] if len(audible) else len(apart))


def step_db(sound: np.ndarray) -> float:
    """Return the largest second difference in 50 ms from the change on, dB of the largest in half a second before."""
    start = BEFORE * BLOCK
    bends = np.abs(np.diff(sound, 2))
    return 20 * float(np.log10(bends[start : start + RATE // 20].max() / bends[start - RATE // 2 : start].max()))


if __name__ == "__main__":
    main()
