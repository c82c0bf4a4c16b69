"""The `petrichor-train` command: says what to install where something is missing."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command and return its exit status."""
    try:
        from petrichor_training.command_line import main as command  # noqa: PLC0415  (needs the extra)
    except ModuleNotFoundError as error:
        sys.exit(f"petrichor-train: {error.name} is not installed: pip install 'petrichor[training]', or '.[training]'")
    return command()


if __name__ == "__main__":
    sys.exit(main())
