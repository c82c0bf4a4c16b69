"""The sample clock: a line through bursts, and frames that stay as far apart as their timetags."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from petrichor.clock import JUMP, QUIET, SLACK, ClockFilter, SampleClock

RATE = 48000


class Times:
    """A steady clock and a time of day, moved by the test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall_ahead = 1_700_000_000.123456

    def steady(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.wall_ahead


def parts() -> tuple[Times, np.ndarray, ClockFilter, SampleClock]:
    times, line = Times(), np.array([math.nan])
    return times, line, ClockFilter(line, RATE), SampleClock(line, RATE, times.steady, times.wall)


def test_bursts_become_a_line() -> None:
    """An output that asks for 1024 frames at a time, at irregular moments: the line is far steadier than that."""
    times, line, clock, _ = parts()
    dice = random.Random(1)
    seen = []
    for _ in range(2000):
        times.now += 0.021 + dice.uniform(-0.004, 0.004)
        clock.note(round((times.now - 1000) * RATE) // 1024 * 1024, times.now)
        seen.append(float(line[0]) + 1000 * RATE)
    settled = np.array(seen[300:])
    assert np.ptp(settled) < 0.003 * RATE  # the bursts are of 21 ms
    assert abs(settled.mean()) < 200, "as if it always came in time"


def test_a_mix_that_is_late_for_a_while_does_not_move_the_line() -> None:
    times, line, clock, _ = parts()
    dice = random.Random(3)
    for _ in range(3000):
        times.now += 0.005
        late = 0.03 if dice.random() < 0.02 else 0.0
        clock.note(round((times.now - 1000 - late) * RATE), times.now)
        assert abs(float(line[0]) + 1000 * RATE) <= 1


def test_line_starts_anew_where_the_mix_has_jumped() -> None:
    times, line, clock, _ = parts()
    clock.note(0, times.now)
    clock.note(480, times.now + 0.01)
    clock.note(480 + 4096, times.now + 0.011)  # a listener that wants to hold 85 ms
    assert float(line[0]) + (times.now + 0.011) * RATE == pytest.approx(4576, abs=1)


def test_cues_of_a_phrase_are_as_far_apart_as_their_timetags() -> None:
    """Whatever fraction of a frame the phrase begins at, and whatever the line does below its slack."""
    times, line, _, clock = parts()
    dice = random.Random(2)
    line[0] = -1000 * RATE
    for _ in range(300):
        times.now += 20.0  # a new phrase
        clock.follow(busy=False)
        begin = times.wall() + dice.random()
        first = clock.position_at(begin)
        for step in (1, 77, 4800, 48000, 123456, 480000):
            line[0] += dice.uniform(-1, 1) * SLACK * RATE / 20
            clock.follow(busy=True)
            assert clock.position_at(begin + step / RATE) == first + step


def test_drift_is_followed_slowly_within_a_phrase_and_at_once_between_two() -> None:
    times, line, _, clock = parts()
    line[0] = -1000 * RATE
    clock.follow(busy=True)
    for _ in range(6000):  # an output whose clock runs 200 ppm fast, for ten minutes
        times.now += 0.1
        line[0] += 200e-6 * 0.1 * RATE
        clock.follow(busy=True)
        off = line[0] + times.now * RATE - clock.position_at(times.wall())
        assert abs(off) < (SLACK + 0.002) * RATE
    times.now += QUIET + 1
    clock.follow(busy=False)
    assert abs(line[0] + times.now * RATE - clock.position_at(times.wall())) <= 1


def test_a_jump_is_followed_at_once() -> None:
    times, line, _, clock = parts()
    line[0] = -1000 * RATE
    clock.follow(busy=True)
    line[0] += 2 * JUMP * RATE
    clock.follow(busy=True)
    assert abs(line[0] + times.now * RATE - clock.position_at(times.wall())) <= 1


def test_what_is_corrected_within_a_phrase_is_told() -> None:
    """A jump at once, a drift little by little, in all as much as the line was moved; between two phrases nothing."""
    times, line, _, clock = parts()
    line[0] = -1000 * RATE
    assert clock.follow(busy=True) == 0.0
    line[0] -= 0.9 * RATE  # the mix stood still
    times.now += 0.01
    assert clock.follow(busy=True) == pytest.approx(-0.9)
    told = 0.0
    line[0] += 0.02 * RATE
    for _ in range(4000):
        times.now += 0.01
        told += clock.follow(busy=True)
    assert told == pytest.approx(0.02 - SLACK, abs=0.001)
    times.now += QUIET + 1
    line[0] += 0.04 * RATE
    assert clock.follow(busy=False) == 0.0


def test_what_is_less_than_a_frame_is_not_told() -> None:
    times, line, _, clock = parts()
    line[0] = -1000 * RATE
    clock.follow(busy=True)
    for _ in range(1000):
        times.now += 0.01
        line[0] += 2e-7 * RATE  # 20 ppm: a good clock
        assert clock.follow(busy=True) == 0.0


def test_nothing_is_known_before_the_mix_begins() -> None:
    _, line, _, clock = parts()
    clock.follow(busy=False)
    assert not clock.known
    line[0] = 0.0
    clock.follow(busy=False)
    assert clock.known
