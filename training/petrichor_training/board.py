"""TensorBoard: curves, the epoch's sounds and their spectrograms, in the run's folder ``tensorboard``.

Watch a run with ``tensorboard --logdir run/``. TensorFlow writes it, whichever backend trains.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr
import tensorflow as tf

from petrichor_training.quality.logmel import RATE, WINDOW, log_mel
from petrichor_training.run import Run

SHOWN_DB = 70.0  # below the loudest, of spectrograms


class Board:
    """Writes what an epoch gave; called after each.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        """Open the event file."""
        self._samples = folder / "samples"
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def __call__(self, run: Run, figures: dict[str, float]) -> None:
        """Write the epoch's mean figures and, where there are, its three sounds."""
        with self._writer.as_default(step=run.epoch):
            for name, value in figures.items():
                tf.summary.scalar(name, value)
            for path in sorted(self._samples.glob(f"epoch-{run.epoch:03d}-*.wav")):
                sound, rate = soundfile.read(path, dtype="float32")
                number = path.stem.rpartition("-")[2]
                tf.summary.audio(f"sound {number}", sound[None, :, None], rate)
                tf.summary.image(f"spectrogram {number}", picture(sound, rate)[None, :, :, None])
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


def picture(sound: np.ndarray, rate: int) -> np.ndarray:
    """Return a log-mel spectrogram as a picture, the highest band above.

    Args:
        sound: Shape [frames].
        rate: Hz.

    Returns:
        0…1. Shape [bands, times]
    """
    sound = soxr.resample(sound, rate, RATE) if rate != RATE else sound
    levels = log_mel(np.pad(sound, (0, max(0, WINDOW - len(sound)))))
    return np.clip(1 + (levels - levels.max()) / SHOWN_DB, 0, 1).T[::-1].astype(np.float32)
