"""What tests of OSCQuery share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from petrichor.osc import Message


def is_value(address: str, *args: object) -> Callable[[Any], bool]:
    """Whether something is a message with a value of this address, beginning with these arguments."""
    return lambda got: isinstance(got, Message) and (got.address, got.args[: len(args)]) == (address, args)
