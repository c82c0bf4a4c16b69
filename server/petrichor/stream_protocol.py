"""The stream's wire format: what patches ask, read strictly, and the small answers.

A patch asks, the server answers, all in OSC over UDP:

    /subscribe format channels block fill rate [scsynth_port bufnum ring_frames control_bus]
    /pull token rpos wpos underruns [gaps]
                                        every few ms: "I have played up to rpos, and hold up to wpos"
    /unsubscribe token

    /subscribed token rate channels block fill [scsynth_port bufnum]
    /expired token                      no such subscription: subscribe again
    /fail address reason
    /block position sample…             format "f32", planar: every left sample, then every right
    bundle of /b_setn and /c_set        format "scsynth", to scsynth_port: sound, then the new wpos

Positions are frames since the subscription, at the subscriber's rate, modulo 2^19: Pd keeps numbers as 32-bit
floats, which count exactly to 2^24. Pure functions, no I/O. Used by the audio process.

Reference: https://opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from petrichor.errors import MessageError

MODULUS = 1 << 19  # frames; a multiple of every ring length in use
FORMATS = ("f32", "scsynth")
LARGEST_REQUEST = 512  # bytes; the longest lawful request has about 100
LARGEST_FILL = 1 << 16  # frames; 1.4 s at 48 kHz

Argument = int | float | str


@dataclass(frozen=True)
class ScsynthTarget:
    """Where in a scsynth the sound goes.

    Attributes:
        port: UDP port of the scsynth, on the host that the request came from.
        buffer: Number of the ring buffer, as many channels as the subscription.
        ring: Length of that buffer, in frames; divides `MODULUS`.
        bus: Control bus that is told how far the buffer is written.
    """

    port: int
    buffer: int
    ring: int
    bus: int


@dataclass(frozen=True)
class Subscribe:
    """A wish to hear the mix.

    Attributes:
        format: One of `FORMATS`.
        channels: 1 (the two sides added and halved) or 2.
        block: Frames in one datagram, a power of two, 32…1024.
        fill: Frames the subscriber wants to hold ahead of what it plays.
        rate: The subscriber's sample rate, Hz.
        target: Only in format "scsynth".
    """

    format: str
    channels: int
    block: int
    fill: int
    rate: int
    target: ScsynthTarget | None = None


@dataclass(frozen=True)
class Pull:
    """What a subscriber has played and holds. Positions in frames, modulo `MODULUS`.

    Attributes:
        token: From the answer to its subscription.
        rpos: Next frame it will play.
        wpos: Next frame it waits for.
        underruns: How often it had nothing to play, since its subscription.
        gaps: How many blocks it refused because one before them is missing, since its subscription. A patch
            that does not count them is helped too, only later.
    """

    token: int
    rpos: int
    wpos: int
    underruns: int
    gaps: int = 0


@dataclass(frozen=True)
class Unsubscribe:
    """The end of a subscription."""

    token: int


Request = Subscribe | Pull | Unsubscribe


def read_request(datagram: bytes) -> Request:
    """Read one datagram from a patch.

    Raises:
        MessageError: It is no lawful request; `address` is "" where not even that could be read.
    """
    address, arguments = read_message(datagram)
    reader = _READERS.get(address)
    if reader is None:
        raise MessageError(address, "is not a stream message: /subscribe, /pull or /unsubscribe expected")
    return reader(arguments)


def read_message(datagram: bytes) -> tuple[str, list[Argument]]:
    """Read an OSC message of ints, floats and strings, and nothing else.

    Python-osc is left aside here: this is forty times faster, and it cannot be made to loop or recurse.

    Returns:
        Address and arguments.

    Raises:
        MessageError: Malformed, too long, or of other types.
    """
    if len(datagram) > LARGEST_REQUEST or len(datagram) % 4:
        raise MessageError("", f"{len(datagram)} bytes: a multiple of 4, at most {LARGEST_REQUEST}, expected")
    address, place = _string(datagram, 0, "")
    if not address.startswith("/"):
        raise MessageError("", "no OSC address at the start")
    tags, place = _string(datagram, place, address)
    if not tags.startswith(","):
        raise MessageError(address, "no type tags")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        value, place = _argument(tag, datagram, place, address)
        arguments.append(value)
    if place != len(datagram):
        raise MessageError(address, f"{len(datagram) - place} bytes too many")
    return address, arguments


def _argument(tag: str, datagram: bytes, place: int, address: str) -> tuple[Argument, int]:
    if tag == "s":
        return _string(datagram, place, address)
    if tag not in ("i", "f"):
        raise MessageError(address, f"type {tag!r}: i, f or s expected")
    if place + 4 > len(datagram):
        raise MessageError(address, "ends within its arguments")
    return struct.unpack_from(f">{tag}", datagram, place)[0], place + 4


def _string(datagram: bytes, start: int, address: str) -> tuple[str, int]:
    end = datagram.find(b"\0", start)
    if end < 0:
        raise MessageError(address, "a string without an end")
    try:
        return datagram[start:end].decode("ascii"), (end // 4 + 1) * 4
    except UnicodeDecodeError:
        raise MessageError(address, "a string that is not ASCII") from None


def _read_subscribe(arguments: list[Argument]) -> Subscribe:
    address = "/subscribe"
    kind = arguments[0] if arguments else None
    if kind not in FORMATS:
        raise MessageError(address, f"format {kind!r}: one of {', '.join(FORMATS)} expected")
    ranges = _RANGES if kind == "f32" else _RANGES | _SCSYNTH_RANGES
    channels, block, fill, rate, *more = _whole_numbers(address, arguments[1:], ranges)
    if block & (block - 1):
        raise MessageError(address, f"block {block}: a power of two expected")
    if fill < 2 * block:
        raise MessageError(address, f"fill {fill}: at least two blocks of {block} expected")
    target = ScsynthTarget(*more) if more else None
    if target is not None and (MODULUS % target.ring or target.ring % block or target.ring < fill + block):
        raise MessageError(address, f"ring_frames {target.ring}: a power of two above fill + block expected")
    return Subscribe(str(kind), channels, block, fill, rate, target)


def _read_pull(arguments: list[Argument]) -> Pull:
    ranges = _PULL_RANGES if len(arguments) == len(_PULL_RANGES) else _PULL_RANGES | {"gaps": (0, 1 << 31)}
    return Pull(*_whole_numbers("/pull", arguments, ranges))


def _read_unsubscribe(arguments: list[Argument]) -> Unsubscribe:
    return Unsubscribe(*_whole_numbers("/unsubscribe", arguments, _TOKEN_RANGE))


def _whole_numbers(address: str, values: list[Argument], ranges: dict[str, tuple[int, int]]) -> list[int]:
    """Check `values` against the named ranges; Pd sends every number as a float."""
    if len(values) != len(ranges):
        raise MessageError(address, f"{len(values)} numbers: {len(ranges)} expected ({' '.join(ranges)})")
    for value, (name, (low, high)) in zip(values, ranges.items(), strict=True):
        # The range test also refuses NaN and infinity, before int() could raise on them.
        if isinstance(value, str) or not low <= value <= high or int(value) != value:
            raise MessageError(address, f"{name} {value!r}: a whole number {low}…{high} expected")
    return [int(value) for value in values]


_READERS: dict[str, Callable[[list[Argument]], Request]] = {
    "/subscribe": _read_subscribe,
    "/pull": _read_pull,
    "/unsubscribe": _read_unsubscribe,
}
_RANGES = {"channels": (1, 2), "block": (32, 1024), "fill": (64, LARGEST_FILL), "rate": (8000, 384000)}
_SCSYNTH_RANGES = {
    "scsynth_port": (1, 65535),
    "bufnum": (0, 1 << 20),
    "ring_frames": (64, MODULUS),
    "control_bus": (0, 1 << 20),
}
_TOKEN_RANGE = {"token": (0, 1 << 24)}
_PULL_RANGES = {
    **_TOKEN_RANGE,
    "rpos": (0, MODULUS - 1),
    "wpos": (0, MODULUS - 1),
    "underruns": (0, 1 << 31),
}


def message(address: str, *arguments: int | str) -> bytes:
    """Encode a small OSC message of ints and strings, the types that Pd understands."""
    tags = "," + "".join("s" if isinstance(argument, str) else "i" for argument in arguments)
    parts = [padded(argument) if isinstance(argument, str) else struct.pack(">i", argument) for argument in arguments]
    return padded(address) + padded(tags) + b"".join(parts)


def padded(text: str) -> bytes:
    """Encode an OSC string: ASCII, ended and filled with zeros to a multiple of 4 bytes."""
    encoded = text.encode("ascii", "replace")
    return encoded + bytes(4 - len(encoded) % 4)
