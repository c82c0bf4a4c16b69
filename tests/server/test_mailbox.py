"""Mailboxes: whole messages in order, all of a group or none, across wraps and processes; a full one refuses."""

from __future__ import annotations

import multiprocessing
import time

import numpy as np
import pytest

from petrichor.mailbox import Mailbox
from petrichor.segment import Segment


def mailbox(size: int) -> Mailbox:
    return Mailbox(np.zeros(2, np.int64), np.zeros(size, np.uint8))


def test_messages_come_whole_and_in_order_across_the_end() -> None:
    box = mailbox(1000)
    sent, taken = [], []
    for number in range(500):
        item = ("x" * (number % 90), number)
        assert box.put([item])
        sent.append(item)
        if number % 3 == 0:
            taken += box.take()
    assert taken + box.take() == sent
    assert not box.waiting
    assert box.take() == []


def test_group_without_room_is_not_put_at_all() -> None:
    box = mailbox(300)
    assert box.put([b"a" * 100])
    assert not box.put([b"b" * 50, b"c" * 200])
    assert box.take() == [b"a" * 100]
    assert box.put([b"b" * 50, b"c" * 150])
    assert box.take() == [b"b" * 50, b"c" * 150]


def _write(name: str, count: int) -> None:
    segment = Segment(name)
    number = 0
    while number < count:
        if segment.orders.put([number, np.full(number % 200, number)]):
            number += 1
        else:
            time.sleep(0)
    segment.close()


def test_another_process_reads_what_one_writes() -> None:
    with Segment() as segment:
        writer = multiprocessing.get_context("spawn").Process(target=_write, args=(segment.name, 3000))
        writer.start()
        items: list[object] = []
        deadline = time.monotonic() + 60
        while len(items) < 6000 and time.monotonic() < deadline:
            items += segment.orders.take()
        writer.join()
        writer.close()
        assert items[::2] == list(range(3000))
        assert all((array == number).all() for number, array in zip(items[::2], items[1::2], strict=True))  # type: ignore[attr-defined]


def test_what_can_never_fit_is_refused_and_leaves_the_others() -> None:
    box = mailbox(256)
    assert box.put([1])
    with pytest.raises(ValueError, match="at most 256"):
        box.put([b"x" * 300])
    assert box.put([2])
    assert box.take() == [1, 2]
