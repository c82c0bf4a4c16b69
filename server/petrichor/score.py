"""Scores: OSC messages with their times, read from a file, for offline rendering and the demonstration.

Two formats: TOML, to be written by hand, and the binary score of scsynth's non-real-time mode, which SuperCollider's
`Score` writes. Pure functions.
"""

from __future__ import annotations

import math
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from petrichor.errors import MessageError, PetrichorError
from petrichor.osc import EPOCH, Message, parse_datagram

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 64 << 20  # of a score file
LATEST = 86_400.0  # seconds: a day


class ScoreError(PetrichorError):
    """A score cannot be read.

    Attributes:
        path: The file.
        reason: What was got and what was expected.
    """

    def __init__(self, path: Path, reason: str) -> None:
        """Keep `path` and `reason`."""
        super().__init__(str(path), reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Return the file's name and the reason."""
        return f"{self.path.name}: {self.reason}"


def read_score(path: Path) -> list[Message]:
    """Read a score.

    Args:
        path: `.toml` with tables `[[event]] at = 1.5, address = "/rain/intensity", args = [0.8]` (each on a line of its
            own), or `.osc` as scsynth reads it.

    Returns:
        Messages in order of time; `time` is seconds from the start, never None.

    Raises:
        ScoreError: It cannot be read, with what is wrong and where.
    """
    readers = {".toml": _read_toml, ".osc": _read_binary}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ScoreError(path, f"got the suffix {path.suffix!r}, expected one of {', '.join(readers)}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ScoreError(path, f"has {size} bytes, at most {MAX_BYTES} allowed")
        messages = reader(path.read_bytes())
    except OSError as error:
        raise ScoreError(path, f"cannot be read ({error.strerror or error})") from error
    except (ValueError, MessageError) as error:  # TOML and UTF-8 errors are ValueErrors
        raise ScoreError(path, str(error)) from error
    return sorted(messages, key=lambda message: message.time or 0.0)  # stable: equal times keep their order


def _read_toml(data: bytes) -> list[Message]:
    score = tomllib.loads(data.decode())
    if set(score) != {"event"}:
        raise ValueError(f"got {sorted(score)}, expected one or more [[event]] and nothing else")
    events = score["event"]
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError("event is not a list of tables, expected [[event]]")
    return [_event(event, f"event {number}") for number, event in enumerate(events, 1)]


def _event(event: dict[str, Any], where: str) -> Message:
    strange = sorted(set(event) - {"at", "address", "args"})
    if strange:
        raise ValueError(f"{where}: got the unknown {', '.join(strange)}, expected only at, address and args")
    at, address, args = event.get("at"), event.get("address"), event.get("args", [])
    if not isinstance(address, str) or not address.startswith("/"):
        raise ValueError(f"{where}: address is {address!r}, expected a text that starts with /")
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise ValueError(f"{where}: at is {at!r}, expected seconds")
    if not isinstance(args, list) or not all(isinstance(arg, (int, float, str)) for arg in args):
        raise ValueError(f"{where}: args is {args!r}, expected a list of numbers and texts")
    return Message(address, tuple(_as_sent(arg, where) for arg in args), _checked(float(at), where))


def _as_sent(arg: float | str, where: str) -> float | str:
    """Return an argument as it arrives over OSC, where a float has 32 bits: a score is the same live and offline."""
    if not isinstance(arg, float):
        return arg
    try:
        value: float = struct.unpack(">f", struct.pack(">f", arg))[0]
    except OverflowError:
        raise ValueError(f"{where}: got {arg!r}, expected a number that 32 bits can hold") from None
    return value


def _read_binary(data: bytes) -> list[Message]:
    """Read scsynth's score: big-endian int32 size, OSC bundle, and again; timetags count from 0."""
    messages: list[Message] = []
    start = 0
    while start < len(data):
        where = f"byte {start}"
        if len(data) - start < 4:
            raise ValueError(f"{where}: got {len(data) - start} bytes, expected a size")
        (size,) = struct.unpack_from(">i", data, start)
        start += 4
        if not 0 < size <= len(data) - start:
            raise ValueError(f"{where}: got a bundle of {size} bytes where {len(data) - start} are left")
        for message in parse_datagram(data[start : start + size]):
            seconds = 0.0 if message.time is None else message.time + EPOCH
            messages.append(replace(message, time=_checked(seconds, where)))
        start += size
    return messages


def _checked(seconds: float, where: str) -> float:
    if not (math.isfinite(seconds) and 0 <= seconds <= LATEST):
        raise ValueError(f"{where}: got the time {seconds:.6g} s, expected 0…{LATEST:.0f}")
    return seconds
