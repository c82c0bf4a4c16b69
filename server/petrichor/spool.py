"""Private copies of the voice files that play, so that a renderer that dies comes back with the sound that was heard,
whatever has become of the file. Made by renderer processes, owned by the control process.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from petrichor.segment import PREFIX, is_left_behind, is_ours

log = logging.getLogger(__name__)
LARGEST = 256 << 20  # bytes; larger voices are read from their own file again


class Spool:
    """A folder of copies, which goes with the server."""

    def __init__(self) -> None:
        """Make the folder."""
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

    def keep(self, copies: set[Path]) -> None:
        """Remove every other copy; those that cannot be removed stay."""
        try:
            others = set(self.path.iterdir()) - copies
        except OSError:  # a cleaner of old temporary files took the folder: the next copy makes it anew
            return
        for copy in others:
            with suppress(OSError):
                copy.unlink()

    def close(self) -> None:
        """Remove the folder with all copies."""
        shutil.rmtree(self.path, ignore_errors=True)


def copy_voice(path: Path, copy: Path) -> Path:
    """Copy a voice file, and return the copy; or `path`, where it cannot be or need not be copied.

    Args:
        path: The file; one that is a copy already is left as it is.
        copy: Where to.
    """
    try:
        if path.parent == copy.parent or path.stat().st_size > LARGEST or not _make_folder(copy.parent):
            return path
        shutil.copyfile(path, copy)
    except OSError:  # gone, forbidden, disk full: reading `path` itself will tell what is wrong with it
        with suppress(OSError):
            copy.unlink()
        return path
    return copy


def _make_folder(path: Path) -> bool:
    """Make the folder where it is missing, and return whether it is ours alone to write into."""
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and is_ours(status)


def remove_stale_spools() -> None:
    """Remove the copies of servers that are gone, as after `kill -9`."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if is_left_behind(folder) and folder.is_dir() and not folder.is_symlink():
            log.info("removed %s, left by a server that was killed", folder)
            shutil.rmtree(folder, ignore_errors=True)
