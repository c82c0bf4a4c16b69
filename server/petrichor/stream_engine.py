"""An endless sound from a network that carries its own state from hop to hop.

`StreamEngine.render` belongs to the block loop of one renderer process. All noise comes from a seeded generator, so the
same seed and the same controls give the same samples.
"""

from __future__ import annotations

import numpy as np
import soxr

from petrichor.controls import Controls
from petrichor.interpreter import Network
from petrichor.latent import generator
from petrichor.voice_file import Voice

GLIDE = 0.030  # seconds in which latent and intensity cover 63 % of a change
STATE = "state"  # tensors whose name starts so are carried from hop to hop


class StreamEngine:
    """Engine of `stream` voices."""

    def __init__(self, voice: Voice, rate: int) -> None:
        """Open and verify the network.

        Raises:
            VoiceFileError: The network is not what the voice file says, or does not work.
        """
        self._network = Network(voice)
        self._network.verify()
        info = voice.info
        self._shapes = {name: shape for name, shape in info.inputs.items() if name not in ("latent", "intensity")}
        self._conditioned = "intensity" in info.inputs
        self._keep = float(np.exp(-info.frames / (GLIDE * info.sample_rate)))
        self._resampler: soxr.ResampleStream | None = None
        if rate != info.sample_rate:
            self._resampler = soxr.ResampleStream(info.sample_rate, rate, 2, dtype="float32")
        self._latent: np.ndarray | None = None
        self._intensity = 0.0
        self._draw: tuple[int, int] | None = None
        self._noise = generator(0)
        self._state = {n: np.zeros(s, np.float32) for n, s in self._shapes.items() if n.startswith(STATE)}
        self._left = np.zeros((0, 2), np.float32)

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Engine.render`."""
        pieces, have = [self._left], len(self._left)
        while have < frames:
            piece = self._hop(controls)
            if self._resampler is not None:
                piece = self._resampler.resample_chunk(piece)
            pieces.append(piece)
            have += len(piece)
        sound = np.concatenate(pieces)
        self._left = sound[frames:]
        return sound[:frames]

    def close(self) -> None:
        """See `Engine.close`: there is no thread."""

    def _hop(self, controls: Controls) -> np.ndarray:
        """Run the network once. Shape [hop, 2], at the voice's own rate."""
        self._glide(controls)
        inputs = dict(self._state)
        for name, shape in self._shapes.items():
            if name not in inputs:
                inputs[name] = self._noise.standard_normal(shape, np.float32)
        assert self._latent is not None  # set by _glide
        inputs["latent"] = self._latent[None]
        if self._conditioned:
            inputs["intensity"] = np.full((1, 1), self._intensity, np.float32)
        outputs = self._network(inputs)
        self._state = {name: outputs[name] for name in self._state}
        sound = outputs["audio"][0]
        if not np.isfinite(sound).all():  # begin anew from silence instead of staying broken for ever
            self._state = {name: np.zeros_like(array) for name, array in self._state.items()}
            sound = np.zeros_like(sound)
        return np.ascontiguousarray(np.broadcast_to(np.clip(sound, -1.0, 1.0), (len(sound), 2)))

    def _glide(self, controls: Controls) -> None:
        if (controls.seed, controls.draw) != self._draw:
            self._draw = (controls.seed, controls.draw)
            self._noise = generator(controls.seed)
        if self._latent is None:
            self._latent, self._intensity = controls.latent.astype(np.float32), controls.intensity
            return
        keep = np.float32(self._keep)
        self._latent = keep * self._latent + (1 - keep) * controls.latent
        self._intensity = self._keep * self._intensity + (1 - self._keep) * controls.intensity
