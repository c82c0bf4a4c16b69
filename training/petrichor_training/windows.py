"""From one recording to training windows."""

from __future__ import annotations

import numpy as np

from petrichor_training.errors import WindowError
from petrichor_training.recordings import clarity_db
from petrichor_training.settings import PrepareSettings


def split_chunks(audio: np.ndarray, rate: int, seconds: float) -> list[np.ndarray]:
    """Cut a recording into equal chunks by the published rule.

    Args:
        audio: Shape [frames].
        rate: Hz.
        seconds: Chunk length asked for; a file of s seconds gives floor(s / seconds) chunks.

    Returns:
        Chunks of floor(frames / n) samples each; none if the recording is shorter than `seconds`.
    """
    count = int(len(audio) / rate // seconds)
    length = len(audio) // count if count else 0
    return [audio[i * length : (i + 1) * length] for i in range(count)]


def hop_windows(
    audio: np.ndarray, settings: PrepareSettings, context: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Overlapping windows whose starts stray by up to half a hop.

    Args:
        audio: Shape [frames].
        settings: Rate, window and hop.
        context: Samples after each window that its last analysis frames reach into.
        rng: Draws the strays.

    Returns:
        Windows of equal length; none if the recording is too short.
    """
    length = round(settings.split_seconds * settings.rate) + context
    hop = round(settings.hop_seconds * settings.rate)
    last = len(audio) - length
    if last < 0:
        return []
    starts = np.arange(0, last + 1, hop)
    starts = np.clip(starts + rng.integers(-(hop // 2), hop // 2 + 1, len(starts)), 0, last)
    return [audio[start : start + length] for start in starts]


def windows_of(audio: np.ndarray, settings: PrepareSettings, context: int, rng: np.random.Generator) -> np.ndarray:
    """Return the windows of a recording in which something is to be heard.

    Args:
        audio: Shape [frames], at the settings' rate.
        settings: How it is cut, and how clear a window has to be.
        context: See `hop_windows`.
        rng: See `hop_windows`.

    Returns:
        Shape [windows, frames], one window or more.

    Raises:
        WindowError: None is left, with the reason.
    """
    if settings.window == "split":
        windows = split_chunks(audio, settings.rate, settings.split_seconds)
    else:
        windows = hop_windows(audio, settings, context, rng)
    if not windows:
        seconds = len(audio) / settings.rate
        raise WindowError(f"{seconds:.2f} s long, expected at least {settings.split_seconds:g} s")
    kept = np.stack(windows)
    heard = np.sqrt(np.mean(np.square(kept), axis=1)) > 1e-5  # digital silence cannot be brought to level
    if not np.any(heard):
        raise WindowError("only silent windows")
    return _clear(kept[heard], settings.min_clarity_db)


def _clear(windows: np.ndarray, min_clarity_db: float) -> np.ndarray:
    """The windows in which something stands out."""
    if min_clarity_db <= 0:
        return windows
    clarity = clarity_db(windows)
    if not np.any(clarity >= min_clarity_db):
        raise WindowError(f"clarity at most {np.max(clarity):.1f} dB, expected at least {min_clarity_db:.1f} dB")
    return windows[clarity >= min_clarity_db]
