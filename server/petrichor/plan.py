"""Parameters as they are now, and the changes that are on their way to them. Owned by the control process."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Generic, TypeVar

from petrichor.controls import State, VoiceState
from petrichor.cues import Cue, assign

S = TypeVar("S", bound=State)


class Plan(Generic[S]):
    """What a voice, or the master, is told: at once, or at a sample.

    Args:
        state: The parameters now.

    Attributes:
        state: The parameters now: every cue up to `passed` is in them.
        cues: Cues on their way, by position, then sequence.
        passed: Position of the mix up to which cues have been carried out.
    """

    def __init__(self, state: S) -> None:
        """Start with no cue on its way."""
        self.state = state
        self.cues: list[Cue] = []
        self.passed = -1
        self._ahead: S | None = None  # the state after the last cue, while it is known

    def perform(self, parameter: str, args: Sequence[object]) -> float | None:
        """Obey a message at once; see `State.apply`."""
        clamped = self.state.apply(parameter, args)
        self._ahead = None
        return clamped

    def cue(self, sequence: int, position: int, parameter: str, args: Sequence[object]) -> tuple[Cue, float | None]:
        """Let a message act at a position of the mix.

        Returns:
            The cue, and the clamped value where the given one was out of range, else None.

        Raises:
            MessageError: See `State.change`.
        """
        last = not self.cues or self.cues[-1].position <= position
        ahead = self._state_at(position) if not last or self._ahead is None else self._ahead
        change, clamped = ahead.change(parameter, args)
        assign(ahead.fields, change)
        self._ahead = ahead if last else None
        cue = Cue(sequence, position, change)
        bisect.insort(self.cues, cue, key=lambda each: (each.position, each.sequence))
        return cue, clamped

    def reach(self, position: int) -> list[str]:
        """Take note that the mix has come to `position`; return the fields that cues have changed on the way."""
        self.passed = max(self.passed, position)
        count = self._count(position)
        for cue in self.cues[:count]:
            assign(self.state.fields, cue.change)
        changed = [name for cue in self.cues[:count] for name in cue.change]
        del self.cues[:count]
        return changed

    def clear(self) -> None:
        """Forget the cues on their way."""
        self.cues.clear()
        self._ahead = None

    def _state_at(self, position: int) -> S:
        state = self.state.copy()
        for cue in self.cues[: self._count(position)]:
            assign(state.fields, cue.change)
        return state

    def _count(self, position: int) -> int:
        return bisect.bisect_right(self.cues, position, key=lambda cue: cue.position)


def fitted(plan: Plan[VoiceState], latent_size: int, directions: tuple[str, ...] = ()) -> Plan[VoiceState]:
    """Return a plan for a network of another latent size or other directions, or `plan` itself for the same.

    Cues on their way go over but for their latents and directions, which are of the old network.
    """
    state = plan.state.fitted(latent_size, directions)
    if state is plan.state:
        return plan
    other = Plan(state)
    other.passed = plan.passed
    latents = ("latent", "random", "direction")
    for cue in plan.cues:
        change = {name: value for name, value in cue.change.items() if name.partition("/")[0] not in latents}
        if change:
            other.cues.append(Cue(cue.sequence, cue.position, change))
    return other
