"""Probe voices: stream voices of random weights whose sound can be recognised to the sample, for `petrichor bench`.

    python -m petrichor_training.probe server/petrichor/bench

A probe is a pure tone on top of a streaming network that costs what a small one costs: three blocks of causal
depthwise and pointwise convolutions over noise, state in and out. The network is heard at -120 dB of the tone, so that
it has to be computed and can be left out of account. Intensity is the tone's level, and silence at 0; the first
coordinate of the latent vector is its pitch, in octaves. Both move evenly from hop to hop, so whatever is not even in
the sound is the server's doing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from petrichor.voice_file import VoiceInfo, write_voice
from petrichor_training.streaming.rows import apart

RATE = 48_000
HOP = 128
LATENT_SIZE = 8
LEVEL = 0.25  # of the tone at intensity 1
PITCHES = {"probe-1": 1000.0, "probe-2": 1400.0}  # Hz at latent 0; 400 apart, so that 5 ms tell them apart
CHANNELS, BLOCKS, KERNEL, BAND = 32, 3, 3, 64  # of the network
HOPS = 8  # at one go
INFO = VoiceInfo(
    kind="stream",
    sample_rate=RATE,
    channels=1,
    latent_size=LATENT_SIZE,
    frames=HOP,
    signature="step",
    inputs={
        "noise": (1, HOP, 1),
        "latent": (1, LATENT_SIZE),
        "intensity": (1, 1),
        "state_net": (BLOCKS, KERNEL - 1, CHANNELS),
        "state_tone": (1, 3),
    },
    outputs={"audio": (1, HOP, 1), "state_net": (BLOCKS, KERNEL - 1, CHANNELS), "state_tone": (1, 3)},
    truncation=3.0,
    intensity={"mode": "conditioned"},
    hops=HOPS,
    recipe="probe",
)


class Probe(tf.Module):
    """The network.

    Args:
        pitch: Of the tone at latent 0, Hz.
        hops: That it makes at one go.
    """

    def __init__(self, pitch: float, hops: int) -> None:
        """Draw the weights, the same every time, and make the function `step`."""
        super().__init__()
        random = np.random.default_rng(5)

        def weights(*shape: int) -> tf.Tensor:
            """Draw a matrix that keeps the spread of what it is given."""
            values = random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
            return tf.constant(values.astype(np.float32))

        self.turn = 2 * np.pi * pitch / RATE  # radians in a frame at latent 0
        self.enter = weights(BAND + LATENT_SIZE, CHANNELS)
        self.depthwise = [weights(KERNEL, CHANNELS) for _ in range(BLOCKS)]
        self.widen = [weights(CHANNELS, 3 * CHANNELS) for _ in range(BLOCKS)]
        self.narrow = [weights(3 * CHANNELS, CHANNELS) for _ in range(BLOCKS)]
        self.leave = weights(CHANNELS, BAND)
        inputs, _ = INFO.at_one_go(hops)
        signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()]
        self.step = tf.function(self._step, input_signature=signature)

    def _step(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state_net: tf.Tensor, state_tone: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Make all hops; see `petrichor.voice_file` for what a stream voice is."""
        sounds = []
        for now in apart(noise):
            sound, state_net, state_tone = self._hop(now, latent, intensity, state_net, state_tone)
            sounds.append(sound)
        return {"audio": tf.concat(sounds, 1)[:, :, None], "state_net": state_net, "state_tone": state_tone}

    def _hop(
        self, noise: tf.Tensor, latent: tf.Tensor, intensity: tf.Tensor, state_net: tf.Tensor, state_tone: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Sound, Shape [1, HOP], and both states after it."""
        grain, memory = self._network(noise, latent, state_net)
        steps = tf.constant(np.arange(1, HOP + 1, dtype=np.float32)[None])
        # The tone's state: phase, level and pitch (with its octave counted from 0 in a state of silence).
        phase, level, pitch = state_tone[:, 0:1], state_tone[:, 1:2], state_tone[:, 2:3]
        now = latent[:, 0:1]
        turn = self.turn * tf.exp(np.log(2.0).astype(np.float32) * (pitch + (now - pitch) * 0.5))
        levels = level + (intensity - level) * steps / HOP
        sound = levels * (LEVEL * tf.sin(phase + turn * steps) + LEVEL * 1e-6 * tf.tanh(grain))
        turned = tf.math.floormod(phase + turn * HOP, 2 * np.pi)
        tone = tf.concat([turned, intensity, now], 1)
        return sound, memory, tone

    def _network(self, noise: tf.Tensor, latent: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the network's sound, shape [1, HOP], and its new memory."""
        frames = HOP // BAND
        signal = tf.concat([tf.reshape(noise, (frames, BAND)), tf.tile(latent, (frames, 1))], 1) @ self.enter
        memories = []
        for block in range(BLOCKS):
            seen = tf.concat([memory[block], signal], 0)
            memories.append(seen[-(KERNEL - 1) :])
            mixed = tf.add_n([seen[k : k + frames] * self.depthwise[block][k] for k in range(KERNEL)])
            signal += 0.3 * (tf.nn.relu(mixed @ self.widen[block]) @ self.narrow[block])
        return tf.reshape(signal @ self.leave, (1, HOP)), tf.stack(memories)


def build(pitch: float, hops: int = 1) -> bytes:
    """Return a probe's network, its matrices in 8 bits.

    Args:
        pitch: Of the tone at latent 0, Hz.
        hops: That it makes at one go.
    """
    probe = Probe(pitch, hops)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(probe, folder, signatures={"step": probe.step.get_concrete_function()})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["step"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        network: bytes = converter.convert()
    return network


def write(folder: Path) -> list[Path]:
    """Write every probe into a folder, and return the files."""
    files = []
    for name, pitch in PITCHES.items():
        files.append(folder / f"{name}.voice")
        credits = "# Credits\n\nRandom weights and a tone; no recordings.\n"
        write_voice(files[-1], INFO, build(pitch), {}, credits, build(pitch, HOPS))
    return files


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write the probe voices of `petrichor bench`.")
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    _main()
