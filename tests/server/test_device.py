"""The sound card's callback: continuous, and moved up when another output's clock has led the mix away."""

from __future__ import annotations

import numpy as np

from petrichor.bell import Bell
from petrichor.device import LARGEST_LAG, Device
from petrichor.timeline import Timeline

RATE = 48000
PERIOD = 512


def without_card(timeline: Timeline) -> tuple[Device, Bell]:
    """Return a device whose stream was never opened: its callback is called by the test."""
    hear, ring = Bell.pair()
    device = object.__new__(Device)
    device.__dict__.update(
        _timeline=timeline, _bell=ring, position=0, underruns=0, primed=False, _rate=RATE, _lead=1024
    )
    return device, hear


def tone(frames: int) -> np.ndarray:
    return np.repeat(np.sin(2 * np.pi * 220 / RATE * np.arange(frames))[:, None], 2, 1).astype(np.float32)


def test_card_that_lags_is_moved_up_without_a_step() -> None:
    timeline, sound, heard = Timeline(), tone(10 * RATE), []
    device, hear = without_card(timeline)
    position = 0
    while position + 1000 < len(sound):  # the other output pulls twice as fast as the card
        timeline.append(sound[position : position + 2 * PERIOD])
        position += 2 * PERIOD
        out = np.empty((PERIOD, 2), np.float32)
        device._callback(out, PERIOD, None, None)
        heard.append(out)
        assert timeline.position - device.position <= LARGEST_LAG * RATE + 1024 + 2 * PERIOD
    assert device.underruns == 0
    assert np.abs(np.diff(np.concatenate(heard), axis=0)).max() < 3 * np.abs(np.diff(sound, axis=0)).max()
    hear.close()
    device._bell.close()


def test_dry_callback_is_silence_and_counted_once_it_has_played() -> None:
    timeline = Timeline()
    device, hear = without_card(timeline)
    out = np.ones((PERIOD, 2), np.float32)
    device._callback(out, PERIOD, None, None)
    assert not out.any()
    assert device.underruns == 0
    timeline.append(tone(PERIOD))
    device._callback(out, PERIOD, None, None)
    np.testing.assert_array_equal(out, tone(PERIOD))
    device._callback(out, PERIOD, None, None)
    assert not out.any()
    assert device.underruns == 1
    assert hear.wait(0.0)
    hear.close()
    device._bell.close()
