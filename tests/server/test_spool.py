"""Copies of the voices that play: kept while they are needed, whatever happens to the folder of temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from petrichor.segment import PREFIX
from petrichor.spool import Spool, copy_voice, remove_stale_spools


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def spool(temporary: Path) -> Iterator[Spool]:
    with closing(Spool()) as spool:
        yield spool


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "a.voice"
    path.write_bytes(b"voice")
    return path


def test_only_what_is_needed_is_kept(spool: Spool, voice: Path) -> None:
    copies = [copy_voice(voice, spool.path / f"a-{i}.voice") for i in range(3)]
    (spool.path / "folder").mkdir()  # not ours, and no reason to stop
    spool.keep({copies[1]})
    assert [path.name for path in spool.path.glob("*.voice")] == ["a-1.voice"]
    spool.close()
    assert not spool.path.exists()


def test_folder_that_was_cleaned_away_is_made_anew(spool: Spool, voice: Path) -> None:
    """As by a cleaner of old temporary files."""
    shutil.rmtree(spool.path)
    spool.keep(set())
    copy = spool.path / "a-1.voice"
    assert copy_voice(voice, copy) == copy
    assert copy.read_bytes() == b"voice"
    assert spool.path.stat().st_mode & 0o777 == 0o700
    spool.keep({copy})
    assert copy.exists()


def test_where_no_copy_can_be_made_the_file_itself_is_read(spool: Spool, voice: Path, tmp_path: Path) -> None:
    assert copy_voice(tmp_path / "missing.voice", spool.path / "b-1.voice") == tmp_path / "missing.voice"
    shutil.rmtree(spool.path)
    spool.path.write_bytes(b"in the way")
    assert copy_voice(voice, spool.path / "a-1.voice") == voice
    spool.keep(set())
    spool.path.unlink()
    (tmp_path / "elsewhere").mkdir()
    spool.path.symlink_to(tmp_path / "elsewhere")  # somebody else's work
    assert copy_voice(voice, spool.path / "a-1.voice") == voice
    assert not list((tmp_path / "elsewhere").iterdir())
    spool.path.unlink()


def test_spools_of_dead_servers_are_removed_and_foreign_names_left_alone(temporary: Path, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    ours = temporary / f"{PREFIX}{dead.pid}-ab"
    kept = [temporary / f"{PREFIX}{name}" for name in (f"{os.getpid()}-ab", "²-x", f"{'9' * 20}-x", "-x")]
    for path in (ours, *kept):
        path.mkdir()
    (tmp_path / "elsewhere").mkdir()
    link = temporary / f"{PREFIX}{dead.pid}-link"
    link.symlink_to(tmp_path / "elsewhere")
    remove_stale_spools()
    assert sorted(temporary.iterdir()) == sorted([*kept, link])
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_spools_of_others_are_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    theirs = temporary / f"{PREFIX}{dead.pid}-ab"
    theirs.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: theirs.stat().st_uid + 1)
    remove_stale_spools()
    assert theirs.is_dir()
