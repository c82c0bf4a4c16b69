"""Files that are replaced only by whole ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; what was written takes its place when the `with` ends without an error.

    Args:
        path: The file that readers know; a reader sees the old or the new one, never a part.
    """
    temporary = path.with_name(f".{path.name}")
    yield temporary
    os.replace(temporary, path)
