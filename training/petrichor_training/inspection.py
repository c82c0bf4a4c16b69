"""What is wrong with a recording before anybody trains on it: silence, clipping, an offset, a narrow band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from petrichor_training.recordings import loudest_channel

SILENT_DB = -70.0  # RMS of 50 ms, re full scale
FLAT = 3  # samples in a row at the highest level: no wave is so flat unless it was cut
BAND_DROP_DB = 60.0  # below the loudest part of the spectrum: where a sound's bandwidth ends
NFFT = 4096


@dataclass(frozen=True)
class Inspection:
    """Figures of one recording as it is on disk.

    Attributes:
        seconds: Length.
        rate: Hz.
        channels: 1 or more.
        peak_db: Highest sample, dB re full scale.
        rms_db: Over everything, dB re full scale.
        offset: Mean of the samples (DC), of full scale.
        clipped: Share of samples that stand flat at the highest level, 0…1.
        silent: Share of 50-ms frames without sound, 0…1.
        bandwidth_hz: Above it nothing comes within 60 dB of the spectrum's loudest part.
        correlation: Between the first two channels, -1…1; 1 where there is one.
    """

    seconds: float
    rate: int
    channels: int
    peak_db: float
    rms_db: float
    offset: float
    clipped: float
    silent: float
    bandwidth_hz: float
    correlation: float

    def remarks(self) -> list[str]:
        """Return what a person should know, in words; empty for a good recording."""
        remarks = []
        if self.clipped > 1e-4:
            remarks.append(f"clipped ({100 * self.clipped:.2f} % of the samples)")
        if abs(self.offset) > 0.01:
            remarks.append(f"offset of {self.offset:+.3f}")
        if self.silent > 0.2:
            remarks.append(f"{100 * self.silent:.0f} % silent")
        if self.bandwidth_hz < 0.35 * min(self.rate, 48_000):
            remarks.append(f"nothing above {self.bandwidth_hz / 1000:.1f} kHz")
        if self.correlation < -0.2:
            remarks.append(f"channels in opposite phase (correlation {self.correlation:.2f})")
        return remarks


def inspect(audio: np.ndarray, rate: int) -> Inspection:
    """Return the figures of a recording.

    Args:
        audio: Shape [frames, channels], one frame or more.
        rate: Hz.
    """
    loud = loudest_channel(audio)
    peak = float(np.max(np.abs(audio)))
    return Inspection(
        seconds=len(audio) / rate,
        rate=rate,
        channels=audio.shape[1],
        peak_db=_db(peak),
        rms_db=_db(float(np.sqrt(np.mean(np.square(loud, dtype=np.float64))))),
        offset=float(np.mean(loud)),
        clipped=clipped_share(loud),
        silent=silent_share(loud, rate),
        bandwidth_hz=bandwidth_hz(loud, rate),
        correlation=_correlation(audio),
    )


def _db(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-6)))


def clipped_share(sound: np.ndarray) -> float:
    """Return the share of samples in flat stretches at the highest or lowest level. `sound`: Shape [frames]"""
    if len(sound) < FLAT or np.ptp(sound) == 0:
        return 0.0
    count = 0
    for side in (sound, -sound):
        at_top = side >= side.max() * 0.9999
        # Runs of samples at the top: their starts and ends are where the padded difference is not zero.
        edges = np.flatnonzero(np.diff(np.concatenate(([0], at_top.astype(np.int8), [0]))))
        lengths = edges[1::2] - edges[::2]
        count += int(lengths[lengths >= FLAT].sum())
    return count / len(sound)


def silent_share(sound: np.ndarray, rate: int) -> float:
    """Return the share of 50-ms frames below `SILENT_DB`.

    Args:
        sound: Shape [frames].
        rate: Hz.
    """
    size = max(1, rate // 20)
    frames = sound[: max(1, len(sound) // size) * size]
    frames = frames.reshape(-1, min(size, len(frames)))
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(np.mean(power < 10 ** (SILENT_DB / 10)))


def power_spectrum(sound: np.ndarray) -> np.ndarray:
    """Return the summed power spectra of a sound's windows of `NFFT` frames. Shape [NFFT / 2 + 1]

    Args:
        sound: Shape [frames]; a shorter one is padded.
    """
    padded = np.pad(sound, (0, max(0, NFFT - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, NFFT)[:: NFFT // 2]
    power = np.zeros(NFFT // 2 + 1)
    for start in range(0, len(frames), 512):  # in parts: a long recording should not need all memory
        spectra = np.fft.rfft(frames[start : start + 512] * np.hanning(NFFT), axis=1)
        power += np.sum(np.square(np.abs(spectra)), axis=0)
    return power


def bandwidth_hz(sound: np.ndarray, rate: int) -> float:
    """Return the frequency above which nothing comes within `BAND_DROP_DB` of the spectrum's loudest part.

    Args:
        sound: Shape [frames].
        rate: Hz.
    """
    smooth = np.convolve(power_spectrum(sound), np.ones(17) / 17, "same")  # one whistling converter is no bandwidth
    if smooth.max() <= 0:
        return 0.0
    return float(np.flatnonzero(smooth > smooth.max() * 10 ** (-BAND_DROP_DB / 10))[-1] * rate / NFFT)


def _correlation(audio: np.ndarray) -> float:
    if audio.shape[1] < 2:
        return 1.0
    first, second = audio[:, 0] - audio[:, 0].mean(), audio[:, 1] - audio[:, 1].mean()
    energy = float(np.sqrt(np.sum(first**2, dtype=np.float64) * np.sum(second**2, dtype=np.float64)))
    return float(np.sum(first * second, dtype=np.float64) / energy) if energy > 0 else 1.0
