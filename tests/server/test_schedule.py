"""The schedule: order by time, limits."""

from __future__ import annotations

import pytest

from petrichor.errors import MessageError
from petrichor.schedule import HORIZON, LIMIT, LIMIT_BYTES, LIMIT_EACH, Schedule


def test_items_come_in_order_of_time_then_of_arrival() -> None:
    schedule: Schedule[str] = Schedule()
    for at, item in ((3.0, "d"), (1.0, "a"), (2.0, "b"), (2.0, "c"), (9.0, "e")):
        schedule.add(at, item, now=0.0)
    assert schedule.next_time == 1.0
    assert [item for _, item in schedule.due(3.0)] == ["a", "b", "c", "d"]
    assert len(schedule) == 1
    assert list(schedule.due(8.0)) == []


def test_too_far_and_too_many_are_refused() -> None:
    schedule: Schedule[int] = Schedule()
    with pytest.raises(MessageError, match="ahead"):
        schedule.add(HORIZON + 1, 0, now=0.0)
    for index in range(LIMIT_EACH):
        schedule.add(1.0, index, now=0.0, sender="one")
    with pytest.raises(MessageError, match="wait already"):
        schedule.add(1.0, 0, now=0.0, sender="one")
    for index in range(LIMIT - LIMIT_EACH):
        schedule.add(1.0, index, now=0.0, sender="other")
    with pytest.raises(MessageError, match="wait already"):
        schedule.add(1.0, 0, now=0.0, sender="third")
    assert schedule.clear() == LIMIT
    with pytest.raises(MessageError, match=f"got {LIMIT_BYTES + 1} bytes, 0 wait already"):
        schedule.add(1.0, 0, now=0.0, size=LIMIT_BYTES + 1)
    schedule.add(1.0, 5, now=0.0, size=LIMIT_BYTES)
    assert [item for _, item in schedule.due(1.0)] == [5]
    schedule.add(1.0, 6, now=0.0, size=LIMIT_BYTES)
