"""The conditions that Petrichor reports. Each says what was got and what was expected."""

from __future__ import annotations

from pathlib import Path


class PetrichorError(Exception):
    """Base of every error that Petrichor raises on purpose; its text is fit for a performer to read."""


class VoiceFileError(PetrichorError):
    """A voice file cannot be used.

    Attributes:
        path: The file.
        reason: What was got and what was expected.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        """Keep `path` and `reason`."""
        super().__init__(str(path), reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        """Return the file's name and the reason."""
        return f"{self.path.name}: {self.reason}"


class MessageError(PetrichorError):
    """An OSC datagram or message cannot be acted on.

    Attributes:
        address: The OSC address, or "" where the datagram could not be read so far.
        reason: What was got and what was expected.
    """

    def __init__(self, address: str, reason: str) -> None:
        """Keep `address` and `reason`."""
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        """Return the address and the reason."""
        return f"{self.address}: {self.reason}" if self.address else self.reason


class OptionError(PetrichorError):
    """A command-line option or setting is out of its range."""


class OutputError(PetrichorError):
    """A sound card or file cannot be opened or written."""
