"""Which Petrichor wrote a voice."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def installed_version() -> str:
    """Petrichor's version, or nothing where it is run from a source tree that was never installed."""
    try:
        return version("petrichor")
    except PackageNotFoundError:
        return ""


def source_commit() -> str:
    """The source tree's commit, or nothing where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
