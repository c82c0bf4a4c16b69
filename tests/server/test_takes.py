"""Takes: a new key begins a new one, when it is ready, and the old one fades under it."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.controls import Controls
from petrichor.takes import FADE, Takes

RATE = 48000
FRAMES = round(FADE * RATE)


class Ramp:
    """A take whose frame n is n, plus its number of thousands."""

    def __init__(self, number: int, ready: bool = True) -> None:
        self.number, self.ready, self.position = number, ready, 0
        self.latent = np.array([number])
        self.heard: list[Controls] = []

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        self.heard.append(controls)
        start, self.position = self.position, self.position + frames
        wave = self.number * 1e5 + np.arange(start, start + frames)
        return np.repeat(wave[:, None], 2, 1).astype(np.float32)


class Cast:
    """Takes that are remembered."""

    def __init__(self, ready: bool = True) -> None:
        self.made: list[Ramp] = []
        self.takes = Takes(self._begin, lambda controls: controls.draw, RATE)
        self._ready = ready

    def _begin(self, controls: Controls) -> Ramp:
        self.made.append(Ramp(len(self.made), self._ready or not self.made))
        return self.made[-1]

    def render(self, draw: int, frames: int) -> np.ndarray:
        return self.takes.render(Controls(np.zeros(1, np.float32), draw=draw), frames)[:, 0]


def test_same_key_goes_on() -> None:
    cast = Cast()
    sound = np.concatenate([cast.render(1, n) for n in (10, 20, 30)])
    np.testing.assert_array_equal(sound, np.arange(60))


@pytest.mark.parametrize("sizes", [[5000], [1] * 100 + [4900], [FRAMES, 5000 - FRAMES], [700, 4300]])
def test_another_key_begins_at_its_sample_and_is_itself_after_the_fade(sizes: list[int]) -> None:
    cast = Cast()
    cast.render(1, 100)
    sound = np.concatenate([cast.render(2, n) for n in sizes])
    np.testing.assert_array_equal(sound[FRAMES:], 1e5 + np.arange(FRAMES, 5000))
    old, new = 100.0 + np.arange(FRAMES), 1e5 + np.arange(FRAMES)
    angle = np.arange(1, FRAMES + 1) / FRAMES * np.pi / 2
    np.testing.assert_allclose(sound[:FRAMES], old * np.cos(angle) + new * np.sin(angle), rtol=1e-4, atol=1)


def test_one_that_is_not_ready_is_waited_for_with_the_old_controls() -> None:
    cast = Cast(ready=False)
    cast.render(1, 100)
    np.testing.assert_array_equal(cast.render(2, 50), 100 + np.arange(50))
    assert {controls.draw for controls in cast.made[0].heard} == {1}
    cast.made[1].ready = True
    assert cast.render(2, 2 * FRAMES)[-1] > 1e5


def test_a_flood_of_keys_ends_on_the_last_and_starves_none() -> None:
    cast = Cast(ready=False)
    cast.render(1, 100)
    for draw in range(2, 50):
        cast.render(draw, 64)
    assert len(cast.made) == 2, "the one being made is not given up for each newer one"
    cast.made[1].ready = True
    for _ in range(40):
        cast.render(49, 64)
        cast.made[-1].ready = True
    assert len(cast.made) == 3
    assert cast.render(49, 64)[-1] > 2e5


def test_an_expected_take_is_prepared_and_not_started() -> None:
    cast = Cast(ready=False)
    cast.render(1, 100)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=2))
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=2))
    assert len(cast.made) == 2
    cast.made[1].ready = True
    np.testing.assert_array_equal(cast.render(1, 50), 100 + np.arange(50))
    assert cast.render(2, FRAMES + 1)[-1] == 1e5 + FRAMES
    assert len(cast.made) == 2


def test_what_is_held_is_what_is_heard_and_not_what_was_prepared() -> None:
    cast = Cast()
    held = Controls(np.zeros(1, np.float32), draw=2, freeze=True)
    assert cast.takes.held(held) is None
    cast.render(1, 100)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=2))
    assert len(cast.made) == 2
    assert cast.takes.held(held) == [0]


def test_what_was_expected_and_is_not_made_is_late() -> None:
    cast = Cast(ready=False)
    cast.render(1, 100)
    cast.render(2, 50)
    assert cast.takes.late == 0, "nobody was told of it before"
    cast.made[1].ready = True
    cast.render(2, 2 * FRAMES)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=3))
    cast.render(2, 50)
    assert cast.takes.late == 0, "it is not due"
    cast.render(3, 50)
    cast.render(3, 20)
    assert cast.takes.late == 70
    cast.made[2].ready = True
    cast.render(3, FRAMES)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=4))
    cast.made[3].ready = True
    cast.render(4, 2 * FRAMES)
    assert cast.takes.late == 70


def test_what_is_due_now_goes_before_what_is_expected() -> None:
    cast = Cast(ready=False)
    cast.render(1, 100)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=9))
    cast.render(2, 10)
    cast.takes.expect(Controls(np.zeros(1, np.float32), draw=9))
    assert len(cast.made) == 3
    cast.made[2].ready = True
    assert cast.render(2, FRAMES + 1)[-1] > 2e5


def test_keys_that_change_faster_than_takes_are_made_are_heard_now_and_then() -> None:
    """A new key every 53 ms while each take needs 80 ms to be made."""
    cast = Cast(ready=False)
    cast.render(0, 100)
    block, heard = 64, set()
    for turn in range(4000):
        draw = 1 + turn * block // round(0.053 * RATE)
        heard.add(int(cast.render(draw, block)[-1] // 1e5))
        newest = cast.made[-1]
        if not hasattr(newest, "due"):
            newest.due = turn + round(0.08 * RATE) // block  # type: ignore[attr-defined]
        newest.ready = newest.ready or turn >= newest.due  # type: ignore[attr-defined]
    assert len(heard) > 20
