"""What the sound card's callback plays: continuous, at the card's rate, moved up when another clock has led it away."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.card import LARGEST_LAG, Player
from petrichor.segment import CARD
from petrichor.timeline import Timeline

RATE = 48000
PERIOD = 512


def player(timeline: Timeline, rate: int = RATE) -> tuple[Player, np.ndarray]:
    figures = np.zeros((), CARD)
    return Player(timeline, figures, RATE, rate), figures


def tone(frames: int, rate: int = RATE) -> np.ndarray:
    return np.repeat(np.sin(2 * np.pi * 220 / rate * np.arange(frames))[:, None], 2, 1).astype(np.float32)


def test_card_that_lags_is_moved_up_without_a_step() -> None:
    timeline, sound, heard = Timeline(), tone(10 * RATE), []
    plays, figures = player(timeline)
    position = 0
    while position + 1000 < len(sound):  # the other output pulls twice as fast as the card
        timeline.append(sound[position : position + 2 * PERIOD])
        position += 2 * PERIOD
        out = np.empty((PERIOD, 2), np.float32)
        plays.fill(out)
        heard.append(out)
        assert timeline.position - figures["position"] <= LARGEST_LAG * RATE + figures["lead"] + 2 * PERIOD
    assert figures["underruns"] == 0
    assert figures["jumps"] > 10
    assert np.abs(np.diff(np.concatenate(heard), axis=0)).max() < 3 * np.abs(np.diff(sound, axis=0)).max()


def test_card_of_a_fast_mix_is_moved_up_too() -> None:
    """At 192 kHz the crossfade would be longer than the card's lead."""
    timeline, sound = Timeline(), tone(2 * 192_000, 192_000)
    figures = np.zeros((), CARD)
    plays = Player(timeline, figures, 192_000, 192_000)
    for start in range(0, len(sound), 4 * PERIOD):
        timeline.append(sound[start : start + 4 * PERIOD])
        plays.fill(np.empty((PERIOD, 2), np.float32))
    assert figures["jumps"] > 0
    assert figures["underruns"] == 0


def test_dry_callback_is_silence_and_counted_once_it_has_played() -> None:
    timeline = Timeline()
    plays, figures = player(timeline)
    out = np.ones((PERIOD, 2), np.float32)
    plays.fill(out)
    assert not out.any()
    assert figures["underruns"] == 0
    timeline.append(tone(PERIOD))
    plays.fill(out)
    np.testing.assert_array_equal(out, tone(PERIOD))
    plays.fill(out)
    assert not out.any()
    assert figures["underruns"] == 1
    timeline.append(tone(PERIOD))
    plays.fill(out, late=True)
    assert figures["underruns"] == 2, "a gap of the card's own"
    assert figures["beat"] > 0


@pytest.mark.parametrize("rate", [44100, 96000, 22050])
@pytest.mark.parametrize("period", [64, 441, 1024])
def test_card_of_another_rate_hears_the_same_tone(rate: int, period: int) -> None:
    timeline, heard = Timeline(), []
    plays, figures = player(timeline, rate)
    sound, position = tone(3 * RATE), 0
    while True:
        wanted = int(figures["position"] + figures["lead"])
        if wanted > len(sound):
            break
        timeline.append(sound[position:wanted])  # the mix is always as far as the card wants it
        position = max(position, wanted)
        out = np.empty((period, 2), np.float32)
        plays.fill(out)
        heard.append(out)
    assert figures["underruns"] == 0
    assert figures["rate"] == rate
    whole = np.concatenate(heard)[:, 0].astype(np.float64)
    assert len(whole) / rate == pytest.approx(3.0, abs=0.2)
    middle = whole[rate // 2 : 2 * rate]
    turns = 2 * np.pi * 220 / rate * np.arange(len(middle))
    basis = np.stack((np.sin(turns), np.cos(turns)), 1)
    fit, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    assert np.hypot(*fit) == pytest.approx(1.0, abs=1e-3)
    assert np.sqrt(np.mean((middle - basis @ fit) ** 2)) < 1e-4
