"""What voices and the master are told, sent to where it acts: to renderers by their slots, to the mixer by orders.

A message acts at once, or at a frame of the mix. Either way it is collected first, and `publish` sends what belongs
together at one go, so that the messages of one bundle act on the same frame. Owned by the control process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from petrichor.controls import ENGINE_FIELDS, STRIP_FIELDS, MasterState, VoiceState, part_of
from petrichor.cues import Cue
from petrichor.errors import MessageError
from petrichor.hosted_voice import HostedVoice, Renderer
from petrichor.limiter import LOOKAHEAD
from petrichor.orders import Attach, ClearCues, Cued, Place
from petrichor.plan import Plan
from petrichor.segment import Segment

TOGETHER = 64  # cues that are sent in one piece; each has its frame, so pieces need not arrive together


class Dispatch:
    """Tells the voices and the master.

    Args:
        voices: The voices by name; the supervisor's own table.
        segment: The shared memory.
        order: Sends an order to the audio process.

    Attributes:
        master: The parameters of the master.
        changes: Grows whenever values may have changed.
        acted: Told of every value that a cue has changed: the voice, or None for the master, and the parameter.
    """

    def __init__(self, voices: Mapping[str, HostedVoice], segment: Segment, order: Callable[[object], None]) -> None:
        """Start with nothing to tell."""
        self.master = Plan(MasterState())
        self.changes = 0
        self.acted: Callable[[str | None, str], None] = lambda _voice, _parameter: None
        self._voices = voices
        self._segment = segment
        self._order = order
        self._sequence = itertools.count(1)
        self._last = 0
        self._told: dict[HostedVoice, set[str]] = {}  # voice → fields that were changed at once
        self._strips: dict[int | None, list[Cue]] = {}  # slot → cues to be sent
        self._unsent: list[Renderer] = []  # with cues to be sent
        self._master_told = False

    @property
    def busy(self) -> bool:
        """Whether cues are on their way."""
        return bool(self.master.cues) or any(plan.cues for plan in self._plans)

    def perform(self, name: str, parameter: str, args: Sequence[object], position: int | None) -> float | None:
        """Obey a voice's message.

        Args:
            name: The voice, which is loaded.
            parameter: Address within it.
            args: OSC arguments.
            position: Frame of the mix at which it acts, or None for at once.

        Returns:
            The clamped value where the given one was out of range, else None.

        Raises:
            MessageError: See `State.change`.
        """
        voice = self._voices[name]
        assert voice.plan is not None, "the caller has seen it loaded"
        others = {each.plan for each in voice.renderers} - {voice.plan, None}
        told, problems = [], []
        for plan in (voice.plan, *others):  # others: of a network of another latent size that is being loaded
            assert plan is not None, "left out above"
            try:
                told.append(self._tell(voice, plan, parameter, args, position))
            except MessageError as error:  # a latent of the other size
                problems.append(error)
        if not told:
            raise problems[0]
        return told[0]

    def perform_master(self, parameter: str, args: Sequence[object], position: int | None) -> float | None:
        """Obey a message of the master; see `perform`."""
        if position is None or position <= self.master.passed:
            self._master_told = True
            self.changes += 1
            return self.master.perform(parameter, args)
        cue, clamped = self.master.cue(self._number(), position, parameter, args)
        self._strips.setdefault(None, []).append(cue)
        return clamped

    def horizon(self, name: str | None) -> int:
        """Return the first frame of the mix that a voice, or the master (None), can still change."""
        mixed = int(self._segment.meters["position"][0]) + LOOKAHEAD
        playing = self._voices[name].playing if name is not None and name in self._voices else None
        if playing is None or not playing.attached:
            return mixed
        ring = self._segment[playing.slot].ring
        return max(mixed, ring.written + (ring.offset or 0))

    def publish(self) -> None:
        """Send what was told since the last call."""
        for voice, fields in self._told.items():
            self._send_snapshots(voice, fields)
        self._told.clear()
        if self._master_told:
            self._order(Place(None, dict(self.master.state.fields), self.master.passed))
            self._master_told = False
        for slot, cues in self._strips.items():
            self._order_cues(slot, cues)
        self._strips.clear()
        self._unsent = [renderer for renderer in self._unsent if not self._sent(renderer)]

    def reach(self) -> None:
        """Take note of how far the mix has come."""
        position = int(self._segment.meters["position"][0])
        for voice in self._voices.values():
            for plan in {each.plan for each in voice.renderers} | {voice.plan}:
                if plan is not None and plan.cues and plan.cues[0].position <= position:
                    self._carried_out(voice.name, plan.reach(position), plan.state.directions)
                    self._told.setdefault(voice, set()).update(ENGINE_FIELDS + STRIP_FIELDS)
        if self.master.cues and (changed := self.master.reach(position)):
            self._carried_out(None, changed)
            self._master_told = True
        self.publish()

    def _carried_out(self, voice: str | None, fields: list[str], directions: Sequence[str] = ()) -> None:
        self.changes += 1
        for field in fields:
            name, _, index = field.partition("/")
            self.acted(voice, f"direction/{directions[int(index)]}" if name == "direction" and index else name)

    def clear(self) -> None:
        """Forget every cue on its way, as far as it has not acted."""
        self.reach()
        self.master.clear()
        for plan in self._plans:
            plan.clear()
        self._strips.clear()
        self._unsent.clear()
        for voice in self._voices.values():
            for renderer in voice.renderers:
                renderer.unsent.clear()
                self._segment[renderer.slot].clear_cues(self._last)
            self._told[voice] = {*ENGINE_FIELDS, *STRIP_FIELDS}  # what was rendered, and not mixed yet, is taken back
        self._order(ClearCues(self._last))
        self._master_told = True
        self.publish()

    def introduce(self, renderer: Renderer) -> None:
        """Tell a renderer that has loaded its file everything."""
        plan = renderer.plan
        self.changes += 1
        assert plan is not None, "given when it was loaded"
        self._segment[renderer.slot].write_controls(plan.state.fields, plan.passed)
        self._forward(renderer, plan.cues)
        self._unsent = [each for each in self._unsent if not self._sent(each)]

    def attach(self, renderer: Renderer, fade: float, after: int | None = None) -> None:
        """Bring a renderer into the mix, in `fade` seconds, after the one in the slot `after` of the same voice."""
        plan = renderer.plan
        self.changes += 1
        assert plan is not None, "given when it was loaded"
        self._order(Attach(renderer.slot, part_of(plan.state.fields, STRIP_FIELDS), fade, after))
        self._order_cues(renderer.slot, _parts(plan.cues, STRIP_FIELDS))

    def place_master(self) -> None:
        """Tell a mixer that has just begun where the master is."""
        self._order(Place(None, dict(self.master.state.fields), self.master.passed))
        self._order_cues(None, self.master.cues)

    def forget(self, renderer: Renderer) -> None:
        """Take note that a renderer has ended: nobody reads its cues any more."""
        renderer.unsent.clear()
        self._unsent = [each for each in self._unsent if each is not renderer]

    @property
    def _plans(self) -> list[Plan[VoiceState]]:
        found = {each.plan for voice in self._voices.values() for each in voice.renderers}
        return [plan for plan in found | {voice.plan for voice in self._voices.values()} if plan is not None]

    def _tell(
        self, voice: HostedVoice, plan: Plan[VoiceState], parameter: str, args: Sequence[object], position: int | None
    ) -> float | None:
        if position is None or position <= plan.passed:
            self.changes += 1
            clamped = plan.perform(parameter, args)
            self._told.setdefault(voice, set()).update(STRIP_FIELDS if parameter in STRIP_FIELDS else ENGINE_FIELDS)
            return clamped
        cue, clamped = plan.cue(self._number(), position, parameter, args)
        for renderer in voice.renderers:
            if renderer.plan is plan:
                self._forward(renderer, [cue])
                if renderer.attached and parameter in STRIP_FIELDS:
                    self._strips.setdefault(renderer.slot, []).append(cue)
        return clamped

    def _number(self) -> int:
        self._last = next(self._sequence)
        return self._last

    def _order_cues(self, slot: int | None, cues: Sequence[Cue]) -> None:
        for start in range(0, len(cues), TOGETHER):
            self._order(Cued(slot, tuple(cues[start : start + TOGETHER])))

    def _forward(self, renderer: Renderer, cues: list[Cue]) -> None:
        if renderer.ending:
            return
        parts = _parts(cues, ENGINE_FIELDS)
        if parts:
            renderer.unsent += parts
            if renderer not in self._unsent:
                self._unsent.append(renderer)

    def _sent(self, renderer: Renderer) -> bool:
        """Send a renderer its cues; say whether there was room for all of them."""
        slot, cues, plan = self._segment[renderer.slot], renderer.unsent, renderer.plan
        assert plan is not None, "it has been introduced"
        while cues:
            if cues[0].position <= plan.passed:  # it waited for too long, and is in a snapshot
                del cues[0]
            elif slot.send_cues(cues[:TOGETHER]):
                del cues[:TOGETHER]
            elif slot.send_cues(cues[:1]):
                del cues[0]
            else:
                return False
        return True

    def _send_snapshots(self, voice: HostedVoice, fields: set[str]) -> None:
        for renderer in voice.renderers:
            plan = renderer.plan
            assert plan is not None, "renderers without one are left out"
            if fields.intersection(ENGINE_FIELDS):
                self._segment[renderer.slot].write_controls(plan.state.fields, plan.passed)
            if renderer.attached and fields.intersection(STRIP_FIELDS):
                self._order(Place(renderer.slot, part_of(plan.state.fields, STRIP_FIELDS), plan.passed))


def _parts(cues: list[Cue], names: Sequence[str]) -> list[Cue]:
    """Return the cues with that part of their changes which one reader wants."""
    parts = [Cue(cue.sequence, cue.position, part_of(cue.change, names)) for cue in cues]
    return [part for part in parts if part.change]
