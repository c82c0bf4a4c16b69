"""One picture of a running server for the console, in values that JSON knows. Owned by the control process."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from petrichor.desk import Desk
from petrichor.hosted_voice import HostedVoice
from petrichor.levels import FLOOR, decibels
from petrichor.osc import Address, Message
from petrichor.segment import Segment

FIGURES = ("subscribers", "underruns", "restarts", "concealed", "device", "recording", "waiting")
MOST_VOICES = 24  # that a terminal has rows for
MOST_LISTENERS = 6
LONGEST = 160  # letters of a message


def take_picture(desk: Desk, segment: Segment, where: str) -> dict[str, object]:
    """Return what there is to see now.

    Args:
        desk: Knows the values.
        segment: Has the levels.
        where: Says how the server is reached.
    """
    figures, meters = desk.figures(), segment.meters
    return {
        "where": where,
        "voices": [_voice(each, segment) for each in list(desk.supervisor.voices.values())[:MOST_VOICES]],
        "master": [decibels(float(meters[name])) for name in ("peak", "rms", "reduction")],
        "gain": desk.master_gain,
        "listeners": _listeners(segment)[:MOST_LISTENERS],
        "scene": desk.scenes.current,
        "messages": [_line(sender, message) for sender, message in desk.heard],
        **{name: figures[name] for name in FIGURES},
    }


def _voice(voice: HostedVoice, segment: Segment) -> dict[str, Any]:
    values: Mapping[str, Any] = voice.plan.state.fields if voice.plan is not None else {}
    sounds = voice.playing is not None and voice.playing.attached
    level = list(map(decibels, segment[voice.playing.slot].levels)) if voice.playing and sounds else [FLOOR, FLOOR]
    return {
        "name": voice.name,
        "state": voice.status,
        "level": level,
        **{name: values.get(name) for name in ("intensity", "gain", "mute")},
    }


def _listeners(segment: Segment) -> list[tuple[str, int, int, int]]:
    rows = segment.listeners[: int(segment.meters["subscribers"])].tolist()
    return [
        (f"{socket.inet_ntoa(host.to_bytes(4, 'big'))}:{port}", fill, rate, underruns)
        for host, port, fill, rate, underruns in rows
    ]


def _line(sender: Address, message: Message) -> str:
    args = " ".join(_word(arg) for arg in message.args[:8])
    more = " …" if len(message.args) > 8 else ""
    when = "" if message.time is None else "  (timed)"
    return f"{sender[0]}:{sender[1]}  {message.address} {args}{more}{when}"[:LONGEST]


def _word(arg: object) -> str:
    if isinstance(arg, float):
        return f"{arg:.4g}"
    return f"<{len(arg)} bytes>" if isinstance(arg, bytes) else str(arg)[:40]
