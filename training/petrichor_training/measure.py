"""How a converted network differs from the trained one, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from ai_edge_litert.interpreter import Interpreter

DB = 10 / np.log(10)  # from a natural logarithm of power

Clip = Callable[[np.ndarray], np.ndarray]


def open_network(network: bytes) -> Clip:
    """A LiteRT network as a function, on one thread as in a renderer.

    Args:
        network: The .tflite file's contents, with signature ``clip``.

    Returns:
        A function from latent, Shape [1, latent_size], to the output without its batch axis.
    """
    runner = Interpreter(model_content=network, num_threads=1).get_signature_runner("clip")

    def clip(latent: np.ndarray) -> np.ndarray:
        """Make one clip."""
        (made,) = runner(latent=latent).values()
        return np.asarray(made[0])

    return clip


def snr_db(wanted: np.ndarray, got: np.ndarray) -> float:
    """Signal to difference ratio of waveforms, over all clips together.

    Args:
        wanted: Shape [count, frames].
        got: The same shape.

    Returns:
        dB; at most 150.
    """
    error = float(np.sum(np.square(wanted - got)))
    return float(10 * np.log10(float(np.sum(np.square(wanted))) / max(error, 1e-15 * wanted.size)))


def log_spectral_db(wanted: np.ndarray, got: np.ndarray) -> float:
    """RMS difference of log power spectra of waveforms, in frames of 512 samples.

    Args:
        wanted: Shape [count, frames].
        got: The same shape.

    Returns:
        dB; bins more than 60 dB below the loudest count as equally quiet.
    """
    powers = [_powers(audio) for audio in (wanted, got)]
    floor = 1e-6 * float(np.max(powers[0]))
    first, second = (np.log(power + floor) for power in powers)
    return float(DB * np.sqrt(np.mean(np.square(first - second))))


def _powers(audio: np.ndarray) -> np.ndarray:
    cut = audio[:, : audio.shape[1] // 512 * 512].reshape(len(audio), -1, 512)
    return np.square(np.abs(np.fft.rfft(cut * np.hanning(512), axis=-1)))


def image_db(wanted: np.ndarray, got: np.ndarray, log_range: float) -> float:
    """RMS difference of spectrogram images, as level.

    Args:
        wanted: Shape [count, time, frequency], 0…1.
        got: The same shape.
        log_range: Natural logarithm of power that 0…1 spans.

    Returns:
        dB.
    """
    return float(DB * log_range * np.sqrt(np.mean(np.square(wanted - got))))


def milliseconds(clip: Clip, latents: np.ndarray) -> float:
    """Median time of one clip.

    Args:
        clip: From `open_network`.
        latents: Shape [count, latent_size].

    Returns:
        ms.
    """
    times = []
    for latent in latents:
        start = time.perf_counter()
        clip(latent[None])
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)
