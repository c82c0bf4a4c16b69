"""Seams of an endless voice: a minute is rendered offline and searched for clicks, pumping and repetition.

    python -m tests.measure.seams bird rain [--intensity 0.5]

- Clicks: a step in the waveform has energy at every frequency, so it shows above the band that the voice fills.
  Given is the loudest 5-ms frame up there, in dB of the mix's mean level.
- Pumping: the level's modulation spectrum at the rate at which clips, or the hops of a stream, follow each other, over
  its neighbourhood. Beside it, the same figure of white noise, whose level has no rhythm.
- Repetition: the largest correlation of any two stretches of 0.4 s at least 2 s apart, waveform against waveform.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from petrichor.clip_layer import OVERLAP_PART
from petrichor.folders import find_voice
from petrichor.render import Performance, RenderOptions
from petrichor.voice_file import Voice, read_voice

VOICES = Path(__file__).parents[2] / "voices"
RATE = 48000
SECONDS = 60.0
FRAME = RATE // 200  # 5 ms
RATE_OF = {"stream": "hop", "clip": "clip"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="+", help="names in the voices folder")
    parser.add_argument("--intensity", type=float, default=0.5)
    options = parser.parse_args()
    for name in options.voices:
        voice = read_voice(find_voice(name, VOICES))
        performance = Performance(
            voice, RenderOptions(voice.path, Path("unused.wav"), SECONDS, intensity=options.intensity), []
        )
        sound = np.concatenate(list(performance))[:, 0].astype(np.float64)
        edge = band_edge(sound)
        noise = pumping(np.random.default_rng(0).standard_normal(len(sound)), voice)
        print(
            f"{name}: loudest 5 ms above {edge / 1000:.1f} kHz {clicks(sound, edge):.1f} dB; "
            f"modulation at the {RATE_OF[voice.info.kind]} rate {pumping(sound, voice):.1f} x its neighbourhood "
            f"(noise {noise:.1f}); "
            f"most alike stretches {repetition(sound):.2f}"
        )


def band_edge(sound: np.ndarray) -> float:
    """Return 500 Hz above the highest frequency that lies within 70 dB of the strongest, at most 23 kHz."""
    windows = sound[: len(sound) // 4096 * 4096].reshape(-1, 4096) * np.hanning(4096)
    levels = 10 * np.log10(np.mean(np.square(np.abs(np.fft.rfft(windows, axis=1))), 0) + 1e-20)
    highest = np.flatnonzero(levels > levels.max() - 70)[-1] * RATE / 4096
    return float(min(highest + 500, 23000))


def clicks(sound: np.ndarray, edge: float) -> float:
    """Return the level of the loudest 5-ms frame above `edge` Hz, in dB of the mean level."""
    spectrum = np.fft.rfft(sound)
    spectrum[: int(edge * len(sound) / RATE)] = 0
    above = np.fft.irfft(spectrum, len(sound))
    frames = np.square(above[: len(above) // FRAME * FRAME]).reshape(-1, FRAME).mean(1)
    frames = frames[20:-20]  # the transform joins the end of the minute to its beginning: that step is not ours
    return 10 * float(np.log10(frames.max() / np.mean(np.square(sound)) + 1e-20))


def pumping(sound: np.ndarray, voice: Voice) -> float:
    """Return the level modulation at the rate of clips or hops over that of the octaves around it.

    Clips follow one another 0.9 to 1.3 times as fast as at the rate, hops exactly as fast.
    """
    stream = voice.info.kind == "stream"
    frame = FRAME // 10 if stream else FRAME
    level = np.log(np.square(sound[: len(sound) // frame * frame]).reshape(-1, frame).mean(1) + 1e-9)
    power = np.square(np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)))))
    power = np.convolve(power, np.ones(5) / 5, "same")
    hz = np.arange(len(power)) * RATE / frame / len(level)
    rate = 1 / voice.info.seconds if stream else 1 / (voice.info.seconds * (1 - OVERLAP_PART))
    least, most = (0.999, 1.001) if stream else (0.9, 1.3)
    line = power[(hz > least * rate) & (hz < most * rate)].max()
    around = np.median(power[(hz > 0.5 * rate) & (hz < 2.5 * rate)])
    return float(line / around)


def repetition(sound: np.ndarray) -> float:
    """Return the largest correlation of 40 pieces of 0.4 s with all that is 2 s or more away from them."""
    size = 1 << int(np.ceil(np.log2(len(sound) + RATE)))
    whole = np.fft.rfft(sound, size)
    length = int(0.4 * RATE)
    energy = np.concatenate(([0.0], np.cumsum(np.square(sound))))
    norms = np.sqrt(np.maximum(energy[length:] - energy[:-length], 1e-9))
    best = 0.0
    for start in np.linspace(0, len(sound) - length, 40).astype(int):
        piece = sound[start : start + length]
        found = np.fft.irfft(whole * np.conj(np.fft.rfft(piece, size)))[: len(norms)]
        alike = np.abs(found) / (norms * max(np.linalg.norm(piece), 1e-9))
        alike[max(0, start - 2 * RATE) : start + 2 * RATE] = 0
        alike[norms < 0.1 * np.median(norms)] = 0  # near silence
        best = max(best, float(alike.max()))
    return best


if __name__ == "__main__":
    main()
