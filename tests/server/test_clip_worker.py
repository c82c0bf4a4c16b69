"""The thread that makes clips ahead."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor import clip_worker
from petrichor.clip_worker import ClipWorker
from petrichor.clips import Clip, ClipMaker, ClipOrder
from petrichor.controls import Controls
from petrichor.voice_file import Voice

BASE = Controls(np.zeros(8, np.float32))


@pytest.fixture(scope="module")
def maker(voices: dict[str, Voice]) -> ClipMaker:
    return ClipMaker(voices["bird"], 48_000)


def test_the_worker_makes_urgent_orders_first_and_none_twice(maker: ClipMaker) -> None:
    orders = tuple(ClipOrder(layer, 0, BASE) for layer in (2, 0, 1))
    worker = ClipWorker(maker)
    try:
        worker.post(orders)
        worker.post(orders)
        made = [worker._made.get(timeout=20) for _ in orders]
    finally:
        worker.close()
    assert [clip.order for clip in made] == list(orders)
    assert worker.take() is None


def test_the_worker_survives_a_clip_that_fails(
    maker: ClipMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = ClipOrder(0, 0, BASE), ClipOrder(1, 0, BASE)
    make = maker.make
    monkeypatch.setattr(maker, "make", lambda order: make(order) if order is good else 1 / 0)
    worker = ClipWorker(maker)
    try:
        worker.post((bad, good))
        assert worker._made.get(timeout=20).order is good
    finally:
        worker.close()
    assert "clip failed" in caplog.text


def test_a_clip_that_could_not_be_made_is_tried_again(maker: ClipMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody orders it anew: a resting voice would be silent until somebody touches it."""
    monkeypatch.setattr(clip_worker, "AGAIN", 0.05)
    tries: list[ClipOrder] = []
    make = maker.make

    def fails_twice(order: ClipOrder) -> Clip:
        tries.append(order)
        if len(tries) < 3:
            raise MemoryError
        return make(order)

    monkeypatch.setattr(maker, "make", fails_twice)
    order, worker = ClipOrder(0, 0, BASE), ClipWorker(maker)
    try:
        worker.post((order,))
        assert worker._made.get(timeout=20).order is order
    finally:
        worker.close()
    assert len(tries) == 3
