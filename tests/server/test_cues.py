"""Cues: what the control process plans and what a reader plays are the same, however late one hears of the other."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from petrichor.controls import ENGINE_FIELDS, MasterState, VoiceState, controls_of, part_of
from petrichor.cues import Cue, Part, assign
from petrichor.errors import MessageError
from petrichor.plan import Plan, fitted


def test_changes_reach_whole_fields_and_single_coordinates() -> None:
    before = np.array([1.0, 2.0, 3.0], np.float32)
    fields = {"latent": before, "gain": 0.0}
    assign(fields, {"gain": -6.0, "latent/1": 9.0})
    assert fields["gain"] == -6.0
    assert fields["latent"].tolist() == [1.0, 9.0, 3.0]
    assert before.tolist() == [1.0, 2.0, 3.0], "an array that others may hold is not changed"


def test_cues_act_at_their_position_in_order() -> None:
    part = Part({"gain": 0.0})
    part.add([Cue(3, 200, {"gain": 3.0}), Cue(1, 100, {"gain": 1.0}), Cue(2, 100, {"gain": 2.0})])
    assert part.next_position == 100
    assert part.next_fields == {"gain": 2.0}
    assert not part.reach(99)
    assert part.reach(100)
    assert part.fields == {"gain": 2.0}
    assert part.reach(1000)
    assert part.fields == {"gain": 3.0}
    assert part.next_position == math.inf
    assert part.next_fields is None


def test_snapshot_from_before_a_cue_does_not_undo_it() -> None:
    part = Part({"gain": 0.0, "pan": 0.0})
    part.add([Cue(1, 100, {"gain": 1.0})])
    part.reach(150)
    part.adopt({"gain": 0.0, "pan": 0.5}, included=90)  # sent when the cue was still to come
    assert part.fields == {"gain": 1.0, "pan": 0.5}
    part.adopt({"gain": 7.0, "pan": 0.5}, included=100)
    assert part.fields == {"gain": 7.0, "pan": 0.5}


def test_cue_that_a_snapshot_includes_is_not_played_again() -> None:
    part = Part({"gain": 0.0})
    part.add([Cue(1, 100, {"gain": 1.0})])
    part.adopt({"gain": 5.0}, included=100)
    part.add([Cue(2, 90, {"gain": 2.0})])  # too long on its way
    assert part.next_position == math.inf
    assert part.fields == {"gain": 5.0}


def test_cleared_cues_do_not_act() -> None:
    part = Part({"gain": 0.0})
    part.add([Cue(1, 100, {"gain": 1.0}), Cue(5, 120, {"gain": 5.0})])
    part.clear(through=4)
    part.reach(110)
    assert part.fields == {"gain": 0.0}
    part.reach(120)
    assert part.fields == {"gain": 5.0}


def test_plan_draws_with_the_truncation_that_will_hold() -> None:
    """A cue is computed from the state as it will be, not as it is."""
    plan, reference = Plan(VoiceState("v", 8, 2.0)), VoiceState("v", 8, 2.0)
    plan.cue(1, 100, "truncation", [0.25])
    plan.cue(2, 100, "seed", [7])
    cue, _ = plan.cue(3, 200, "new", [])
    for parameter, args in (("truncation", [0.25]), ("seed", [7]), ("new", [])):
        reference.apply(parameter, args)
    np.testing.assert_array_equal(cue.change["latent"], reference.fields["latent"])
    assert plan.state.fields["truncation"] == 2.0
    plan.reach(200)
    np.testing.assert_array_equal(plan.state.controls.latent, reference.controls.latent)
    assert np.abs(cue.change["latent"]).max() <= 0.25


def test_cue_before_another_is_computed_without_it() -> None:
    plan = Plan(VoiceState("v", 4, 1.0))
    plan.cue(1, 200, "truncation", [0.0])
    cue, _ = plan.cue(2, 100, "new", [])
    assert np.abs(cue.change["latent"]).max() > 0


def test_bad_cue_is_refused_and_changes_nothing() -> None:
    plan = Plan(VoiceState("v", 4, 1.0))
    with pytest.raises(MessageError):
        plan.cue(1, 100, "latent", [1.0])
    assert not plan.cues


def test_plan_for_another_size_keeps_its_cues_but_for_latents() -> None:
    plan = Plan(VoiceState("v", 4, 1.0))
    plan.cue(1, 100, "gain", [-6])
    plan.cue(2, 100, "latent", [0.0] * 4)
    assert fitted(plan, 4) is plan
    other = fitted(plan, 9)
    other.reach(100)
    assert other.state.fields["gain"] == -6
    assert other.state.controls.latent.shape == (9,)


@pytest.mark.parametrize("seed", range(30))
def test_reader_and_planner_end_alike(seed: int) -> None:
    """Messages at once and at a frame, snapshots that come late: both sides have the same at the end, and the reader

    plays each cue at its frame unless something newer has replaced it.
    """
    dice = random.Random(seed)
    plan = Plan(VoiceState("v", 3, 3.0))
    part = Part(part_of(plan.state.fields, ENGINE_FIELDS))
    mail: list[tuple[int, object]] = []  # (position of the reader at which it arrives, what)
    sequence = heard = mixed = 0
    while heard < 30_000 or mail or plan.cues:
        heard += dice.randrange(1, 200)  # the reader is ahead of what the planner knows to be mixed
        mixed = max(mixed, heard - dice.randrange(0, 300))
        for item in [item for item in mail if item[0] <= heard]:
            mail.remove(item)
            if isinstance(item[1], Cue):
                part.add([item[1]])
            else:
                part.adopt(*item[1])  # type: ignore[misc]
        part.reach(heard)
        if plan.reach(mixed):
            mail.append((heard, (part_of(plan.state.fields, ENGINE_FIELDS), plan.passed)))
        if heard < 20_000 and dice.random() < 0.5:
            name, args = dice.choice([("intensity", [dice.random()]), ("latent/1", [dice.random()]), ("new", [])])
            if dice.random() < 0.5:
                plan.perform(name, args)
                mail.append((heard, (part_of(plan.state.fields, ENGINE_FIELDS), plan.passed)))
            else:
                sequence += 1
                cue, _ = plan.cue(sequence, mixed + dice.randrange(1, 2000), name, args)
                mail.append((heard, Cue(cue.sequence, cue.position, part_of(cue.change, ENGINE_FIELDS))))
    one, other = controls_of(part.fields), plan.state.controls
    np.testing.assert_array_equal(one.latent, other.latent)
    assert (one.intensity, one.draw, one.seed) == (other.intensity, other.draw, other.seed)


def test_master_is_planned_like_a_voice() -> None:
    plan = Plan(MasterState())
    cue, clamped = plan.cue(1, 10, "gain", [100.0])
    assert clamped == 12.0
    assert cue.change == {"gain": 12.0}
    assert plan.perform("gain", [-3.0]) is None
    plan.reach(10)
    assert plan.state.fields == {"gain": 12.0}


def test_cleared_cue_that_was_reached_already_does_not_stay_for_ever() -> None:
    """Rendered, but not mixed: the control process has forgotten it, so the reader has to forget it too."""
    plan = Plan(MasterState())
    part = Part(dict(plan.state.fields))
    cue, _ = plan.cue(1, 100, "gain", (-6.0,))
    part.add([cue])
    part.reach(150)
    assert part.fields["gain"] == -6.0
    plan.reach(90)  # the mix is not there yet
    plan.clear()
    part.clear(1)
    assert part.fields["gain"] == 0.0
    for gain in (-1.0, -2.0):
        plan.perform("gain", (gain,))
        part.adopt(dict(plan.state.fields), plan.passed)
        assert part.fields["gain"] == gain
