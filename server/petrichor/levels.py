"""Level meters for notified clients, at a bounded rate. Owned by the control process."""

from __future__ import annotations

import math
from collections.abc import Mapping

from petrichor.hosted_voice import HostedVoice
from petrichor.segment import Segment

INTERVAL = 0.1  # seconds between two levels: the audio process measures over as much
FLOOR = -120.0  # dBFS that stand for silence


def decibels(amplitude: float) -> float:
    """Return a linear level in dBFS, at least `FLOOR`."""
    return max(FLOOR, 20.0 * math.log10(max(amplitude, 1e-9)))


def level_messages(segment: Segment, voices: Mapping[str, HostedVoice]) -> list[tuple[object, ...]]:
    """Return what clients are told of the last interval.

    Returns:
        `/master/level` peak, RMS and the limiter's reduction, then `/V/level` peak and RMS of each voice that sounds;
        all in dBFS or dB.
    """
    meters = segment.meters
    levels = [decibels(float(meters[name])) for name in ("peak", "rms", "reduction")]
    messages: list[tuple[object, ...]] = [("/master/level", *levels)]
    for voice in voices.values():
        if voice.playing is not None and voice.playing.attached:
            messages.append((f"/{voice.name}/level", *map(decibels, segment[voice.playing.slot].levels)))
    return messages
