"""SavedModel to LiteRT, in a process of its own: a failing converter aborts the process it runs in.

Run as ``python -m petrichor_training.convert SAVED_MODEL SIGNATURE FOLDER KIND …``; writes FOLDER/fp32 or FOLDER/int8.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from petrichor_training.errors import ExportError

CLIP = "clip"  # the one signature of a clip voice
KINDS = ("fp32", "int8")

Save = Callable[[Path], None]


def save_model(generator: keras.Model, latent_size: int, output: str, folder: Path) -> None:
    """Write a SavedModel with the one signature that a clip voice has.

    Args:
        generator: The network as it is played.
        latent_size: Coordinates.
        output: "audio" or "image": the output tensor's name; an image keeps only its first channel.
        folder: Where to.
    """

    def clip(latent: tf.Tensor) -> dict[str, tf.Tensor]:
        """Make one clip, by the name of the output."""
        made = generator(latent, training=False)
        return {output: made[..., 0] if output == "image" else made}

    archive = keras.export.ExportArchive()
    archive.track(generator)
    specification = tf.TensorSpec((1, latent_size), tf.float32, name="latent")
    archive.add_endpoint(CLIP, clip, input_signature=[specification])
    archive.write_out(folder, verbose=False)


def convert(saved_model: Path, signature: str, out: Path, int8: bool) -> None:
    """Convert in this process.

    Args:
        saved_model: With one signature.
        signature: Its name.
        out: The .tflite file.
        int8: Store weights as 8 bits, compute with dynamic range.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=[signature])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    out.write_bytes(converter.convert())


def converted(save: Save, signature: str, kinds: Sequence[str] = KINDS) -> dict[str, bytes]:
    """A network as LiteRT.

    Args:
        save: Writes a SavedModel of it into a folder.
        signature: The only one that it has.
        kinds: Which of "fp32" and "int8".

    Returns:
        Contents of the .tflite files, by those.

    Raises:
        ExportError: The converter failed.
    """
    with tempfile.TemporaryDirectory(prefix="petrichor-export-") as name:
        folder = Path(name)
        save(folder / "saved")
        command = [sys.executable, "-m", "petrichor_training.convert", str(folder / "saved"), signature, str(folder)]
        done = subprocess.run([*command, *kinds], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExportError(f"the LiteRT converter failed with status {done.returncode}: {done.stderr[-2000:]}")
        return {kind: (folder / kind).read_bytes() for kind in kinds}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("saved_model", type=Path)
    parser.add_argument("signature")
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="+", choices=KINDS)
    options = parser.parse_args()
    for kind in options.kinds:
        convert(options.saved_model, options.signature, options.folder / kind, int8=kind == "int8")


if __name__ == "__main__":
    _main()
