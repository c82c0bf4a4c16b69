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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from petrichor.errors import VoiceFileError
from petrichor.voice_info import FORMAT, VoiceInfo, brief, expect, quoted

__all__ = ["SUFFIX", "Voice", "VoiceInfo", "read_voice", "write_voice"]

SUFFIX = ".voice"
MEMBER_LIMITS = {  # bytes; the published bird at 5 s and 44.1 kHz is 907 MB, the largest network foreseen
    "voice.json": 1 << 20,
    "generator.tflite": 1 << 30,
    "hops.tflite": 64 << 20,  # only of streams, and only of those that have one
    "arrays.npz": 64 << 20,
    "CREDITS.md": 1 << 20,
}
MAX_BYTES = sum(MEMBER_LIMITS.values()) + (1 << 20)
MAX_MEMBERS, MAX_ARRAYS = 16, 1024  # a later Petrichor may add a member
MAX_ENTRY = 256  # bytes of a zip's directory for each member: 46 and the name
END_RECORD, LOCATOR = 22, 20  # bytes of a zip's end record, and of what leads to a ZIP64 end record, just before it


@dataclass(frozen=True)
class Voice:
    """A voice file that was read and found sound.

    Attributes:
        path: Where it was read.
        info: What it says of itself.
        generator: The LiteRT network.
        hops: The network that makes `info.hops` hops of a stream at one go, the same to the last bit; or nothing.
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
    hops: bytes = b""

    @property
    def name(self) -> str:
        """The name by which OSC addresses call the voice: the file's name without its suffix."""
        return self.path.name.removesuffix(SUFFIX)


def write_voice(
    path: Path | str,
    info: VoiceInfo,
    generator: bytes,
    arrays: Mapping[str, np.ndarray],
    credits: str,
    hops: bytes = b"",
) -> None:
    """Write a voice file so that a reader sees the old file or the whole new one, never a part.

    Args:
        path: Where to; ends in `.voice`.
        info: What `voice.json` will say.
        generator: The LiteRT network.
        arrays: Numeric arrays by name; directions are "direction/NAME", shape [latent_size].
        credits: Credits of the recordings, Markdown.
        hops: The network that makes `info.hops` hops at one go, where that is more than 1.

    Raises:
        OSError: Where the folder is missing, the disk is full and so on; `path` is then untouched.
    """
    path = Path(path)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    members = {"generator.tflite": generator, "arrays.npz": buffer.getvalue(), "CREDITS.md": credits.encode()}
    if hops:
        members["hops.tflite"] = hops
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
            expect(size <= MAX_BYTES, f"has {size} bytes, at most {MAX_BYTES} allowed")
            _expect_small_directory(file, "", MAX_MEMBERS)
            with zipfile.ZipFile(file) as archive:
                there = [name for name in MEMBER_LIMITS if name != "hops.tflite" or name in archive.NameToInfo]
                members = {name: _read_member(archive, name) for name in there}
        description = json.loads(members["voice.json"])
        expect(isinstance(description, dict), "voice.json is not an object")
        _check_hashes(description.pop("sha256", None), members)
        info = _parse_info(description)
        arrays = _read_arrays(members["arrays.npz"])
        for name in info.directions:
            shape = getattr(arrays.get(f"direction/{name}"), "shape", None)
            good = shape == (info.latent_size,)
            expect(good, f"direction {quoted(name)} has shape {shape}, expected [{info.latent_size}]")
        expect((info.hops > 1) == ("hops.tflite" in members), f"hops is {info.hops}, which hops.tflite does not fit")
        credits = members["CREDITS.md"].decode()
    except VoiceFileError:
        raise
    except zipfile.BadZipFile as error:
        raise VoiceFileError(path, brief(f"not a whole zip file ({error})")) from error
    except OSError as error:
        raise VoiceFileError(path, f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a hostile zip or npz can make the library raise nearly anything
        raise VoiceFileError(path, brief(str(error)) or type(error).__name__) from error
    version = hashlib.sha256(members["voice.json"]).hexdigest()[:12]
    return Voice(path, info, members["generator.tflite"], arrays, credits, version, members.get("hops.tflite", b""))


def _expect_small_directory(file: BinaryIO, what: str, most: int) -> None:
    """Look at what the end of a zip file says of its directory, before a directory of millions is read.

    The library looks for an end record before comments of any length, and lets a ZIP64 one overrule it. `write_voice`
    makes neither: what is allowed here leaves the library one record to go by.

    Args:
        file: The file.
        what: Begins the reasons.
        most: Entries that it may have.

    Reference:
        PKWARE, APPNOTE.TXT, 4.3.15 and 4.3.16.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LOCATOR - END_RECORD))
    end = file.read()
    locator, record = end[:-END_RECORD], end[-END_RECORD:]
    whole = len(record) == END_RECORD and record.startswith(b"PK\5\6") and record.endswith(b"\0\0")
    length = f"perhaps cut short after {size} bytes" if size else "empty"
    expect(whole, f"{what}not a whole zip file, which a voice file is: {length}")
    expect(not locator.startswith(b"PK\6\7"), f"{what}has a ZIP64 end record, expected an ordinary one only")
    entries, directory = struct.unpack_from("<HI", record, 10)
    got, expected = f"{entries} entries in {directory} bytes", f"{most} and {most * MAX_ENTRY} bytes"
    good = entries <= most and directory <= most * MAX_ENTRY
    expect(good, f"{what}its directory has {got}, at most {expected} allowed")


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"member {name} is missing") from None
    expect(entry.compress_type == zipfile.ZIP_STORED, f"member {name} is compressed, expected stored")
    limit = MEMBER_LIMITS[name]
    expect(entry.file_size <= limit, f"member {name} claims {entry.file_size} bytes, at most {limit} allowed")
    expect(entry.compress_size == entry.file_size, f"member {name} has two different sizes")
    return archive.read(entry)


def _check_hashes(hashes: Any, members: Mapping[str, bytes]) -> None:
    expect(isinstance(hashes, dict), "voice.json holds no sha256 of the members")
    for name, data in members.items():
        if name != "voice.json":
            expect(hashes.get(name) == hashlib.sha256(data).hexdigest(), f"sha256 of {name} differs")


def _parse_info(description: dict[str, Any]) -> VoiceInfo:
    version = description.pop("format", None)
    expect(version == FORMAT, f"format is {quoted(version)}, this Petrichor reads {FORMAT}")
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
    _expect_small_directory(io.BytesIO(data), "arrays.npz: ", MAX_ARRAYS)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:  # an npz is a zip: look at the sizes before numpy allocates
        total = sum(entry.file_size for entry in archive.infolist())
    limit = MEMBER_LIMITS["arrays.npz"]
    expect(total <= limit, f"arrays.npz unpacks to {total} bytes, at most {limit} allowed")
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        return {name: _numeric(name, loaded[name]) for name in loaded.files}


def _numeric(name: str, array: np.ndarray) -> np.ndarray:
    expect(array.dtype.kind in "fiu", f"array {quoted(name)} has dtype {quoted(array.dtype)}, expected numbers")
    expect(bool(np.isfinite(array).all()), f"array {quoted(name)} holds values that are not finite")
    return array
