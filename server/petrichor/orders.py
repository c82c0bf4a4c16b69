"""What the control process and the audio process say to each other: immutable orders one way, reports the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from petrichor.controls import Strip


@dataclass(frozen=True)
class Attach:
    """Order: bring a renderer's slot into the mix."""

    slot: int
    strip: Strip
    fade: float


@dataclass(frozen=True)
class Detach:
    """Order: fade a slot out; answered by `Detached`."""

    slot: int
    fade: float


@dataclass(frozen=True)
class Place:
    """Order: another gain and place for a slot."""

    slot: int
    strip: Strip


@dataclass(frozen=True)
class Master:
    """Order: another linear master gain."""

    gain: float


@dataclass(frozen=True)
class Record:
    """Order: record into this file, or stop; answered by `Recording`."""

    path: Path | None
    token: int = 0


@dataclass(frozen=True)
class Quit:
    """Order: close every output and end."""


@dataclass(frozen=True)
class Started:
    """Report: running, or running on without a device.

    Attributes:
        device: Name of the sound device in use, or "".
        problem: Why the device that was wanted is not there, or "".
        priority: Why there is no real-time priority, or "".
    """

    device: str
    problem: str
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
        take: Token of the order that started it.
        token: Token of the order that this answers; 0 for none.
        error: Why it failed, or "".
        seconds: Its length once it has ended, else None.
    """

    path: str
    take: int
    token: int = 0
    error: str = ""
    seconds: float | None = None
