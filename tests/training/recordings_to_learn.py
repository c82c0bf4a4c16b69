"""Short recordings that the training tests make: chirps for birds, drops on hiss for rain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

HISS = 0.003
TINY_BIRD = """
base = "bird"
[prepare]
rate = 8000
split_seconds = 0.25
min_clarity_db = 0.0
[network]
latent_size = 8
generator = [8, 16]
discriminator = [16, 8]
truncation = 0.0
[fit]
batch = 4
epochs = 2
steps_per_epoch = 0
assess_every = 0
checkpoint_seconds = 0.0
[export]
clips_measured = 64
"""

TINY_RAIN = """
base = "rain"
[prepare]
rate = 16000
split_seconds = 0.25
min_bandwidth_hz = 0.0
[analysis]
nfft = 256
window = 256
image = 32
mel = false
iterations = 2
[network]
latent_size = 8
generator = [8, 8, 4]
discriminator = [4, 8]
attention_at = 8
[fit]
batch = 4
epochs = 2
steps_per_epoch = 3
checkpoint_seconds = 0.0
[export]
clips_measured = 64
truncation = 1.0
"""


TINY_STREAM = """
base = "rain-stream"
[prepare]
split_seconds = 0.5
hop_seconds = 0.1
min_bandwidth_hz = 0.0
[network]
latent_size = 3
generator = [8, 8, 6, 4]
[fit]
batch = 2
epochs = 2
steps_per_epoch = 3
crop_seconds = 0.25
assess_every = 0
checkpoint_seconds = 0.0
[export]
clips_measured = 64
"""
TINY_CHORUS = TINY_STREAM.replace("rain-stream", "bird-stream").replace("latent_size = 3", "latent_size = 11")
TINY_CHORUS = TINY_CHORUS.replace("[prepare]", "[prepare]\nvalidation_share = 0.0")  # of three all are learned from
TINY = {"bird": TINY_BIRD, "rain": TINY_RAIN, "rain-stream": TINY_STREAM, "bird-stream": TINY_CHORUS}


def chirp(seconds: float, rate: int, seed: int) -> np.ndarray:
    """A warbled whistle. Shape [frames]."""
    time = np.arange(round(seconds * rate)) / rate
    hertz = 2000 + 500 * np.sin(2 * np.pi * (3 + seed) * time)
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / rate)


def syllable(seconds: float, low: float, high: float, amplitude: float, rate: int = 48000) -> np.ndarray:
    """A whistle that glides from one pitch to another, in Hz. Shape [frames]"""
    hertz = np.geomspace(low, high, round(seconds * rate))
    ends = np.minimum(1, np.minimum(np.arange(len(hertz)), np.arange(len(hertz))[::-1]) / (0.005 * rate))
    return (amplitude * ends * np.sin(2 * np.pi * np.cumsum(hertz) / rate)).astype(np.float32)


def hiss(seconds: float, seed: int = 1) -> np.ndarray:
    """Noise of this spread, at 48 kHz. Shape [frames]"""
    return HISS * np.random.default_rng(seed).standard_normal(round(seconds * 48000)).astype(np.float32)


def song(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Four birds that sing in turn, over hiss. Shape [frames]"""
    rng = np.random.default_rng(seed)
    sound = 0.003 * rng.standard_normal(round(seconds * rate))
    for turn, start in enumerate(np.arange(0.05, seconds - 0.1, 0.07)):
        hertz = (1500, 3000, 5000, 7000)[turn % 4] * rng.uniform(0.95, 1.05)
        part = syllable(0.05, hertz, hertz * rng.uniform(0.9, 1.1), 0.1, rate)
        sound[round(start * rate) :][: len(part)] += part
    return sound


def drops(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Hiss with impulses. Shape [frames]."""
    rng = np.random.default_rng(seed)
    noise = 0.02 * rng.standard_normal(round(seconds * rate))
    noise[rng.integers(0, len(noise), 20)] += 0.5
    return noise


def write_three(folder: Path, kind: str) -> Path:
    """Three clips of 1.2 s: mono, stereo in opposite phase, and another rate."""
    folder.mkdir(parents=True)
    make = {"bird": chirp, "bird-stream": song}.get(kind, drops)
    soundfile.write(folder / "one.wav", make(1.2, 16000, 1), 16000)
    quiet = make(1.2, 44100, 2)
    soundfile.write(folder / "two.flac", np.stack([quiet, -0.5 * quiet], axis=1), 44100)
    (folder / "deeper").mkdir()
    soundfile.write(folder / "deeper" / "three.wav", make(1.2, 22050, 3), 22050)
    return folder
