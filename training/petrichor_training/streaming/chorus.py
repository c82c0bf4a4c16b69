"""Birds in a wood: the network that makes what is around them, and the one that makes what they sing.

Both are trained at once, on what they have in common: nothing but the recordings. What is around them is a streaming
texture, learned from the recordings without their lines.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from petrichor_training.streaming.song_network import SongNetwork, song_distance
from petrichor_training.streaming.syllables import IDENTITY
from petrichor_training.streaming.texture_distance import TextureDistance
from petrichor_training.streaming.texture_network import TextureGenerator

Tensor = Any


class ChorusGenerator(keras.Model):
    """Two networks in one: the first `IDENTITY` coordinates of its latent are a bird's, the others the texture's.

    Args:
        texture: What is around the birds.
    """

    def __init__(self, texture: TextureGenerator) -> None:
        """Make the one that sings."""
        super().__init__(name="chorus")
        self.texture = texture
        self.song = SongNetwork(IDENTITY)
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Return what is around the birds; in training, where syllables are asked for, those beside it.

        Args:
            inputs: Of the texture, its `latent` preceded by a bird's identity; in training, of the song network too.
            training: Makes no difference.

        Returns:
            Sound, Shape [batch, frames]; or `sound` and `songs`, by name.
        """
        sound = self.texture({**inputs, "latent": inputs["latent"][:, IDENTITY:]}, training=training)
        return {"sound": sound, "songs": self.song(inputs)} if "before" in inputs else sound


class ChorusDistance:
    """Between what was recorded and what is made, of both networks.

    Args:
        centre: See `TextureDistance`.
    """

    def __init__(self, centre: np.ndarray) -> None:
        """Keep the texture's."""
        self._texture = TextureDistance(centre)

    def __call__(self, real: dict[str, Tensor], made: dict[str, Tensor]) -> Tensor:
        """Return the sum of both distances. A scalar.

        Args:
            real: `sound` and `songs`: see `TextureDistance` and `song_distance`.
            made: The same.
        """
        return self._texture(real["sound"], made["sound"]) + song_distance(real["songs"], made["songs"])
