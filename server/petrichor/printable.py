"""Text from elsewhere, for terminals and logs."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text as it is, or quoted with escapes where it would steer the terminal or cannot be encoded."""
    return text if text.isprintable() else repr(text)
