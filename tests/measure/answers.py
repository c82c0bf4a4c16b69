"""How soon a voice answers a control, and whether the answer is a step: the same noise with and without a change.

    python -m tests.measure.answers VOICE [VOICE ...] [--changes 40]

A change comes with any block of 64 frames of a hop. What follows differs from the same sound without it by a difference
that is exact, for the noise is the same.

- Delay: until that difference is 20 dB below the sound, over 2 ms. A level changed by 1 dB differs by as much.
- Step: how sharply the difference bends in 10 ms from the change on, dB of how sharply the sound itself does (its
  largest second difference in 0.4 s before the change or long after it). A step as large as that, planted at the
  change to show that it would be seen, is given beside it.
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
        voice = read_voice(find_voice(name, VOICES))
        for what, intensities in CHANGES.items():
            pairs = [_pair(voice, what, intensities, seed) for seed in range(options.changes)]
            delays = np.array([delay_ms(*pair) for pair in pairs])
            steps, planted = (np.array([step_db(*pair, step) for pair in pairs]) for step in (0.0, 1.0))
            print(
                f"{voice.path.stem}, {what}: answered after {np.median(delays):.1f} ms "
                f"(90 %: {np.percentile(delays, 90):.1f}, most: {delays.max():.1f}); bends by "
                f"{np.median(steps):+.1f} dB of the sound's own (most {steps.max():+.1f}), "
                f"with a step planted {np.median(planted):+.1f} (least {planted.min():+.1f})"
            )


def _pair(voice: Voice, what: str, intensities: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A sound that is not changed, and the same changed after BEFORE blocks. Shape [frames, 2] each"""
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
        sounds.append(np.concatenate(blocks)[more * BLOCK :])
        engine.close()
    return sounds[0], sounds[1]


def delay_ms(same: np.ndarray, changed: np.ndarray) -> float:
    """Return how long after the change the two differ audibly, ms. Half a second where they never do."""
    start, smoothing = BEFORE * BLOCK, np.full(WINDOW, 1 / WINDOW)
    if not np.array_equal(same[:start], changed[:start]):
        raise ValueError("the two differ before the change")
    powers = (np.square(sound).sum(axis=1) for sound in (changed - same, same))
    apart, there = (np.convolve(power, smoothing)[start : len(same)] for power in powers)
    audible = np.flatnonzero(apart > 10 ** (AUDIBLE_DB / 10) * np.maximum(there, np.mean(there) / 10))
    return 1000 / RATE * float(audible[0] if len(audible) else len(apart))


def step_db(same: np.ndarray, changed: np.ndarray, planted: float) -> float:
    """Return how sharply the difference bends when it begins, dB of the sound's bends before and after.

    Args:
        same: Shape [frames, 2]
        changed: The same, changed after BEFORE blocks.
        planted: A step that is added 2 ms after the change, as a part of the sharpest bend.
    """
    start = BEFORE * BLOCK
    around = changed[start - 2 * RATE // 5 : start], changed[start + RATE // 10 :]
    usual = max(np.abs(np.diff(sound, 2, axis=0)).max() for sound in around)
    apart = (changed - same)[start - 2 : start + RATE // 100]
    apart[2 + WINDOW :] += planted * usual
    return 20 * float(np.log10(np.abs(np.diff(apart, 2, axis=0)).max() / usual + 1e-9))


if __name__ == "__main__":
    main()
