"""An endless sound from a network that carries its own state from hop to hop.

`StreamEngine.render` belongs to the block loop of one renderer process. All noise comes from a seeded generator: the
same seed and the same controls give the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import soxr

from petrichor.controls import Controls
from petrichor.interpreter import Network
from petrichor.latent import generator
from petrichor.motion import Motion, axes_of
from petrichor.noise import Noise
from petrichor.takes import Takes
from petrichor.voice_file import Voice
from petrichor.voice_info import STATE

SETTLED = 1e-5  # of a standard deviation, or of the range of intensity: the rest of the way, taken in one step


class StreamEngine:
    """Engine of `stream` voices."""

    def __init__(self, voice: Voice, rate: int) -> None:
        """Open and verify the network.

        Raises:
            VoiceFileError: The network is not what the voice file says, or does not work.
        """
        self._networks = [Network(voice, hops) for hops in sorted({1, voice.info.hops})]
        for network in self._networks:
            network.verify()
        self.quantum = -(-voice.info.frames * rate // voice.info.sample_rate)
        self._rate = rate
        self._takes = Takes(self._begin, lambda now: now.restart, rate)

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Engine.render`."""
        return self._takes.render(controls, frames)

    @property
    def late(self) -> int:
        """See `Engine.late`."""
        return self._takes.late

    def expect(self, controls: Controls) -> None:
        """See `Engine.expect`: a take begins without delay."""

    def close(self) -> None:
        """See `Engine.close`: there is no thread."""

    def _begin(self, controls: Controls) -> StreamTake:
        return StreamTake(self._networks, self._rate, controls, self._takes.held(controls))


class StreamTake:
    """The network from a state of silence on.

    Where more than one hop is asked for and nothing moves, hops are made several at one go, by the network for that.

    Args:
        networks: For one hop; and, if there is one, for several. They keep no state between two calls, so takes may
            share them.
        rate: Hz, of the sound that is given.
        controls: Where latent and intensity start; the seed of the noise.
        held: Where the latent vector starts instead, if not None. Shape [latent_size]
    """

    ready = True

    def __init__(
        self, networks: Sequence[Network], rate: int, controls: Controls, held: np.ndarray | None = None
    ) -> None:
        """Start in silence."""
        voice = networks[0].voice
        info = voice.info
        self._one, self._several = networks[0], networks[-1]
        self._stretch = -(-self._several.hops * info.frames * rate // info.sample_rate)  # frames of several hops
        self._conditioned = "intensity" in info.inputs
        self._keep = np.float32(math.exp(-info.seconds / max(info.glide, 1e-6)))
        self._resampler: soxr.ResampleStream | None = None
        if rate != info.sample_rate:
            self._resampler = soxr.ResampleStream(info.sample_rate, rate, 2, dtype="float32")
        self._motion = Motion(axes_of(voice), info.seconds, controls, held)
        self._latent = self._motion.latent[None]
        self._intensity = np.full((1, 1), controls.intensity, np.float32)
        self._settled: Controls | None = controls if self._motion.resting else None  # whose values have been reached
        rng = generator(controls.seed)
        self._noises = {name: Noise(rng, shape) for name, shape in info.noises.items()}
        self._states = [name for name in info.inputs if name.startswith(STATE)]
        self._inputs = {name: np.zeros(info.inputs[name], np.float32) for name in self._states}
        self._left = np.zeros((0, 2), np.float32)

    @property
    def latent(self) -> np.ndarray:
        """Where the latent vector is. Shape [latent_size]"""
        return self._motion.latent

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Take.render`."""
        if len(self._left) >= frames:
            sound, self._left = self._left[:frames], self._left[frames:]
            return sound
        pieces, have = [self._left] if len(self._left) else [], len(self._left)
        while have < frames:
            moves = controls is not self._settled
            piece = self._made(self._one if moves or frames - have < self._stretch else self._several, controls)
            if self._resampler is not None:
                piece = self._resampler.resample_chunk(piece)
            pieces.append(piece)
            have += len(piece)
        sound = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        self._left = sound[frames:]
        return sound[:frames]

    def _made(self, network: Network, controls: Controls) -> np.ndarray:
        """Run a network once. Shape [its hops · hop, 2], at the voice's own rate."""
        if controls is not self._settled:
            self._glide(controls)
        inputs = self._inputs
        for name, noise in self._noises.items():
            inputs[name] = noise.next(network.hops)
        inputs["latent"] = self._latent
        if self._conditioned:
            inputs["intensity"] = self._intensity
        outputs = network(inputs)
        for name in self._states:
            inputs[name] = outputs[name]
        sound = outputs["audio"][0]
        flat = sound.reshape(-1)
        energy = float(flat.dot(flat))
        if not math.isfinite(energy):  # begin anew from silence instead of staying broken for ever
            for name in self._states:
                inputs[name] = np.zeros_like(inputs[name])
            sound = np.zeros_like(sound)
        elif energy > 1.0:  # else no sample can be beyond 1
            np.minimum(np.maximum(sound, -1.0, out=sound), 1.0, out=sound)
        return sound if sound.shape[1] == 2 else np.repeat(sound, 2, axis=1)

    def _glide(self, controls: Controls) -> None:
        """Move latent and intensity on by one hop."""
        motion, keep = self._motion, self._keep
        motion.advance(controls)
        latent, intensity = motion.latent[None], np.float32(motion.intensity)
        self._latent = keep * self._latent + (1 - keep) * latent
        self._intensity = keep * self._intensity + (1 - keep) * intensity
        left = max(float(np.abs(self._latent - latent).max()), abs(float(self._intensity[0, 0]) - float(intensity)))
        if left < SETTLED:
            self._latent, self._settled = latent, controls if motion.resting else None
            self._intensity = np.full((1, 1), intensity, np.float32)
