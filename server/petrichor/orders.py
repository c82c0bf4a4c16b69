"""What the control process and the audio process say to each other: orders one way, reports the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from petrichor.cues import Cue, Fields


@dataclass(frozen=True)
class Attach:
    """Order: bring a renderer's slot into the mix, with the fields of its strip, after another of the same voice."""

    slot: int
    fields: Fields
    fade: float
    after: int | None = None


@dataclass(frozen=True)
class Detach:
    """Order: fade a slot out; answered by `Detached`."""

    slot: int
    fade: float


@dataclass(frozen=True)
class Place:
    """Order: other fields for the strip of a slot, or of the master (None), as a snapshot; see `petrichor.cues`."""

    slot: int | None
    fields: Fields
    included: int


@dataclass(frozen=True)
class Cued:
    """Order: cues for the strip of a slot, or of the master (None)."""

    slot: int | None
    cues: tuple[Cue, ...]


@dataclass(frozen=True)
class ClearCues:
    """Order: forget the cues to come, up to this sequence number."""

    through: int


@dataclass(frozen=True)
class Record:
    """Order: record into this file, or stop; answered by `Recording`.

    Attributes:
        path: The file, or None to stop.
        take: Names it in its reports; 0 to stop.
        position: Frame of the mix to start or stop at, or None for now.
        seconds: How much to record, or None for all until the stop.
    """

    path: Path | None
    take: int = 0
    position: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Quit:
    """Order: close every output and end."""


@dataclass(frozen=True)
class Started:
    """Report: running.

    Attributes:
        priority: Why there is no real-time priority, or "".
    """

    priority: str = ""


@dataclass(frozen=True)
class Detached:
    """Report: a slot has faded out and is free."""

    slot: int


@dataclass(frozen=True)
class Recording:
    """Report: a recording started, stopped (`seconds` long) or failed.

    Attributes:
        path: The file.
        take: Names it, as the order that started it did.
        error: Why it failed, or "".
        seconds: Its length once it has ended, else None.
    """

    path: str
    take: int
    error: str = ""
    seconds: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is reported of it."""
        return bool(self.error) or self.seconds is not None
