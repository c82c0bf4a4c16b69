"""Mappings: foreign OSC addresses, as a fader's of TouchOSC, that mean addresses of ours. Pure; no I/O.

A mapping is declared, never computed: which argument is taken, from what range to what range, along which of a few
curves. Read by `petrichor.live_set` before the server starts, used by the control process for every message.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from petrichor.errors import MessageError
from petrichor.osc import Message
from petrichor.parameters import SERVER_COMMANDS, Parameter, row_of

BUTTON = "button"
CURVES = ("linear", "exponential", "square", "decibels", BUTTON)
NUMBERED = ("/scene/load",)  # that take a text, or a number in its place


@dataclass(frozen=True)
class Map:
    """One foreign address and what it means.

    Attributes:
        source: The foreign address.
        target: The address it means; its voice may be a pattern.
        arg: Which of the arguments is taken, counted from 0.
        low: What the target gets for `from_low`, in its unit.
        high: What it gets for `from_high`.
        from_low: What the foreign fader sends at one end; beyond it, it is taken for that.
        from_high: What it sends at the other end.
        curve: The way from `low` to `high`. "linear"; "exponential": by equal ratios; "square": fine near `low`;
            "decibels": a level whose amplitude is linear, as on a mixer; "button": nothing but `high`, and that only
            where more than half of the way is reached, so not when a button is let go.
    """

    source: str
    target: str
    arg: int = 0
    low: float = 0.0
    high: float = 1.0
    from_low: float = 0.0
    from_high: float = 1.0
    curve: str = "linear"

    def __post_init__(self) -> None:
        """Check what has to go together.

        Raises:
            ValueError: With the key, what was got and what was expected.
        """
        _check_source(self.source)
        row = target_row(self.target)
        if row is None:
            raise ValueError(f"to is {self.target!r:.60}, expected an address of ours, such as /rain/intensity")
        if row.tags not in ("", "f", "i") and row.address not in NUMBERED:
            raise ValueError(f"to is {self.target!r:.60}, which takes {row.tags}, expected one that takes a number")
        if not 0 <= self.arg < 256:
            raise ValueError(f"arg is {self.arg}, expected 0…255")
        if self.from_low == self.from_high:
            raise ValueError(f"from_low and from_high are both {self.from_low:g}, expected a range")
        if self.curve not in CURVES:
            raise ValueError(f"curve is {self.curve!r:.40}, expected one of {', '.join(CURVES)}")
        for key, value in (("low", self.low), ("high", self.high)):
            if row.low is not None and row.clamp(value) != value:
                raise ValueError(f"{key} is {value:g}, expected {row.low:g}…{row.high:g}, the range of {self.target}")
        if self.curve == "exponential" and self.low * self.high <= 0.0:
            raise ValueError(f"curve is exponential from {self.low:g} to {self.high:g}, expected no 0 between them")
        if self.curve == "decibels" and row.unit != "dB":
            raise ValueError(f"curve is decibels, but {self.target} is no level, expected one of {', '.join(CURVES)}")

    def meaning(self, message: Message) -> Message | None:
        """Return what a message of the foreign address means, at the same time; None where it means nothing.

        Raises:
            MessageError: It lacks the argument, or that is no number.
        """
        row = target_row(self.target)
        assert row is not None, "checked when it was made"
        part = self._part(message, pressed=row.tags == "")
        if self.curve == BUTTON or not row.tags:
            if part < 0.5:
                return None
            part = 1.0
        value = _along(self.curve, part, self.low, self.high)
        args: tuple[object, ...] = () if not row.tags else (value if row.tags == "f" else round(value),)
        return dataclasses.replace(message, address=self.target, args=args)

    def _part(self, message: Message, pressed: bool) -> float:
        """Return how far the foreign fader is, 0…1; a button may send nothing at all."""
        if pressed and not message.args:
            return 1.0
        args = message.args
        number = args[self.arg] if self.arg < len(args) else None
        if not isinstance(number, int | float) or not math.isfinite(number):
            what = "nothing" if self.arg >= len(args) else f"{number!r:.40}"
            raise MessageError(message.address, f"got {what} as argument {self.arg}, expected a number")
        return min(max((number - self.from_low) / (self.from_high - self.from_low), 0.0), 1.0)


class Mappings:
    """All mappings of a live set.

    Args:
        maps: Several may share a source; they act in this order.
    """

    def __init__(self, maps: Iterable[Map] = ()) -> None:
        """Sort them by their sources."""
        self._maps: dict[str, list[Map]] = {}
        for each in maps:
            self._maps.setdefault(each.source, []).append(each)

    def __call__(self, message: Message) -> list[Message]:
        """Return what a message means: itself where its address is not mapped.

        Raises:
            MessageError: Its arguments do not fit.
        """
        maps = self._maps.get(message.address)
        if maps is None:
            return [message]
        return [meaning for each in maps if (meaning := each.meaning(message)) is not None]


def target_row(address: str) -> Parameter | None:
    """Return the row of the table that an address belongs to, whatever its voice is called; None where none is."""
    first, slash, parameter = address.removeprefix("/").partition("/")
    if address in SERVER_COMMANDS:
        return SERVER_COMMANDS[address]
    if not (address.startswith("/") and first and slash):
        return None
    vector, _, index = parameter.partition("/")
    if vector == "latent" and index and not (index.isdecimal() and len(index) <= 4):
        return None
    row = row_of(parameter)
    return None if row is None or parameter in ("latent/N", "direction/NAME", "direction/") else row


def _along(curve: str, part: float, low: float, high: float) -> float:
    if part in (0.0, 1.0):  # the ends are what was written, to the last digit
        return high if part else low
    if curve == "exponential":
        return float(low * (high / low) ** part)
    if curve == "decibels":
        first, last = (0.0 if end <= -60.0 else 10.0 ** (end / 20.0) for end in (low, high))  # -60 dB is silence
        amplitude = first + part * (last - first)
        return max(20.0 * math.log10(amplitude), min(low, high)) if amplitude > 0.0 else min(low, high)
    return low + (part * part if curve == "square" else part) * (high - low)


def _check_source(source: str) -> None:
    good = source.startswith("/") and len(source) > 1 and source.isprintable() and not set(source) & set(" #*,?[]{}")
    if not good or len(source) > 200:
        raise ValueError(f"from is {source!r:.60}, expected an address without patterns, such as /1/fader1")
    if source in SERVER_COMMANDS:
        raise ValueError(f"from is {source}, which is an address of ours, expected a foreign one")
