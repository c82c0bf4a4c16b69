"""Where the voices are: the checkout's `voices` folder, or the present folder's."""

from __future__ import annotations

from pathlib import Path


def default_voices() -> Path:
    """Return the folder of voices to use where none is named: the checkout's, else `./voices`, else `.`."""
    checkout = Path(__file__).resolve().parents[2] / "voices"
    here = Path("voices")
    for folder in (checkout, here):
        if folder.is_dir():
            return folder
    return Path(".")
