"""From a spectrogram image back to sound, for voices whose network draws images (the rain).

Two ways, pure functions of one thread:

- `Inverter`, what the server uses: the image is resized by two matrix products straight to the frames of a coarser
  analysis, and a few rounds of fast Griffin-Lim from a seeded random phase find the waveform.
- `griffin_lim`, the published method (2048/1024/64, 30 rounds), kept as the reference that tests measure against.

References:
    D. Griffin and J. Lim, Signal estimation from modified short-time Fourier transform, 1984.
    N. Perraudin, P. Balazs and P. Soendergaard, A fast Griffin-Lim algorithm, 2013.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from petrichor.mel import from_mel_matrix

# numpy's FFT keeps Python's lock: 32 frames of 1024 take 0.1 ms, so the block loop beside is never held up.
FFT_FRAMES = 32
MOMENTUM = 0.99  # Perraudin et al.'s recommendation
ROUNDS = 6  # 0.99 dB log-mel error on real rain in 12 ms; the published 30 reach 0.76 dB in 270 ms
THIN = 2  # the server's analysis keeps every second frame and bin of the published one


@dataclass(frozen=True)
class Analysis:
    """How the images of a voice were made: the `inversion` entry of its voice file.

    Attributes:
        nfft: FFT size, samples.
        window: Hann window, samples; zero-padded to `nfft`.
        stride: Samples between frames.
        iterations: Rounds of the published Griffin-Lim.
        frames: Frames of the full spectrogram.
        bins: Frequency bins of the full spectrogram, nfft / 2 + 1.
        log_offset: Offset of the logarithm: the image holds log(S² + log_offset), scaled.
        log_min: Logarithm that an image value of 0 stands for.
        log_max: Logarithm that an image value of 1 stands for.
        mel_rate: Hz. The image's columns are evenly spaced in mel up to half of it; 0 = evenly spaced in Hz.
    """

    nfft: int
    window: int
    stride: int
    iterations: int
    frames: int
    bins: int
    log_offset: float
    log_min: float
    log_max: float
    mel_rate: int = 0

    @classmethod
    def from_info(cls, inversion: Mapping[str, Any]) -> Analysis:
        """Pick the fields out of a voice file's `inversion` entry."""
        return cls(**{field.name: inversion[field.name] for field in fields(cls) if field.name in inversion})

    def columns_matrix(self, columns: int) -> np.ndarray:
        """Return the matrix from an image's columns to the bins of the full spectrum. Shape [bins, columns]"""
        if self.mel_rate:
            return from_mel_matrix(columns, self.bins, self.mel_rate)
        return area_matrix(columns, self.bins)

    def magnitude(self, resized: np.ndarray) -> np.ndarray:
        """Undo scaling and logarithm. Image values 0…1 → magnitudes S, any shape, float32."""
        logs = resized * np.float32(self.log_max - self.log_min) + np.float32(self.log_min)
        return np.sqrt(np.maximum(np.exp(logs) - np.float32(self.log_offset), 0.0))


class Inverter:
    """The fast way: image to waveform with half the frames and bins of the published analysis.

    Attributes:
        analysis: How the images were made.
        keep: The samples of the inverted waveform that are reliable (the ends lack overlapping frames).
    """

    def __init__(self, analysis: Analysis, rows: int, columns: int, rounds: int = ROUNDS) -> None:
        """Prepare the resizing matrices and windows for images of `rows` (time) × `columns` (frequency).

        Args:
            analysis: How the images were made.
            rows: Image size along time.
            columns: Image size along frequency.
            rounds: Rounds of fast Griffin-Lim.
        """
        self.analysis = analysis
        self.rounds = rounds
        self.nfft = max(analysis.window, analysis.nfft // THIN)
        self.stride = analysis.stride * THIN
        self._rows = area_matrix(rows, analysis.frames)[::THIN]
        self._columns = analysis.columns_matrix(columns)[:: analysis.nfft // self.nfft].T.copy()
        self.frames = len(self._rows)
        self._window = hann(analysis.window)
        self._synthesis = synthesis_window(self._window, self.stride)
        samples = (self.frames - 1) * self.stride + analysis.window
        lead, tail = analysis.window // 2, analysis.window // 2
        self.keep = slice(lead, min(samples - tail, analysis.frames * analysis.stride - tail))

    def target(self, image: np.ndarray) -> np.ndarray:
        """Return the magnitudes that the waveform should have. Shape [rows, columns] → [frames, nfft / 2 + 1]"""
        return self.analysis.magnitude(self._rows @ image @ self._columns)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Find a waveform for an image.

        Args:
            image: 0…1, first frame and lowest bin first. Shape [rows, columns]
            rng: Where the first phases come from.

        Returns:
            The reliable middle of the waveform, float32. Shape [frames]
        """
        target = self.target(np.asarray(image, np.float32))
        start = rng.random(target.shape, np.float32) * np.float32(2 * np.pi)
        guess = np.empty(target.shape, np.complex64)
        guess.real, guess.imag = np.cos(start), np.sin(start)
        guess *= target
        previous = np.zeros_like(guess)
        for _ in range(self.rounds):
            consistent = self._analyse(self._synthesise(guess))
            previous -= consistent
            previous *= np.float32(-MOMENTUM)
            previous += consistent  # consistent + momentum · (consistent - last consistent)
            size = np.abs(previous)
            np.maximum(size, np.float32(1e-12), out=size)
            np.divide(target, size, out=size)
            np.multiply(previous, size, out=guess)
            previous = consistent
        return self._synthesise(guess)[self.keep]

    def _analyse(self, samples: np.ndarray) -> np.ndarray:
        return spectrum(samples, self._window, self.stride, self.nfft)

    def _synthesise(self, frames: np.ndarray) -> np.ndarray:
        return overlap_add(frames, self._synthesis, self.stride, self.nfft)


def griffin_lim(
    magnitude: np.ndarray,
    analysis: Analysis,
    rounds: int | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The published inversion: plain Griffin-Lim on the full spectrogram.

    Args:
        magnitude: Shape [analysis.frames, analysis.bins]
        analysis: Window, stride and FFT size.
        rounds: Instead of `analysis.iterations`.
        rng: Starts from random phases; without it from zero phase, as published.

    Returns:
        float32. Shape [(frames - 1) * stride + window]
    """
    window = hann(analysis.window)
    synthesis = synthesis_window(window, analysis.stride)
    guess = magnitude.astype(np.complex64)
    if rng is not None:
        guess *= np.exp(2j * np.pi * rng.random(magnitude.shape)).astype(np.complex64)
    for _ in range(analysis.iterations if rounds is None else rounds):
        samples = overlap_add(guess, synthesis, analysis.stride, analysis.nfft)
        consistent = spectrum(samples, window, analysis.stride, analysis.nfft)
        guess = magnitude * consistent / np.maximum(np.abs(consistent), np.float32(1e-8))
    return overlap_add(guess, synthesis, analysis.stride, analysis.nfft)


def spectrum(samples: np.ndarray, window: np.ndarray, stride: int, nfft: int) -> np.ndarray:
    """Short-time Fourier transform without padding. Shape [samples] → [frames, nfft / 2 + 1], complex64"""
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::stride]
    result = np.empty((len(frames), nfft // 2 + 1), np.complex64)
    for start in range(0, len(frames), FFT_FRAMES):
        chunk = slice(start, start + FFT_FRAMES)
        result[chunk] = np.fft.rfft(frames[chunk] * window, nfft)
    return result


def overlap_add(frames: np.ndarray, synthesis: np.ndarray, stride: int, nfft: int) -> np.ndarray:
    """Inverse of `spectrum`. Shape [frames, nfft / 2 + 1] → [(frames - 1) * stride + window], float32"""
    window, count = len(synthesis), len(frames)
    steps = window // stride
    pieces = np.empty((count, steps, stride), np.float32)
    for start in range(0, count, FFT_FRAMES):
        chunk = slice(start, start + FFT_FRAMES)
        waves = np.fft.irfft(frames[chunk], nfft)[:, :window]
        pieces[chunk] = (waves * synthesis).reshape(-1, steps, stride)
    out = np.zeros((count - 1 + steps, stride), np.float32)
    for step in range(steps):
        out[step : step + count] += pieces[:, step]
    return out.reshape(-1)


def hann(size: int) -> np.ndarray:
    """Periodic Hann window, float32, as `tf.signal.hann_window`. Shape [size]"""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def synthesis_window(window: np.ndarray, stride: int) -> np.ndarray:
    """Return the window whose overlap-add undoes `window`; its length must be a multiple of `stride`."""
    if len(window) % stride:
        raise ValueError(f"window is {len(window)} samples, expected a multiple of the stride {stride}")
    power = (window.astype(np.float64) ** 2).reshape(-1, stride).sum(axis=0)
    return (window / np.tile(power, len(window) // stride)).astype(np.float32)


def area_matrix(size: int, wanted: int) -> np.ndarray:
    """Return the matrix of area interpolation: each output is the mean of the inputs that it covers.

    Args:
        size: Input points.
        wanted: Output points.

    Returns:
        Rows sum to 1, float32. Shape [wanted, size]
    """
    edges = np.arange(wanted + 1) * (size / wanted)
    cells = np.arange(size)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    overlap = np.maximum(overlap, 0.0)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
