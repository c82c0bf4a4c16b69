"""The voice file: the one thing that training and the server share.

A voice is one zip file (stored, not compressed) named NAME.voice, so that it can be swapped atomically,
dragged and mailed. Reading runs no code from it and checks sizes before allocating, hashes, shapes and
dtypes; the network itself is checked by `petrichor.interpreter` when it is opened.

Used by training (writing) and by renderer processes and the command line (reading).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from petrichor.errors import VoiceFileError

FORMAT = 1
SUFFIX = ".voice"
KINDS = {"clip": "clip", "stream": "step"}  # kind → signature of the network
MEMBER_LIMITS = {  # bytes; the published bird at 5 s and 44.1 kHz is 907 MB, the largest network foreseen
    "voice.json": 1 << 20,
    "generator.tflite": 1 << 30,
    "arrays.npz": 64 << 20,
    "CREDITS.md": 1 << 20,
}
MAX_BYTES = sum(MEMBER_LIMITS.values()) + (1 << 20)
MAX_ENTRIES, MAX_DIRECTORY = 1024, 1 << 18  # of a zip, and bytes of its directory
END_OF_ZIP = 22 + (1 << 16)  # bytes of a zip's end record and the longest comment after it
MAX_LATENT = 4096
MAX_RATE = 192_000  # Hz
MAX_FRAMES = 60 * MAX_RATE
MAX_IMAGE = 4096  # pixels of a spectrogram image, either way
MAX_PIXELS = 1 << 24  # points of the spectrogram it stands for: 64 MB
INVERSION_FIELDS = {
    "nfft": int,
    "window": int,
    "stride": int,
    "iterations": int,
    "frames": int,
    "bins": int,
    "log_offset": float,
    "log_min": float,
    "log_max": float,
}


@dataclass(frozen=True)
class VoiceInfo:
    """What `voice.json` says about a voice.

    Attributes:
        kind: "clip" (separate clips, joined by the host) or "stream" (endless, state in and out).
        sample_rate: Hz.
        channels: 1 or 2.
        latent_size: Coordinates of the latent vector.
        frames: Frames of one clip, or the hop of a stream.
        signature: Name of the network's signature: "clip" or "step".
        inputs: Tensor name → shape. All tensors are float32.
        outputs: Tensor name → shape.
        truncation: Default truncation, in standard deviations, 0…3.
        intensity: How intensity acts, e.g. {"mode": "layers", "layers": 4, "rest_seconds": 2.5}.
        inversion: Analysis parameters of a voice whose output is a spectrogram image, else None.
        directions: Names of the latent directions; arrays "direction/NAME", shape [latent_size].
        recipe: Name of the training recipe.
        settings: Every training setting.
        steps: Training steps taken.
        figures: Quality and size figures measured at export.
        petrichor: Version of Petrichor that wrote the file.
        commit: Git commit that trained it, or "".
    """

    kind: str
    sample_rate: int
    channels: int
    latent_size: int
    frames: int
    signature: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    truncation: float = 1.0
    intensity: Mapping[str, Any] = field(default_factory=lambda: {"mode": "layers", "layers": 3, "rest_seconds": 0.0})
    inversion: Mapping[str, Any] | None = None
    directions: tuple[str, ...] = ()
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    petrichor: str = ""
    commit: str = ""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: With what was got and what was expected.
        """
        _expect(self.kind in KINDS, f"kind is {self.kind!r}, expected one of {sorted(KINDS)}")
        _expect(self.signature == KINDS[self.kind], f"signature is {self.signature!r}, expected {KINDS[self.kind]!r}")
        _expect_range("sample_rate", self.sample_rate, 1000, MAX_RATE)
        _expect_range("channels", self.channels, 1, 2)
        _expect_range("latent_size", self.latent_size, 1, MAX_LATENT)
        _expect_range("frames", self.frames, 16, MAX_FRAMES)
        _expect_range("steps", self.steps, 0, 1 << 62)
        _expect_number("truncation", self.truncation, 0.0, 3.0)
        _expect_shapes("inputs", self.inputs)
        _expect_shapes("outputs", self.outputs)
        latent = tuple(self.inputs.get("latent", ()))
        _expect(latent == (1, self.latent_size), f"input latent is {list(latent)}, expected [1, {self.latent_size}]")
        _expect_intensity(self.intensity)
        if self.inversion is not None:
            _expect_inversion(self.inversion)
        _expect_outputs(self)
        for name in ("settings", "figures"):
            _expect(isinstance(getattr(self, name), Mapping), f"{name} is not an object")
        _expect(all(isinstance(name, str) for name in self.directions), "directions are not all texts")

    @property
    def seconds(self) -> float:
        """Length of one clip or hop in seconds."""
        return self.frames / self.sample_rate

    def to_json(self) -> dict[str, Any]:
        """Return the fields as `voice.json` holds them (without the hashes)."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class Voice:
    """A voice file that was read and found sound.

    Attributes:
        path: Where it was read.
        info: What it says of itself.
        generator: The LiteRT network.
        arrays: Latent directions and statistics by name.
        credits: Credits of the recordings it was trained on (Markdown).
        version: First 12 hexadecimal digits of the hash of `voice.json`: tells two files of one name apart.
    """

    path: Path
    info: VoiceInfo
    generator: bytes
    arrays: Mapping[str, np.ndarray]
    credits: str
    version: str

    @property
    def name(self) -> str:
        """The name by which OSC addresses call the voice: the file's name without its suffix."""
        return self.path.name.removesuffix(SUFFIX)


def write_voice(
    path: Path | str, info: VoiceInfo, generator: bytes, arrays: Mapping[str, np.ndarray], credits: str
) -> None:
    """Write a voice file so that a reader sees the old file or the whole new one, never a part.

    Args:
        path: Where to; ends in `.voice`.
        info: What `voice.json` will say.
        generator: The LiteRT network.
        arrays: Numeric arrays by name; directions are "direction/NAME", shape [latent_size].
        credits: Credits of the recordings, Markdown.

    Raises:
        OSError: Where the folder is missing, the disk is full and so on; `path` is then untouched.
    """
    path = Path(path)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    members = {"generator.tflite": generator, "arrays.npz": buffer.getvalue(), "CREDITS.md": credits.encode()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    description = json.dumps({**info.to_json(), "sha256": hashes}, indent=1, ensure_ascii=False).encode()
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in {"voice.json": description, **members}.items():
                    archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_voice(path: Path | str) -> Voice:
    """Read and check a voice file.

    Args:
        path: The file.

    Returns:
        The voice, every member verified against its size, hash and declared shape.

    Raises:
        VoiceFileError: With what is wrong, whatever is wrong.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            _expect(size <= MAX_BYTES, f"has {size} bytes, at most {MAX_BYTES} allowed")
            file.seek(max(0, size - END_OF_ZIP))
            _expect_small_directory(file.read())
        with zipfile.ZipFile(path) as archive:
            members = {name: _read_member(archive, name) for name in MEMBER_LIMITS}
        description = json.loads(members["voice.json"])
        _expect(isinstance(description, dict), "voice.json is not an object")
        _check_hashes(description.pop("sha256", None), members)
        info = _parse_info(description)
        arrays = _read_arrays(members["arrays.npz"])
        for name in info.directions:
            shape = getattr(arrays.get(f"direction/{name}"), "shape", None)
            _expect(shape == (info.latent_size,), f"direction {name!r} has shape {shape}, not [{info.latent_size}]")
        credits = members["CREDITS.md"].decode()
    except VoiceFileError:
        raise
    except zipfile.BadZipFile as error:
        raise VoiceFileError(path, f"not a whole zip file ({error})") from error
    except OSError as error:
        raise VoiceFileError(path, f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a hostile zip or npz can make the library raise nearly anything
        raise VoiceFileError(path, str(error) or type(error).__name__) from error
    version = hashlib.sha256(members["voice.json"]).hexdigest()[:12]
    return Voice(path, info, members["generator.tflite"], arrays, credits, version)


def _expect(condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def _expect_range(name: str, value: Any, low: int, high: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    _expect(whole and low <= value <= high, f"{name} is {value!r}, expected a whole number {low}…{high}")


def _expect_number(name: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    _expect(number and low <= value <= high, f"{name} is {value!r}, expected a number {low}…{high}")


def _expect_shapes(name: str, shapes: Any) -> None:
    _expect(isinstance(shapes, Mapping) and bool(shapes), f"{name} is {shapes!r}, expected tensor names and shapes")
    for tensor, shape in shapes.items():
        good = isinstance(shape, (tuple, list)) and all(isinstance(n, int) and 0 < n <= MAX_FRAMES for n in shape)
        _expect(good, f"{name}.{tensor} has shape {shape!r}, expected positive whole numbers")


def _expect_intensity(intensity: Any) -> None:
    _expect(isinstance(intensity, Mapping), f"intensity is {intensity!r}, expected an object")
    mode = intensity.get("mode")
    _expect(mode in ("layers", "conditioned"), f"intensity mode is {mode!r}, expected layers or conditioned")
    if mode == "layers" or "layers" in intensity:
        _expect_range("intensity layers", intensity.get("layers"), 1, 16)
    if mode == "layers" or "rest_seconds" in intensity:
        _expect_number("intensity rest_seconds", intensity.get("rest_seconds"), 0.0, 60.0)


def _expect_outputs(info: VoiceInfo) -> None:
    outputs = {name: tuple(shape) for name, shape in info.outputs.items()}
    if info.inversion is not None:
        shape = outputs.get("image", ())
        good = info.kind == "clip" and len(shape) == 3 and shape[0] == 1 and max(shape) <= MAX_IMAGE
        _expect(good, f"output image is {list(shape)}, expected [1, rows, columns] of a clip")
        return
    whole = (1, info.frames, info.channels)
    allowed = (whole, whole[:2]) if info.kind == "clip" and info.channels == 1 else (whole,)
    _expect(outputs.get("audio") in allowed, f"output audio is {outputs.get('audio')}, expected {list(whole)}")
    states = {name: tuple(shape) for name, shape in info.inputs.items() if name.startswith("state")}
    _expect(all(outputs.get(name) == shape for name, shape in states.items()), "states differ between in and out")


def _expect_inversion(inversion: Any) -> None:
    _expect(isinstance(inversion, Mapping), f"inversion is {inversion!r}, expected an object")
    missing = sorted(set(INVERSION_FIELDS) - set(inversion))
    _expect(not missing, f"inversion lacks {missing}")
    for name, kind in INVERSION_FIELDS.items():
        if kind is int:
            _expect_range(f"inversion {name}", inversion[name], 1, 1 << 20)
        else:
            _expect_number(f"inversion {name}", inversion[name], -100.0, 100.0)
    _expect(inversion["log_min"] < inversion["log_max"], "inversion log_min is not below log_max")
    pixels = inversion["frames"] * inversion["bins"]
    _expect(pixels <= MAX_PIXELS, f"inversion has {pixels} points, at most {MAX_PIXELS} allowed")
    _expect(inversion["bins"] == inversion["nfft"] // 2 + 1, "inversion bins is not nfft / 2 + 1")
    _expect(inversion["window"] <= inversion["nfft"], "inversion window is longer than nfft")


def _expect_small_directory(end: bytes) -> None:
    """Look at what the end of a zip file says of its directory, before a directory of millions is read.

    Args:
        end: The last bytes of the file, as many as its end record and comment can have.
    """
    start = end.rfind(b"PK\5\6")
    if start < 0 or len(end) - start < 22:
        return  # no zip file: the library says so in better words
    entries, directory = struct.unpack_from("<HI", end, start + 10)
    good = entries <= MAX_ENTRIES and directory <= MAX_DIRECTORY
    _expect(good, f"its directory has {entries} entries in {directory} bytes, at most {MAX_ENTRIES} allowed")


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"member {name} is missing") from None
    _expect(entry.compress_type == zipfile.ZIP_STORED, f"member {name} is compressed, expected stored")
    limit = MEMBER_LIMITS[name]
    _expect(entry.file_size <= limit, f"member {name} claims {entry.file_size} bytes, at most {limit} allowed")
    _expect(entry.compress_size == entry.file_size, f"member {name} has two different sizes")
    return archive.read(entry)


def _check_hashes(hashes: Any, members: Mapping[str, bytes]) -> None:
    _expect(isinstance(hashes, dict), "voice.json holds no sha256 of the members")
    for name, data in members.items():
        if name != "voice.json":
            _expect(hashes.get(name) == hashlib.sha256(data).hexdigest(), f"sha256 of {name} differs")


def _parse_info(description: dict[str, Any]) -> VoiceInfo:
    version = description.pop("format", None)
    _expect(version == FORMAT, f"format is {version!r}, this Petrichor reads {FORMAT}")
    known = {f.name for f in dataclasses.fields(VoiceInfo)}
    fields = {name: value for name, value in description.items() if name in known}
    for name in ("inputs", "outputs"):
        if isinstance(fields.get(name), dict):
            fields[name] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields[name].items()}
    fields["directions"] = tuple(fields.get("directions", ()))
    try:
        return VoiceInfo(**fields)
    except TypeError as error:
        raise ValueError(f"voice.json: {error}") from error


def _read_arrays(data: bytes) -> dict[str, np.ndarray]:
    _expect_small_directory(data[-END_OF_ZIP:])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:  # an npz is a zip: look at the sizes before numpy allocates
        total = sum(entry.file_size for entry in archive.infolist())
    limit = MEMBER_LIMITS["arrays.npz"]
    _expect(total <= limit, f"arrays.npz unpacks to {total} bytes, at most {limit} allowed")
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        return {name: _numeric(name, loaded[name]) for name in loaded.files}


def _numeric(name: str, array: np.ndarray) -> np.ndarray:
    _expect(array.dtype.kind in "fiu", f"array {name!r} has dtype {array.dtype}, expected numbers")
    _expect(bool(np.isfinite(array).all()), f"array {name!r} holds values that are not finite")
    return array
