"""Tiny voices with random weights, so that no server test needs a trained one.

As a module it hands out voice files, building them once per cache folder. As a program (`python tiny_voices.py DIR`)
it builds the networks: that needs TensorFlow, which therefore never enters the process of the tests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from petrichor.voice_file import VoiceInfo, write_voice

BIRD = VoiceInfo(
    kind="clip",
    sample_rate=16_000,
    channels=1,
    latent_size=8,
    frames=4_000,
    signature="clip",
    inputs={"latent": (1, 8)},
    outputs={"audio": (1, 4_000)},
    intensity={"mode": "layers", "layers": 4, "rest_seconds": 1.0},
    recipe="tiny",
)
RAIN = VoiceInfo(
    kind="clip",
    sample_rate=48_000,
    channels=1,
    latent_size=16,
    frames=24_000,
    signature="clip",
    inputs={"latent": (1, 16)},
    outputs={"image": (1, 256, 256)},
    intensity={"mode": "layers", "layers": 3, "rest_seconds": 0.0},
    inversion={
        "nfft": 2048,
        "window": 1024,
        "stride": 64,
        "iterations": 30,
        "frames": 375,
        "bins": 1025,
        "log_offset": 1e-7,
        "log_min": -16.0,
        "log_max": 4.0,
    },
    recipe="tiny",
)
STREAM = VoiceInfo(
    kind="stream",
    sample_rate=48_000,
    channels=1,
    latent_size=4,
    frames=128,
    signature="step",
    inputs={"noise": (1, 128, 1), "latent": (1, 4), "intensity": (1, 1), "state_memory": (1, 128, 1)},
    outputs={"audio": (1, 128, 1), "state_memory": (1, 128, 1)},
    truncation=2.0,
    intensity={"mode": "conditioned"},
    hops=4,
    recipe="tiny",
)
INFOS = {"bird": BIRD, "rain": RAIN, "stream": STREAM}
ARRAYS = {"direction/bright": np.linspace(-1, 1, 8, dtype=np.float32)}


def build_voices(cache: Path) -> dict[str, Path]:
    """Return the tiny voice files by name, built into `cache` unless they are there.

    Args:
        cache: A folder kept between test runs. Changed sources build anew, in a folder of their own.
    """
    mark = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache / mark
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            built = Path(temporary) / "voices"
            built.mkdir()
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
            command = [sys.executable, "-W", "ignore", __file__, str(built)]
            result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if result.returncode:
                raise RuntimeError(f"tiny voices could not be built:\n{result.stdout}\n{result.stderr}")
            for name, info in INFOS.items():
                several = (built / f"{name}-{info.hops}.tflite").read_bytes() if info.hops > 1 else b""
                make_voice(built / f"{name}.voice", info, (built / f"{name}.tflite").read_bytes(), several)
            with contextlib.suppress(OSError):  # another run may have been quicker
                built.rename(folder)
    return {name: folder / f"{name}.voice" for name in INFOS}


def make_voice(path: Path, info: VoiceInfo, network: bytes, several: bytes = b"") -> Path:
    """Write one voice file and return `path`; without a network for several hops it has one for one only."""
    info = info if several else dataclasses.replace(info, hops=1)
    arrays = {name: array for name, array in ARRAYS.items() if array.shape == (info.latent_size,)}
    info = dataclasses.replace(info, directions=tuple(name.split("/")[1] for name in arrays))
    write_voice(path, info, network, arrays, "# Credits\n\nRandom weights, no recordings.\n", several)
    return path


def break_voice(source: Path, path: Path, how: str) -> Path:
    """Write a broken copy of a voice file and return `path`.

    Args:
        source: A good voice file.
        path: Where to.
        how: "truncated", "hash", "missing", "compressed", "latent" (10^9 coordinates claimed), "shape" (the network
            makes another shape than the file says), "network" (not a network) or "swapped" (another voice's network).
    """
    from petrichor.voice_file import read_voice

    data = source.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
        return path
    voice = read_voice(source)
    if how in ("shape", "network", "swapped"):
        info, network = voice.info, voice.generator
        if how == "shape":
            name, shape = next(iter(info.outputs.items()))
            frames = info.frames + 1 if shape[-1] == info.frames else info.frames  # the file agrees with itself
            outputs = {**info.outputs, name: (*shape[:-1], shape[-1] + 1)}
            info = dataclasses.replace(info, frames=frames, outputs=outputs)
        elif how == "network":
            network = b"\x1c\x00\x00\x00TFL3" + b"nonsense" * 64
        else:
            other = "rain" if info.outputs.keys() == {"audio"} else "bird"
            network = (source.parent / f"{other}.tflite").read_bytes()
        write_voice(path, info, network, voice.arrays, voice.credits, voice.hops)
        return path
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if how == "hash":
        members["CREDITS.md"] += b"forged"
    elif how == "missing":
        del members["arrays.npz"]
    elif how == "latent":
        claim = f'"latent_size": {voice.info.latent_size}'.encode()
        assert claim in members["voice.json"]
        members["voice.json"] = members["voice.json"].replace(claim, b'"latent_size": 1000000000')
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if how == "compressed" else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _networks():
    """Return the tiny networks as (name, signature, tf.Module)."""
    import tensorflow as tf

    rng = np.random.default_rng(7)

    def weights(*shape: int) -> tf.Tensor:
        return tf.constant(rng.standard_normal(shape).astype(np.float32) / np.sqrt(shape[0]))

    class Bird(tf.Module):
        hidden, out = weights(8, 32), weights(32, 4_000)

        @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32, name="latent")])
        def clip(self, latent):
            return {"audio": tf.tanh(0.3 * tf.nn.leaky_relu(latent @ self.hidden) @ self.out)}

    class Rain(tf.Module):
        rows, columns, tilt = weights(16, 256 * 8), weights(8, 256), tf.linspace(0.7, 0.4, 256)

        @tf.function(input_signature=[tf.TensorSpec((1, 16), tf.float32, name="latent")])
        def clip(self, latent):
            rows = tf.reshape(tf.tanh(latent @ self.rows), (256, 8))
            return {"image": tf.clip_by_value(self.tilt + 0.1 * tf.tanh(rows @ self.columns), 0, 1)[None]}

    class Stream(tf.Module):
        mix = weights(4, 1)

        def __init__(self, hops):
            shapes = STREAM.at_one_go(hops)[0]
            self.step = tf.function(self._step, [tf.TensorSpec(shape, name=name) for name, shape in shapes.items()])

        def _step(self, noise, latent, intensity, state_memory):
            colour = tf.reshape(tf.tanh(latent @ self.mix), (1, 1, 1))
            level = tf.reshape(0.02 + 0.1 * intensity, (1, 1, 1))
            sounds = []
            for now in tf.split(noise, noise.shape[0]):
                state_memory = 0.5 * state_memory + 0.5 * now
                sounds.append(tf.tanh(level * (state_memory + colour * now)))
            return {"audio": tf.concat(sounds, 1), "state_memory": state_memory}

    streams = [(name, "step", Stream(hops)) for name, hops in (("stream", 1), (f"stream-{STREAM.hops}", STREAM.hops))]
    return [("bird", "clip", Bird()), ("rain", "clip", Rain()), *streams]


def _build(folder: Path) -> None:
    """Write NAME.tflite for every tiny network, by way of a SavedModel: the route that works on all versions."""
    import tensorflow as tf

    for name, signature, module in _networks():
        function = getattr(module, signature).get_concrete_function()
        with tempfile.TemporaryDirectory() as temporary:
            tf.saved_model.save(module, temporary, signatures={signature: function})
            network = tf.lite.TFLiteConverter.from_saved_model(temporary, signature_keys=[signature]).convert()
        (folder / f"{name}.tflite").write_bytes(network)


if __name__ == "__main__":
    _build(Path(sys.argv[1]))
