"""Recordings as the trainers want them: one channel, high-passed, at one rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from petrichor_training.errors import DataError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".w64", ".caf")


Progress = Callable[[Iterable[Path]], Iterable[Path]]  # wraps the iteration over files, e.g. with a progress bar


@dataclass(frozen=True)
class Conditioning:
    """What is done to a recording before it is cut.

    Attributes:
        rate: Hz wanted.
        high_pass_hz: See `high_pass`.
        denoise: See `denoised`; 0 = not at all.
    """

    rate: int
    high_pass_hz: float = 0.0
    denoise: float = 0.0


def find_recordings(folder: Path) -> list[Path]:
    """Every audio file in a folder and below it, in a stable order.

    Args:
        folder: Where to look.

    Returns:
        Paths, sorted.

    Raises:
        DataError: It is no folder, or holds no audio file.
    """
    if not folder.is_dir():
        raise DataError(folder, "expected a folder of recordings, got something else or nothing")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(folder, f"no audio files in it (looked for {' '.join(SUFFIXES)})")
    return found


def loudest_channel(audio: np.ndarray) -> np.ndarray:
    """The channel with the most energy.

    Channels are never summed: in some recordings they are in opposite phase.

    Args:
        audio: Shape [frames, channels].

    Returns:
        Shape [frames].
    """
    return audio[:, int(np.argmax(np.sum(np.square(audio), axis=0)))]


def loudest_stretch(audio: np.ndarray, length: int) -> int:
    """Where the stretch of so many frames with the most energy begins.

    Args:
        audio: Shape [frames].
        length: Frames, as many as there are at most.
    """
    energy = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
    return int(np.argmax(energy[length:] - energy[: len(energy) - length]))


def high_pass(audio: np.ndarray, rate: int, cutoff_hz: float) -> np.ndarray:
    """Remove wind and handling noise without moving anything in time.

    Args:
        audio: Shape [frames].
        rate: Hz.
        cutoff_hz: Nothing is left below 0.75 times this, nothing is lost above it.

    Returns:
        Shape [frames].
    """
    if cutoff_hz <= 0:
        return audio
    padded = 1 << int(np.ceil(np.log2(len(audio) + rate // 10)))
    frequencies = np.fft.rfftfreq(padded, 1 / rate)
    ramp = np.clip((frequencies / cutoff_hz - 0.75) / 0.25, 0, 1)
    spectrum = np.fft.rfft(audio, padded) * (0.5 - 0.5 * np.cos(np.pi * ramp))
    return np.fft.irfft(spectrum, padded)[: len(audio)].astype(np.float32)


def open_recording(path: Path) -> tuple[np.ndarray, int]:
    """One recording as it is on disk.

    Args:
        path: Any file that soundfile reads.

    Returns:
        Float32, Shape [frames, channels], and the rate in Hz.

    Raises:
        DataError: Unreadable, empty or not finite.
    """
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(path, f"cannot be read as audio: {error}") from error
    if len(audio) == 0:
        raise DataError(path, "holds no sound")
    if not np.all(np.isfinite(audio)):
        raise DataError(path, "holds values that are not finite")
    return audio, int(rate)


def conditioned(audio: np.ndarray, source_rate: int, settings: Conditioning) -> np.ndarray:
    """A recording's louder channel, high-passed, without its noise, at one rate.

    Args:
        audio: Shape [frames, channels].
        source_rate: Hz.
        settings: What is done to it.

    Returns:
        Shape [frames] at the settings' rate, float32; an offset is gone with the high-pass.
    """
    mono = high_pass(loudest_channel(audio), source_rate, settings.high_pass_hz)
    if settings.denoise > 0:
        mono = denoised(mono, source_rate, settings.denoise)
    mono = soxr.resample(mono, source_rate, settings.rate) if source_rate != settings.rate else mono
    return np.asarray(mono, dtype=np.float32)


def denoised(audio: np.ndarray, rate: int, amount: float) -> np.ndarray:
    """A recording with its steady noise lowered, by gating each frequency at what it is in quiet moments.

    Args:
        audio: Shape [frames].
        rate: Hz.
        amount: Share of the noise that is taken away, 0…1.

    Returns:
        Shape [frames].

    Reference:
        The noisereduce library: Sainburg et al. 2020.
    """
    from noisereduce import reduce_noise  # noqa: PLC0415  (slow to import, and seldom wanted)

    # Its default smoothing (500 Hz) takes 3 dB off a whistled line.
    smoothing = {"freq_mask_smooth_hz": 200, "time_mask_smooth_ms": 30}
    noise = quietest(audio, rate)
    cleaned = reduce_noise(y=audio, sr=rate, stationary=True, y_noise=noise, prop_decrease=amount, **smoothing)
    return np.asarray(cleaned, dtype=np.float32)


def quietest(audio: np.ndarray, rate: int, share: float = 0.15) -> np.ndarray:
    """The quietest parts of a recording, one after the other: what its noise is where nobody sings.

    Args:
        audio: Shape [frames].
        rate: Hz.
        share: Of the recording that is taken; half a second at least, where there is.

    Returns:
        Shape [fewer frames].
    """
    size = rate // 20  # 50 ms
    frames = audio[: len(audio) // size * size].reshape(-1, size)
    if len(frames) < 2:
        return audio
    count = min(max(round(share * len(frames)), 10), len(frames))
    chosen = np.sort(np.argsort(np.mean(np.square(frames), axis=1), kind="stable")[:count])
    return frames[chosen].ravel()


def read_recording(path: Path, rate: int, high_pass_hz: float) -> np.ndarray:
    """One recording, high-passed, at one rate.

    Args:
        path: Any file that soundfile reads.
        rate: Hz wanted.
        high_pass_hz: See `high_pass`.

    Returns:
        Shape [frames] at `rate`, float32.

    Raises:
        DataError: Unreadable, empty, silent or not finite.
    """
    audio = conditioned(*open_recording(path), Conditioning(rate, high_pass_hz))
    if is_silent(audio):
        raise DataError(path, "is silent")
    return audio


def is_silent(audio: np.ndarray) -> bool:
    """Whether there is nothing to bring to a level. `audio`: Shape [frames]"""
    return len(audio) == 0 or float(np.max(np.abs(audio))) < 1e-5


def level(windows: np.ndarray, level_db: float) -> np.ndarray:
    """Bring every window to the same RMS, or to full scale where a peak does not allow it.

    Args:
        windows: Shape [count, frames].
        level_db: RMS wanted, dB re full scale.

    Returns:
        Shape [count, frames], |x| <= 0.99.
    """
    rms = np.sqrt(np.mean(np.square(windows), axis=1, keepdims=True))
    peak = np.max(np.abs(windows), axis=1, keepdims=True)
    gain = np.minimum(10 ** (level_db / 20) / np.maximum(rms, 1e-6), 0.99 / np.maximum(peak, 1e-6))
    return (windows * gain).astype(np.float32)


def clarity_db(windows: np.ndarray) -> np.ndarray:
    """How far the strongest line stands out of the spectrum: song is clear, wind and distant hiss are not.

    Args:
        windows: Shape [count, frames].

    Returns:
        Peak over mean of power spectra of 512 samples, averaged with the frames' energies, dB. Shape [count].
    """
    frames = windows[:, : windows.shape[1] // 512 * 512].reshape(len(windows), -1, 512) * np.hanning(512)
    power = np.square(np.abs(np.fft.rfft(frames, axis=-1))) + 1e-12
    crest = 10 * np.log10(np.max(power, axis=-1) / np.mean(power, axis=-1))
    energy = np.sum(power, axis=-1)
    return np.asarray(np.sum(crest * energy, axis=1) / np.sum(energy, axis=1))
