"""A network that sings on: from what a bird sang before, and who it is, to its next syllable and the pause after it.

Which syllables come again, which are varied and how long a phrase is follows from that: every syllable depends on the
last three. It is trained by an energy distance, so that what may follow is spread as it is in the recordings.

Reference:
    Székely & Rizzo 2013 (energy distance).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from petrichor_training.streaming.syllables import BEFORE, COUNTS, HEIGHT, LEVEL, NUMBERS, PITCH, Songs

Tensor = Any

WIDTH = 128
CHANCE = 12  # Gaussian numbers that a syllable is drawn from
LEAK = 0.2
BATCH = 128  # syllables in a step
STRAY = 0.1  # spread of what is added to what was sung before, so that a song goes on from its own mistakes
STRAY_IDENTITY = 0.15
LAYERS = ("song_enter", "song_dense", "song_leave")


class SongNetwork(keras.Model):
    """From past, identity and chance to the next syllable.

    Args:
        coordinates: Of a bird's identity.
    """

    def __init__(self, coordinates: int) -> None:
        """Make the weights."""
        super().__init__(name="song")
        self.coordinates = coordinates
        sizes = (BEFORE * NUMBERS + coordinates + CHANCE, WIDTH, WIDTH, NUMBERS)
        self._named: dict[str, keras.Variable] = {}
        for name, rows, columns, gain in zip(LAYERS, sizes[:-1], sizes[1:], (1.4, 1.4, 0.5), strict=True):
            start = keras.initializers.RandomNormal(0.0, gain / np.sqrt(rows))
            self._named[name] = self.add_weight(shape=(rows, columns), initializer=start, name=name)
            self._named[f"{name}_bias"] = self.add_weight(shape=(columns,), initializer="zeros", name=f"{name}_bias")
        self.built = True

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name."""
        return {name: ops.convert_to_numpy(variable) for name, variable in self._named.items()}

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Return syllables, in units of their spread. Shape [batch, NUMBERS]

        Args:
            inputs: `before`, Shape [batch, BEFORE · NUMBERS]; `identity`, Shape [batch, coordinates]; `chance`, Shape
                [batch, CHANCE]
            training: Makes no difference.
        """
        del training
        signal = ops.concatenate((inputs["before"], inputs["identity"], inputs["chance"]), axis=1)
        for name in LAYERS:
            signal = signal if name == LAYERS[0] else ops.leaky_relu(signal, LEAK)
            signal = ops.matmul(signal, self._named[name]) + self._named[f"{name}_bias"]
        return signal


def draw_songs(rng: np.random.Generator, songs: Songs, count: int = BATCH) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return syllables that were sung beside those before them, and what two more of each are made from.

    Args:
        rng: Where randomness comes from.
        songs: What was sung.
        count: Syllables.

    Returns:
        Shape [count, 2 · NUMBERS], and the network's inputs, Shape [2 · count, …]: the two of each beside one another
    """
    chosen = rng.choice(len(songs.after), count, p=songs.shares / songs.shares.sum())
    before = songs.before[chosen] + STRAY * rng.standard_normal((count, BEFORE * NUMBERS), np.float32)
    identities = songs.identities[chosen]
    identities = identities + STRAY_IDENTITY * rng.standard_normal(identities.shape, np.float32)
    inputs = {
        "before": np.repeat(before, 2, axis=0),
        "identity": np.repeat(identities, 2, axis=0),
        "chance": rng.standard_normal((2 * count, CHANCE), np.float32),
    }
    return np.concatenate((songs.after[chosen], before[:, :NUMBERS]), axis=1), inputs


def song_distance(sung: Tensor, made: Tensor) -> Tensor:
    """Return the energy distance of syllables, whole and by their parts, and of their steps. A scalar.

    Args:
        sung: Syllables beside those before them. Shape [batch, 2 · NUMBERS]
        made: Two of each, beside one another. Shape [2 · batch, NUMBERS]
    """
    real, before = sung[:, :NUMBERS] * COUNTS, sung[:, NUMBERS:] * COUNTS
    one, other = made[::2] * COUNTS, made[1::2] * COUNTS
    total = 0.0
    for part in (slice(0, NUMBERS), slice(HEIGHT, NUMBERS), PITCH, LEVEL):
        parts = [each[:, part] for each in (real, one, other)]
        total = total + _energy(*parts)
    # How far a syllable is from the last one: whether a bird repeats itself.
    return total + _energy(*(_length(each - before)[:, None] for each in (real, one, other)))


def _energy(real: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return ops.mean(_length(real - one) + _length(real - other) - _length(one - other))


def _length(rows: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(rows), axis=1) + 1e-6)
