"""Where the voices are: the checkout's `voices` folder, or the present folder's."""

from __future__ import annotations

from pathlib import Path

from petrichor.errors import OptionError
from petrichor.voice_file import SUFFIX


def default_voices() -> Path:
    """Return the folder of voices to use where none is named: the checkout's, else `./voices`, else `.`."""
    checkout = Path(__file__).resolve().parents[2] / "voices"
    here = Path("voices")
    for folder in (checkout, here):
        if folder.is_dir():
            return folder
    return Path(".")


def find_voice(name: str, folder: Path) -> Path:
    """Return the voice file meant by a name or a path.

    Args:
        name: A path, or the name of a file of `folder` or a folder in it, with or without `.voice`.
        folder: Where names are looked up.

    Raises:
        OptionError: There is no such file.
    """
    found = _voices(folder)
    plain = name.removesuffix(SUFFIX)
    for path in (Path(name), folder / f"{plain}{SUFFIX}", found.get(plain)):
        if path is not None and path.is_file():
            return path
    there = ", ".join(sorted(found)) or "none"
    raise OptionError(f"there is no voice {name!r}; in {folder}: {there}")


def _voices(folder: Path) -> dict[str, Path]:
    """Files by name; those of the folder itself go before those of the folders in it."""
    paths = [*sorted(folder.glob(f"*/*{SUFFIX}"), reverse=True), *folder.glob(f"*{SUFFIX}")]
    return {path.name.removesuffix(SUFFIX): path for path in paths}
