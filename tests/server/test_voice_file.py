"""The voice file: what is written is read, and nothing else is."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petrichor.errors import VoiceFileError
from petrichor.voice_file import Voice, read_voice, write_voice
from tests.server.voice_parts import HUGE, INFO

ARRAYS = {"direction/loud": np.arange(4, dtype=np.float32)}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "# Crédits")
    voice = read_voice(path)
    assert (voice.name, voice.info, voice.generator, voice.credits) == ("wren", INFO, b"network", "# Crédits")
    np.testing.assert_array_equal(voice.arrays["direction/loud"], ARRAYS["direction/loud"])
    assert [p.name for p in tmp_path.iterdir()] == ["wren.voice"], "a temporary file was left behind"


def test_a_network_for_several_hops_is_there_where_it_is_told_of(tmp_path: Path, voices: dict[str, Voice]) -> None:
    path, stream = tmp_path / "wren.voice", voices["stream"]
    write_voice(path, stream.info, b"one", {"direction/loud": np.zeros(4)}, "", b"several")
    assert (read_voice(path).generator, read_voice(path).hops) == (b"one", b"several")
    for info, several in ((stream.info, b""), (dataclasses.replace(stream.info, hops=1), b"several")):
        write_voice(path, info, b"one", {}, "", several)
        with pytest.raises(VoiceFileError, match=r"hops is \d, which hops\.tflite does not fit"):
            read_voice(path)


def test_same_content_same_bytes(tmp_path: Path) -> None:
    for name in ("one.voice", "two.voice"):
        write_voice(tmp_path / name, INFO, b"network", ARRAYS, "")
    assert (tmp_path / "one.voice").read_bytes() == (tmp_path / "two.voice").read_bytes()


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_voice(path, INFO, "not bytes", ARRAYS, "")  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_voices_that_come_with_it_are_sound() -> None:
    for path in (Path(__file__).parents[2] / "voices").glob("*.voice"):
        assert read_voice(path).info.frames > 0


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> None:
    """Change the members of a voice file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def describe(**changes: object) -> Callable[[dict[str, bytes]], None]:
    """Return a change of `voice.json`."""

    def change(members: dict[str, bytes]) -> None:
        members["voice.json"] = json.dumps({**json.loads(members["voice.json"]), **changes}).encode()

    return change


def with_arrays(data: bytes) -> Callable[[dict[str, bytes]], None]:
    """Return a change of the arrays, with a fitting hash."""

    def change(members: dict[str, bytes]) -> None:
        members["arrays.npz"] = data
        hashes = json.loads(members["voice.json"])["sha256"]
        hashes["arrays.npz"] = hashlib.sha256(data).hexdigest()
        describe(sha256=hashes)(members)

    return change


def pickled(members: dict[str, bytes]) -> None:
    """Put an array of Python objects in, with a fitting hash."""
    buffer = io.BytesIO()
    np.savez(buffer, evil=np.array([{}], dtype=object))
    with_arrays(buffer.getvalue())(members)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda members: members.pop("CREDITS.md"), "CREDITS.md is missing"),
        (lambda members: members.update({"generator.tflite": b"another"}), "sha256 of generator.tflite differs"),
        (lambda members: members.update({"voice.json": b"[]"}), "not an object"),
        (lambda members: members.update({"voice.json": b"{"}), "Expecting"),
        (describe(format=2), "format is 2"),
        (describe(sha256=None), "no sha256"),
        (describe(latent_size=10**9), "latent_size is 1000000000"),
        (describe(directions=["quiet"]), "'quiet'"),
        (pickled, "pickle"),
    ],
)
def test_broken_members_are_refused(tmp_path: Path, change: Callable[[dict[str, bytes]], None], reason: str) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    rewrite(path, change)
    with pytest.raises(VoiceFileError, match=reason):
        read_voice(path)


@pytest.mark.parametrize("what", ["format", "directions", "array"])
def test_reasons_of_whole_files_are_short_too(tmp_path: Path, what: str) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    if what == "array":
        strange = np.zeros(1, [(f"field_{i}", "f4") for i in range(300)])
        buffer = io.BytesIO()
        np.savez(buffer, strange=strange)
        rewrite(path, with_arrays(buffer.getvalue()))
    else:
        rewrite(path, describe(**{what: [HUGE[:300_000]]}))
    with pytest.raises(VoiceFileError) as error:
        read_voice(path)
    assert 0 < len(error.value.reason.encode()) < 400


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.voice"
    write_voice(path, INFO, b"0" * 100_000, ARRAYS, "")
    rewrite(path, lambda members: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(VoiceFileError, match="compressed"):
        read_voice(path)


def test_directories_of_millions_are_not_even_read(tmp_path: Path) -> None:
    """46 bytes each: a file within its size limit could hold twenty million, minutes and gigabytes to read."""
    path = tmp_path / "bomb.voice"
    entry = b"PK\1\2" + bytes(42) + b"a"
    count = 2_000_000
    with path.open("wb") as file:
        file.write(entry * count)
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, 0, 0))
    begin = time.monotonic()
    with pytest.raises(VoiceFileError, match="its directory has"):
        read_voice(path)
    assert time.monotonic() - begin < 5

    write_voice(tmp_path / "wren.voice", INFO, b"network", ARRAYS, "")
    rewrite(tmp_path / "wren.voice", with_arrays(path.read_bytes()[-(60 << 20) :]))
    with pytest.raises(VoiceFileError, match="its directory has"):
        read_voice(tmp_path / "wren.voice")


def enlarged_end(entry: bytes, count: int) -> bytes:
    """Return a ZIP64 end record that tells of many entries, and an ordinary one that tells of none."""
    size = len(entry) * count
    large = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, size, 1)
    return entry * count + large + locator + b"PK\5\6" + bytes(18)


def test_end_records_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """The library believes a ZIP64 end record, whatever the ordinary one says."""
    path = tmp_path / "wren.voice"
    many = enlarged_end(b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"a", 400_000)
    path.write_bytes(many)
    with pytest.raises(VoiceFileError, match="ZIP64"):
        read_voice(path)
    write_voice(path, INFO, b"network", ARRAYS, "")
    rewrite(path, with_arrays(many))
    with pytest.raises(VoiceFileError, match=r"arrays.npz.*ZIP64"):
        read_voice(path)


def test_zip_files_with_more_than_a_voice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    rewrite(path, lambda members: members.update({"LICENSE": b"one more, of a later Petrichor"}))
    assert read_voice(path).info == INFO
    rewrite(path, lambda members: members.update({f"{i}": b"" for i in range(100)}))
    with pytest.raises(VoiceFileError, match=r"its directory has 105 entries .*, at most 16 "):
        read_voice(path)
    write_voice(path, INFO, b"network", ARRAYS, "")
    rewrite(path, lambda members: members.update({"a" * 5000: b""}))
    with pytest.raises(VoiceFileError, match=r"its directory has 5 entries in .* bytes, .* 4096 bytes allowed"):
        read_voice(path)


def test_end_record_has_to_be_the_end(tmp_path: Path) -> None:
    """With a comment, or something after it, there could be another."""
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment"
    with pytest.raises(VoiceFileError, match="not a whole zip file"):
        read_voice(path)


def test_bombs_in_arrays_and_descriptions_are_refused(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("huge.npy", bytes(200 << 20))

    def deep(members: dict[str, bytes]) -> None:
        members["voice.json"] = b"[" * 500_000

    for change, reason in ((with_arrays(bomb.getvalue()), "unpacks to"), (deep, ".")):
        path = tmp_path / "wren.voice"
        write_voice(path, INFO, b"network", ARRAYS, "")
        rewrite(path, change)
        with pytest.raises(VoiceFileError, match=reason):
            read_voice(path)


def test_huge_files_are_refused_by_their_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.voice"
    with path.open("wb") as file:
        file.truncate(1 << 33)  # a hole: it takes no room
    with pytest.raises(VoiceFileError, match="bytes, at most"):
        read_voice(path)


def test_no_length_of_a_truncated_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "wren.voice"
    write_voice(path, INFO, b"network", ARRAYS, "")
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(VoiceFileError):
            read_voice(path)


@pytest.mark.parametrize("name", ["missing.voice", "."])
def test_unreadable_paths_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VoiceFileError, match="cannot be read"):
        read_voice(tmp_path / name)
