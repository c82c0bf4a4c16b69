"""For how long voices are waited for, without voices."""

from __future__ import annotations

import math

from petrichor.patience import LONGEST, SHORTEST, Patience

RATE = 48000
TICK = 0.001  # seconds between two looks


def mixed_in(patience: Patience, seconds: float, live: float, dry: bool = True, speed: float = 1.0) -> list[bool]:
    """Let voice 1 be late for all but `live` of the time, and be asked for; return whether it was waited for.

    Args:
        patience: Asked.
        seconds: How long.
        live: Of a 20 ms turn, when the mix comes on.
        dry: Whether listeners hold little.
        speed: Frames that are mixed then, times those that time would take.
    """
    waits, position = [], 0.0
    for tick in range(round(seconds / TICK)):
        now = tick * TICK
        patience.want(now, int(position), dry)
        if tick % 20 >= 20 * live:
            waits.append(patience.wait(1, now))
        else:
            patience.served()
            position += speed * TICK * RATE
    return waits


def test_late_once_is_waited_for_a_while() -> None:
    patience = Patience(RATE)
    patience.want(0.0, 0, dry=False)
    assert patience.left(0.0) == math.inf
    assert patience.wait(1, 0.0) and patience.wait(1, LONGEST - 0.001)
    assert 0 < patience.left(LONGEST - 0.001) < 0.0011
    assert not patience.wait(1, LONGEST + 0.001)
    assert not patience.wait(2, LONGEST + 0.001), "one time for all"
    patience.served()
    assert patience.wait(1, LONGEST + 0.002)


def test_outputs_that_hold_little_wait_less() -> None:
    patience = Patience(RATE)
    patience.allow(0.016)
    assert patience.wait(1, 0.0) and not patience.wait(1, 0.009)
    patience.allow(0.001)
    assert patience.left(0.0) == SHORTEST


def test_late_by_a_little_again_and_again_is_waited_for_no_more_once_listeners_hold_little() -> None:
    waits = mixed_in(Patience(RATE), 1.0, live=0.25)
    first = waits.index(False)
    assert TICK * first * 20 / 15 < 2 * LONGEST
    assert not any(waits[first:]), "until as much is mixed as is wanted"


def test_it_is_waited_for_where_nobody_runs_dry() -> None:
    assert all(mixed_in(Patience(RATE), 1.0, live=0.25, dry=False))


def test_those_who_only_take_faster_than_time_are_no_reason() -> None:
    """They hold nothing either, and never get as much as they want."""
    assert all(mixed_in(Patience(RATE), 1.0, live=0.25, speed=5.0))


def test_it_is_given_another_chance_when_as_much_is_mixed_as_wanted() -> None:
    patience = Patience(RATE)
    assert not mixed_in(patience, 1.0, live=0.25)[-1]
    patience.satisfied()
    assert mixed_in(patience, 0.02, live=0.25)[-1]


def test_the_others_are_waited_for() -> None:
    """What is filled in for one is wanted of all the others at once."""
    patience = Patience(RATE)
    assert not mixed_in(patience, 1.0, live=0.25)[-1]
    patience.served()
    assert patience.wait(2, 1.0) and patience.wait(2, 1.005)
    assert not patience.wait(1, 1.005)


def test_a_machine_that_stood_still_is_not_the_voice_s_fault() -> None:
    patience = Patience(RATE)
    patience.want(0.0, 0, dry=False)
    patience.wait(1, 0.0)
    patience.want(0.06, 0, dry=True)
    assert not patience.wait(1, 0.06), "what is next is filled in"
    patience.served()
    assert patience.wait(1, 0.061), "and no more"
