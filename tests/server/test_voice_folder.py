"""The voice folder: every change is told once, when the file is whole."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petrichor.bell import Bell
from petrichor.errors import MessageError
from petrichor.voice_folder import VoiceFolder
from tests.live_server import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[VoiceFolder]:
    (tmp_path / "voices").mkdir()
    hear, ring = Bell.pair()
    folder = VoiceFolder(tmp_path / "voices", ring)
    yield folder
    folder.close()
    hear.close()
    ring.close()


@pytest.fixture
def told(folder: VoiceFolder) -> Callable[[], list[str]]:
    """Wait for the next change and return the names told; [] after a while without one."""

    def wait(timeout: float = 1.5) -> list[str]:
        deadline = time.monotonic() + timeout
        while not (names := [path.name for path in folder.changed()]):
            if time.monotonic() > deadline:
                return []
            time.sleep(0.005)
        return names

    return wait


def test_written_moved_and_linked_files_are_told_once(
    folder: VoiceFolder, told: Callable[..., list[str]], tmp_path: Path
) -> None:
    (folder.path / "a.voice").write_bytes(b"1")
    assert told() == ["a.voice"]
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "b").rename(folder.path / "b.voice")
    assert told() == ["b.voice"]
    (folder.path / "c.voice").symlink_to(folder.path / "a.voice")
    assert told(5.0) == ["c.voice"]
    assert told() == []


def test_slow_writer_is_waited_for(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    with (folder.path / "slow.voice").open("wb") as file:
        for _ in range(10):
            file.write(b"x" * 1000)
            file.flush()
            assert told(0.05) == []
    assert told() == ["slow.voice"]


def test_other_names_are_ignored(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    for name in (".a.voice.123.partial", ".hidden.voice", "a.voice.tmp", "notes.txt"):
        (folder.path / name).write_bytes(b"1")
    (folder.path / "sub.voice").mkdir()
    assert told() == []


def test_known_files_and_removed_ones_are_not_told(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    path = folder.path / "a.voice"
    path.write_bytes(b"1")
    folder.note(path)
    assert told() == []
    path.unlink()
    assert told() == []


def test_changes_without_events_are_found_by_the_scan(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    folder.close()  # no event arrives any more
    (folder.path / "a.voice").write_bytes(b"1")
    assert told(10.0) == ["a.voice"]


def test_folder_that_vanishes_and_returns(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    shutil.rmtree(folder.path)
    assert told(1.2) == []
    folder.path.mkdir()
    (folder.path / "a.voice").write_bytes(b"1")
    assert told(10.0) == ["a.voice"]


def test_bell_rings(tmp_path: Path) -> None:
    hear, ring = Bell.pair()
    folder = VoiceFolder(tmp_path, ring)
    (tmp_path / "a.voice").write_bytes(b"1")
    wait_until(lambda: hear.wait(0.01), "the bell")
    folder.close()
    hear.close()
    ring.close()


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/a", "sub/a", ".a", "a.voice/.."])
def test_names_that_leave_the_folder_are_refused(folder: VoiceFolder, name: str) -> None:
    (folder.path / "a.voice").write_bytes(b"1")
    with pytest.raises(MessageError):
        folder.find("/x/load", name)


def test_names_are_found_with_and_without_suffix(folder: VoiceFolder) -> None:
    path = folder.path / "a.voice"
    path.write_bytes(b"1")
    assert folder.find("/x/load", "a") == folder.find("/x/load", "a.voice") == path


@pytest.mark.parametrize("name", ["my rain.voice", "a*.voice", "a[1].voice", "{a}.voice", "a\udcff.voice", "a\n.voice"])
def test_names_that_no_osc_address_can_hold_are_no_voices(folder: VoiceFolder, name: str) -> None:
    (folder.path / name).write_bytes(b"1")
    assert folder.files() == []
