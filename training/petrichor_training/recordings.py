"""Recordings as the trainers want them: one channel, high-passed, at one rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from petrichor_training.errors import DataError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".w64", ".caf")


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


def read_recording(path: Path, rate: int, high_pass_hz: float) -> np.ndarray:
    """One recording, ready for windowing.

    Args:
        path: Any file that soundfile reads.
        rate: Hz wanted.
        high_pass_hz: See `high_pass`.

    Returns:
        Shape [frames] at `rate`, float32.

    Raises:
        DataError: Unreadable, empty, silent or not finite.
    """
    try:
        audio, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(path, f"cannot be read as audio: {error}") from error
    if len(audio) == 0:
        raise DataError(path, "holds no sound")
    if not np.all(np.isfinite(audio)):
        raise DataError(path, "holds values that are not finite")
    mono = high_pass(loudest_channel(audio), source_rate, high_pass_hz)
    mono = soxr.resample(mono, source_rate, rate) if source_rate != rate else mono
    if len(mono) == 0 or float(np.max(np.abs(mono))) < 1e-5:
        raise DataError(path, "is silent")
    return np.asarray(mono, dtype=np.float32)


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
