"""Cues: changes that act at a sample. What the control process plans, renderers and the mixer carry out.

Positions are frames of the mix since the server started. The control process sends each reader snapshots ("so it
is now, all cues up to this position included") and cues for what is to come. A reader applies a cue when it comes
to its position, a little before the control process knows; so a snapshot that does not include it yet is not
allowed to undo it.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Change = Mapping[str, Any]  # field → new value; "latent/3" is one coordinate of the field "latent"
Fields = dict[str, Any]


def assign(fields: Fields, change: Change) -> None:
    """Put a change into effect."""
    for name, value in change.items():
        vector, _, index = name.partition("/")
        if index:
            changed: np.ndarray = fields[vector].copy()  # the old one may be in other hands
            changed[int(index)] = value
            fields[vector] = changed
        else:
            fields[name] = value


@dataclass(frozen=True)
class Cue:
    """A change at a sample.

    Attributes:
        sequence: Number of the cue; all readers' cues are numbered in one sequence, in the order of arrival.
        position: Frame of the mix from which it acts.
        change: What it changes.
    """

    sequence: int
    position: int
    change: Change


class Part:
    """Fields that follow snapshots and cues: the reader's side.

    Args:
        fields: Where they start.

    Attributes:
        fields: As of the last position that was reached. Replaced, not changed, so that it may be kept.
    """

    def __init__(self, fields: Fields) -> None:
        """Start with nothing to come."""
        self.fields = fields
        self._snapshot = dict(fields)  # the last one
        self._included = -math.inf  # of the last snapshot
        self._coming: list[Cue] = []  # by position, then sequence
        self._done: list[Cue] = []  # not in the last snapshot

    @property
    def next_position(self) -> float:
        """Position of the next cue, or infinity."""
        return self._coming[0].position if self._coming else math.inf

    @property
    def next_fields(self) -> Fields | None:
        """What the fields will be at the next cue, or None."""
        if not self._coming:
            return None
        fields = dict(self.fields)
        position = self._coming[0].position
        for cue in self._coming[: self._count(position)]:
            assign(fields, cue.change)
        return fields

    def adopt(self, fields: Fields, included: float) -> None:
        """Take a snapshot that includes every cue up to the position `included`."""
        self._included = included
        self._done = [cue for cue in self._done if cue.position > included]
        self._coming = self._coming[self._count(included) :]
        self._snapshot = dict(fields)
        self._redo()

    def add(self, cues: Iterable[Cue]) -> None:
        """Take cues that are to come; one that was too long on its way is in the last snapshot already."""
        for cue in cues:
            if cue.position > self._included:
                bisect.insort(self._coming, cue, key=_order)

    def clear(self, through: int) -> None:
        """Forget the cues whose sequence number is `through` or less, but for what the last snapshot includes."""
        self._coming = [cue for cue in self._coming if cue.sequence > through]
        self._done = [cue for cue in self._done if cue.sequence > through]
        self._redo()

    def reach(self, position: float) -> bool:
        """Carry out every cue up to `position`; say whether there was one."""
        count = self._count(position)
        if not count:
            return False
        self.fields = dict(self.fields)
        for cue in self._coming[:count]:
            assign(self.fields, cue.change)
        self._done += self._coming[:count]
        del self._coming[:count]
        return True

    def _redo(self) -> None:
        """Make the fields what the last snapshot and the cues since then say."""
        self.fields = dict(self._snapshot)
        for cue in self._done:
            assign(self.fields, cue.change)

    def _count(self, position: float) -> int:
        """Return how many of the cues to come act at `position` or before."""
        return bisect.bisect_right(self._coming, position, key=lambda cue: cue.position)


def _order(cue: Cue) -> tuple[int, int]:
    return cue.position, cue.sequence
