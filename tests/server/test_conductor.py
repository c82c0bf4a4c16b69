"""When messages act: at once, at their time, at their frame; what is late, what is too much, whose clock is off."""

from __future__ import annotations

import math

import numpy as np
import pytest

from petrichor.clock import SampleClock
from petrichor.conductor import LEAD, Conductor
from petrichor.errors import MessageError
from petrichor.osc import Address, Message
from petrichor.schedule import LIMIT_BYTES, LIMIT_EACH

RATE = 48000
HERE: Address = ("127.0.0.1", 5000)
THERE: Address = ("10.0.0.7", 5000)


class Stage:
    """A conductor with everything around it recorded."""

    def __init__(self, line: float = 0.0) -> None:
        self.now = 1_700_000_000.0
        self.line = np.array([line])
        self.obeyed: list[tuple[str, int | None]] = []
        self.refused: list[str] = []
        self.late: list[tuple[str, float]] = []
        self.shifted: list[float] = []
        self.published = 0
        self.past = 0.0
        clock = SampleClock(self.line, RATE, lambda: self.now, lambda: self.now)
        clock.follow(busy=False)
        self.conductor = Conductor(
            clock,
            self._obey,
            lambda message: not message.address.endswith("/load"),
            lambda error, sender: self.refused.append(error.reason),
            self._publish,
            lambda address, seconds: self.late.append((address, seconds)),
            self.shifted.append,
            lambda: self.now,
        )

    def _obey(self, message: Message, sender: Address, position: int | None) -> float:
        self.obeyed.append((message.address, position))
        return self.past

    def _publish(self) -> None:
        self.published += 1

    def take(self, *messages: Message, sender: Address = HERE) -> None:
        self.conductor.take(messages, sender)

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.conductor.due(busy=False)


def test_a_phrase_that_is_shifted_is_told() -> None:
    stage = Stage()
    stage.take(Message("/v/gain", (-6.0,), stage.now + 1.0))
    stage.go(0.1)
    assert stage.shifted == []
    stage.line[0] -= 0.5 * RATE
    stage.go(0.1)
    assert stage.shifted == [pytest.approx(-0.5)]


def test_messages_without_time_act_at_once_and_together() -> None:
    stage = Stage()
    stage.take(Message("/a/x"), Message("/b/y"))
    assert stage.obeyed == [("/a/x", None), ("/b/y", None)]
    assert stage.published == 1


def test_future_messages_are_sent_on_ahead_as_cues_for_their_frame() -> None:
    stage = Stage()
    at = stage.now + 1.0
    stage.take(Message("/a/x", (), at), Message("/a/load", (), at))
    assert not stage.obeyed
    assert stage.conductor.waiting == 2
    assert stage.conductor.patience == pytest.approx(1.0 - LEAD)
    stage.go(1.0 - LEAD + 0.01)
    ((address, position),) = stage.obeyed
    assert address == "/a/x"
    assert position == pytest.approx(at * RATE, abs=1)
    stage.go(LEAD)
    assert stage.obeyed[1] == ("/a/load", None), "what is no parameter waits for its time itself"
    assert not stage.late


def test_late_messages_act_at_once_and_are_told() -> None:
    stage = Stage()
    stage.take(Message("/a/x", (), stage.now - 0.25), Message("/a/y", (), stage.now - 0.0001))
    assert stage.obeyed == [("/a/x", None), ("/a/y", None)]
    assert stage.late == [("/a/x", pytest.approx(0.25))]


def test_cue_that_came_too_late_for_its_frame_is_told() -> None:
    stage = Stage()
    stage.past = 0.004
    stage.take(Message("/a/x", (), stage.now + 0.001))
    assert stage.obeyed[0][1] is not None
    assert stage.late == [("/a/x", 0.004)]


def test_before_the_mix_begins_messages_act_by_the_time_of_day() -> None:
    stage = Stage(math.nan)
    stage.take(Message("/a/x", (), stage.now + 0.1))
    assert stage.obeyed == [("/a/x", None)]
    assert stage.conductor.position_at(stage.now) is None


def test_a_time_long_past_has_no_frame() -> None:
    """A recording that comes seconds too late begins now."""
    stage = Stage()
    assert stage.conductor.position_at(stage.now) == stage.conductor.position_at(stage.now - 0.2) + round(0.2 * RATE)
    assert stage.conductor.position_at(stage.now - 5.0) is None


def test_clear_forgets_what_waits() -> None:
    stage = Stage()
    for second in range(1, 6):
        stage.take(Message("/a/x", (), stage.now + second))
    assert stage.conductor.clear() == 5
    stage.go(10.0)
    assert not stage.obeyed


def test_too_many_are_refused_and_the_others_stay() -> None:
    stage = Stage()
    for _ in range(LIMIT_EACH + 3):
        stage.take(Message("/a/x", (1.0,), stage.now + 5))
    assert len(stage.refused) == 3
    assert "wait already" in stage.refused[0]
    stage.take(Message("/a/x", (), stage.now + 5), sender=THERE)
    assert stage.conductor.waiting == LIMIT_EACH + 1, "another sender is not held responsible"


def test_clock_of_another_host_is_learned_and_corrected() -> None:
    """A host whose clock is 3 s ahead: its bundles act as it means them, not 3 s later."""
    stage = Stage()
    ahead = 3.0
    stage.take(Message("/a/x", (), stage.now + ahead + 0.2), sender=THERE)
    assert stage.conductor.waiting == 1
    stage.conductor.clear()
    for delay in (0.004, 0.001, 0.009):
        stage.conductor.read_clock(THERE[0], stage.now + ahead - delay)
    assert stage.conductor.offset_of(THERE[0]) == pytest.approx(-ahead + 0.001)
    stage.take(Message("/a/x", (), stage.now + ahead + 0.2), sender=THERE)
    assert len(stage.obeyed) == 1
    assert stage.obeyed[0][1] == pytest.approx((stage.now + 0.201) * RATE, abs=5)
    assert stage.conductor.offset_of(HERE[0]) == 0.0


def test_clock_message_is_not_itself_scheduled() -> None:
    stage = Stage()
    stage.take(Message("/clock", (), stage.now + 100), sender=THERE)
    assert stage.obeyed == [("/clock", None)]


def test_offsets_of_many_hosts_are_bounded() -> None:
    stage = Stage()
    for number in range(1000):
        stage.conductor.read_clock(f"10.0.{number // 256}.{number % 256}", stage.now - 1)
    assert len(stage.conductor._readings) <= 256


def test_refusal_keeps_the_address() -> None:
    errors: list[MessageError] = []
    stage = Stage()
    stage.conductor._refuse = lambda error, sender: errors.append(error)
    stage.take(Message("/a/x", (), stage.now + 1e6))
    assert errors[0].address == "/a/x"
    assert "ahead" in errors[0].reason


def test_what_waits_is_limited_in_bytes_too() -> None:
    stage = Stage()
    for _ in range(1000):
        stage.take(Message("/a/latent", (bytes(65000),), stage.now + 5))
    assert stage.conductor.waiting * 65000 < LIMIT_BYTES
    assert len(stage.refused) == 1000 - stage.conductor.waiting
