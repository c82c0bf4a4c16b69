"""The voice folder: every change is told once, when the file is whole."""

from __future__ import annotations

import errno
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


def test_slow_writer_is_waited_for_without_events_too(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    """As on a network folder: told once, when it is whole."""
    folder.close()
    with (folder.path / "slow.voice").open("wb") as file:
        for _ in range(20):
            file.write(b"x")
            file.flush()
            assert told(0.2) == []
    assert told(10.0) == ["slow.voice"]
    assert told() == []


def test_folder_that_vanishes_and_returns(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    shutil.rmtree(folder.path)
    assert told(1.2) == []
    folder.path.mkdir()
    (folder.path / "a.voice").write_bytes(b"1")
    assert told(10.0) == ["a.voice"]


def test_folder_that_returned_is_watched_again(folder: VoiceFolder, told: Callable[..., list[str]]) -> None:
    """Not only scanned: what happens in it is told sooner than a scan would, once the scan has seen that it is back."""
    away = folder.path.with_name("away")
    folder.path.rename(away)
    assert told(1.2) == []
    away.rename(folder.path)
    assert told(1.2) == []
    folder.path.rename(away)
    folder.path.mkdir()  # another folder in its place
    assert told(1.2) == []
    folder._next_scan = time.monotonic() + 60
    (folder.path / "a.voice").write_bytes(b"1")
    assert told() == ["a.voice"]


def test_no_events_to_be_had_is_said_and_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the system has no watches left."""
    monkeypatch.setattr("petrichor.voice_folder.Observer", _NoWatches)
    hear, ring = Bell.pair()
    folder = VoiceFolder(tmp_path, ring)
    assert "no space left on device" in caplog.text
    assert "scanned every" in caplog.text
    (tmp_path / "a.voice").write_bytes(b"1")
    found: list[Path] = []
    wait_until(lambda: found.extend(folder.changed()) or found, "the scan")
    assert [path.name for path in found] == ["a.voice"]
    folder.close()
    hear.close()
    ring.close()


class _NoWatches:
    def start(self) -> None:
        pass

    def is_alive(self) -> bool:
        return False

    def unschedule_all(self) -> None:
        pass

    def schedule(self, *_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")


def test_links_that_point_elsewhere_and_targets_that_change_are_told(
    folder: VoiceFolder, told: Callable[..., list[str]], tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(name.encode())
    link = folder.path / "a.voice"
    link.symlink_to(tmp_path / "one")
    assert told(5.0) == ["a.voice"]
    (tmp_path / "next").symlink_to(tmp_path / "other")
    (tmp_path / "next").replace(link)
    assert told(5.0) == ["a.voice"]
    (tmp_path / "other").write_bytes(b"changed")
    assert told(5.0) == ["a.voice"]
    (tmp_path / "other").unlink()  # the link leads nowhere
    assert told() == []
    assert [path.name for path in folder.gone()] == ["a.voice"]


def test_renamed_file_is_gone_under_one_name_and_new_under_the_other(
    folder: VoiceFolder, told: Callable[..., list[str]]
) -> None:
    (folder.path / "a.voice").write_bytes(b"1")
    assert told() == ["a.voice"]
    (folder.path / "a.voice").rename(folder.path / "b.voice")
    assert told() == ["b.voice"]
    folder._next_scan = 0.0
    assert told(0.1) == []
    assert [path.name for path in folder.gone()] == ["a.voice"]
    assert folder.gone() == []


@pytest.mark.parametrize("name", ["master.voice", "audio.voice", "x" * 65 + ".voice"])
def test_reserved_and_long_names_are_no_voices(folder: VoiceFolder, name: str) -> None:
    (folder.path / name).write_bytes(b"1")
    assert folder.files() == []


def test_entry_that_cannot_be_looked_at_hides_no_other(folder: VoiceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a link into a folder that is shut, or a file of a network folder that has gone stale."""
    for name in ("a.voice", "b.voice", "c.voice"):
        (folder.path / name).write_bytes(b"1")
    is_file = Path.is_file

    def stale(path: Path) -> bool:
        if path.name == "b.voice":
            raise OSError(errno.ESTALE, "Stale file handle")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", stale)
    assert [path.name for path in folder.files()] == ["a.voice", "c.voice"]
    with pytest.raises(MessageError, match="there: a, c"):
        folder.find("/x/load", "b")


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
def test_names_that_no_osc_address_can_hold_are_no_voices(
    caplog: pytest.LogCaptureFixture, folder: VoiceFolder, name: str
) -> None:
    (folder.path / name).write_bytes(b"1")
    assert folder.files() == []
    assert all(record.getMessage().isprintable() for record in caplog.records), "a log is for terminals and files"


def test_file_that_cannot_be_a_voice_by_its_name_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, folder: VoiceFolder
) -> None:
    for name in ("my bird.voice", "master.voice", ".hidden.voice", "good.voice"):
        (folder.path / name).write_bytes(b"x")
    for _ in range(3):
        assert [path.name for path in folder.files()] == ["good.voice"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert any(text.startswith("my bird.voice is not played") and "no space" in text for text in told)
    assert any(text.startswith("master.voice is not played") and "they mean something else" in text for text in told)
