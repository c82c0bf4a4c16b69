"""For how long voices are waited for, without voices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from petrichor.patience import LONGEST, SHORTEST, STOOD, Patience

RATE = 48000
TICK = 0.001  # seconds between two looks


class Mix:
    """Voices that are late and a mix that waits for them, or does not."""

    def __init__(self, limit: float = LONGEST) -> None:
        self.patience = Patience(RATE)
        self.patience.allow(2 * limit)
        self.now, self.position = 0.0, 0.0

    def look(self, late: Sequence[int], dry: bool = True, speed: float = 1.0, tick: float = TICK) -> Sequence[int]:
        """Return who is waited for; where nobody, what time would take is mixed, times `speed`."""
        self.now += tick
        self.patience.want(self.now, int(self.position), dry)
        waited = list(self.patience.wait(late, self.now))
        if not waited:
            self.patience.served()
            self.position += speed * tick * RATE
        return waited

    def turns(self, count: int, late: Sequence[int], live: int = 5, **how: float) -> list[Sequence[int]]:
        """Let voices be late for all but `live` of 20 looks, again and again; return who was waited for."""
        return [self.look([] if tick % 20 < live else late, **how) for tick in range(20 * count)]


def test_late_once_is_waited_for_a_while() -> None:
    patience = Patience(RATE)
    patience.want(0.0, 0, dry=False)
    assert patience.left(0.0) == math.inf
    assert patience.wait([1], 0.0) and patience.wait([1, 2], LONGEST - 0.001)
    assert 0 < patience.left(LONGEST - 0.001) < 0.0011
    assert patience.left(LONGEST / 2) <= STOOD / 2, "so that it is known whether the machine stands still"
    assert not patience.wait([1, 2], LONGEST + 0.001), "one time for all"
    patience.served()
    assert patience.wait([1], LONGEST + 0.002)


def test_outputs_that_hold_little_wait_less() -> None:
    patience = Patience(RATE)
    patience.allow(0.016)
    assert patience.wait([1], 0.0) and not patience.wait([1], 0.009)
    patience.served()
    patience.allow(0.001)
    assert patience.wait([1], 0.01) and not patience.wait([1], 0.011 + SHORTEST)


def test_late_by_a_little_again_and_again_is_waited_for_no_more_once_listeners_hold_little() -> None:
    mix = Mix()
    waited = mix.turns(20, [1])
    first = next(tick for tick, who in enumerate(waited) if tick % 20 >= 5 and not who)
    assert TICK * first * 15 / 20 < 2 * LONGEST
    assert not any(waited[first:]), "until as much is mixed as is wanted"
    assert mix.patience.blames(1)


def test_voices_that_are_late_together_are_all_waited_for_no_more() -> None:
    """As where two cores have too much to do: what they lose in turn would be lost by all."""
    for late in ([1, 2], [2, 1], list(range(8))):
        mix = Mix()
        assert sum(map(bool, mix.turns(20, late))) < 2.5 * LONGEST / TICK
        assert all(map(mix.patience.blames, late))


def test_one_that_is_late_after_another_is_waited_for_no_more_either() -> None:
    mix, lost = Mix(), 0
    for _ in range(40):
        lost += sum(bool(mix.look([1, 2])) for _ in range(8))
        lost += sum(bool(mix.look([2])) for _ in range(7))
        for _ in range(5):
            mix.look([])
    assert lost < 2.5 * LONGEST / TICK


def test_waits_that_end_between_two_looks_count_too() -> None:
    """A bell ends them: the voice is not late any more when it is looked."""
    mix = Mix()
    waited = [mix.look([1] if turn % 2 else [], tick=0.0045) for turn in range(100)]
    assert not any(waited[30:])


def test_it_is_waited_for_where_nobody_runs_dry() -> None:
    mix = Mix()
    assert sum(map(bool, mix.turns(20, [1], dry=False))) == 20 * 15


def test_those_who_only_take_faster_than_time_are_no_reason() -> None:
    """They hold nothing either, and never get as much as they want."""
    mix = Mix()
    assert sum(map(bool, mix.turns(20, [1], speed=5.0))) == 20 * 15


def test_it_is_given_another_chance_when_as_much_is_mixed_as_wanted() -> None:
    mix = Mix()
    assert not mix.turns(20, [1])[-1]
    mix.patience.satisfied()
    assert mix.turns(1, [1])[-1]


def test_the_others_are_waited_for() -> None:
    """What is filled in for one is wanted of all the others at once."""
    mix = Mix()
    mix.turns(20, [1])
    assert mix.look([1, 2]) == [2] and mix.look([2, 1]) == [2]
    mix.patience.served()
    owing = [mix.look([2] if turn % 4 else [], dry=False) for turn in range(400)]
    assert sum(map(bool, owing)) == 300, "for as long as it takes, where that harms nobody"
    assert not mix.patience.blames(2)


def test_another_voice_in_its_place_is_not_blamed() -> None:
    mix = Mix()
    mix.turns(20, [1])
    mix.patience.forget(1)
    assert mix.look([1]) == [1]


def test_a_machine_that_stood_still_is_not_the_voice_s_fault() -> None:
    mix = Mix()
    mix.look([1], dry=False)
    assert not mix.look([1], tick=0.06), "what is next is filled in"
    for turn in range(40):
        assert mix.look([1] if turn % 4 == 0 else [], speed=3.0) == [1] * (turn % 4 == 0), "and no more"
