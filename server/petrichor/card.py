"""The sound card's process: PortAudio, its callback, and nothing else.

It has a process of its own because PortAudio can hang: after its JACK server has died, stopping a stream never
returns. Here that costs nobody anything: the process simply ends, and the control process starts another, which looks
for the card until it is there again. The callback copies from the timeline in the shared memory, resampled where the
card's rate is another, and rings the audio process so that it mixes on.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import soxr

from petrichor.bell import Bell
from petrichor.errors import OutputError
from petrichor.priority import CARD, use_realtime_priority
from petrichor.processes import name_process
from petrichor.segment import Segment
from petrichor.timeline import Timeline, crossfade

log = logging.getLogger(__name__)
LARGEST_LAG = 0.25  # seconds behind the head of the mix, beyond which the card is moved up to it
LEAST_LEAD = 1024  # frames mixed ahead of the callback: 21 ms at 48 kHz, without real-time priority
CROSSFADE = 0.01  # seconds in which it is moved up
PATIENCE = 0.25  # seconds between two looks at the device
SILENT = 2.0  # seconds without a callback, after which a device counts as lost
RETRY = 2.0  # seconds between two looks for a device that is not there
LUMP = 2048  # frames more where a resampler stands between: it gives its sound in lumps of up to so many


@dataclass(frozen=True)
class CardOptions:
    """What the process needs to start.

    Attributes:
        segment: Name of the shared memory segment.
        name: PortAudio device name or a part of it; "default" for the system's default.
        rate: Hz, of the mix.
        realtime: Whether it wants real-time priority.
    """

    segment: str
    name: str
    rate: int
    realtime: bool


@dataclass(frozen=True)
class Opened:
    """Report: the card plays.

    Attributes:
        device: Its name.
        rate: Hz, of the device.
    """

    device: str
    rate: int


@dataclass(frozen=True)
class Missing:
    """Report: there is no such card now; the process goes on looking for it."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """Report: the card stopped by itself; the process ends."""

    reason: str


class Player:
    """What the callback plays: the timeline, at the card's rate.

    Args:
        timeline: The mix.
        figures: The card's figures in the shared memory, see `petrichor.segment.CARD`.
        rate: Hz, of the mix.
        device_rate: Hz, of the card.
    """

    def __init__(self, timeline: Timeline, figures: np.ndarray, rate: int, device_rate: int) -> None:
        """Start at the present position, with nothing played."""
        self._timeline = timeline
        self._figures = figures
        self._rate = rate
        self._ratio = rate / device_rate
        self._resampler = None
        if rate != device_rate:
            self._resampler = soxr.ResampleStream(rate, device_rate, 2, "float32")
        self._ready = np.zeros((0, 2), np.float32)  # resampled and not yet played
        self._primed = False
        self._lump = 0 if self._resampler is None else LUMP
        figures["position"], figures["lead"] = timeline.position, LEAST_LEAD + self._lump
        figures["rate"] = device_rate

    def fill(self, out: np.ndarray, late: bool = False) -> None:
        """Fill one period of the card.

        Args:
            out: Shape [frames, 2], float32
            late: Whether the card has played a gap since the last.
        """
        figures, frames = self._figures, len(out)
        needed = math.ceil((frames - len(self._ready)) * self._ratio)
        # The period that the system has chosen, and the next one.
        figures["lead"] = max(int(figures["lead"]), 2 * math.ceil(frames * self._ratio) + self._lump)
        ahead = self._timeline.position - int(figures["position"])
        if ahead > int(figures["lead"]) + LARGEST_LAG * self._rate:
            self._append(self._moved_up())
            figures["jumps"] += 1
        while len(self._ready) < frames and self._take(max(needed, 1)):
            needed = math.ceil((frames - len(self._ready)) * self._ratio)
        if len(self._ready) >= frames:
            out[:] = self._ready[:frames]
            self._ready = self._ready[frames:]
            figures["underruns"] += self._primed and late
            self._primed = True
        else:
            out[:] = 0.0
            figures["underruns"] += self._primed
        figures["beat"] = time.monotonic()

    def _take(self, frames: int) -> bool:
        """Take that many frames from the timeline, and say whether they were there."""
        position = int(self._figures["position"])
        if self._timeline.position - position < frames:
            return False
        self._append(self._timeline.read(position, frames))
        self._figures["position"] = position + frames
        return True

    def _moved_up(self) -> np.ndarray:
        """Crossfade to the head of the mix: another output's faster clock has led it away from this one."""
        old = int(self._figures["position"])
        new = self._timeline.position - int(self._figures["lead"])
        fade = min(round(CROSSFADE * self._rate), self._timeline.position - new)
        self._figures["position"] = new + fade
        return crossfade(self._timeline, old, new, fade)

    def _append(self, frames: np.ndarray) -> None:
        if self._resampler is not None:
            frames = self._resampler.resample_chunk(np.ascontiguousarray(frames))
        self._ready = np.concatenate((self._ready, frames)) if len(self._ready) else frames


class Card:
    """An open sound card.

    Args:
        options: Which, and how.
        segment: The shared memory.
        bell: Rung at each callback, so that the audio process mixes on.

    Raises:
        OutputError: No such device, no PortAudio, or the device refuses.
    """

    def __init__(self, options: CardOptions, segment: Segment, bell: Bell) -> None:
        """Open it, at its own rate where it refuses the mix's, and start it."""
        self._bell = bell
        wanted: Any = None if options.name == "default" else options.name
        try:
            import sounddevice  # noqa: PLC0415  # loads PortAudio: only where a device is wanted

            sounddevice._terminate()  # so that devices which came later are seen
            sounddevice._initialize()
            info = sounddevice.query_devices(wanted, "output")
            self.name, self.rate = str(info["name"]), options.rate
            try:
                sounddevice.check_output_settings(wanted, 2, "float32", samplerate=options.rate)
            except sounddevice.PortAudioError:
                self.rate = round(float(info["default_samplerate"]))
            self._player = Player(segment.timeline, segment.card, options.rate, self.rate)
            self._stream = sounddevice.OutputStream(
                self.rate,
                0,  # the host's own period
                wanted,
                2,
                "float32",
                latency="low",
                callback=self._callback,
            )
            self._stream.start()
        except Exception as error:  # OSError without PortAudio, PortAudioError, ValueError for an unknown name
            raise OutputError(f"sound device {options.name!r}: {error}; playing to streams and files only") from error

    @property
    def lost(self) -> bool:
        """Whether the device stopped by itself."""
        return not self._stream.active

    def close(self) -> None:
        """Stop and close it, while it lives."""
        self._stream.stop(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _callback(self, out: np.ndarray, _frames: int, _time: Any, status: Any) -> None:
        self._player.fill(out, late=bool(status.output_underflow))
        self._bell.ring()


def run_card(options: CardOptions, bell: Bell, stop: Bell, reports: Connection) -> None:
    """Be the sound card's process until asked to stop or the server is gone.

    Args:
        options: See `CardOptions`.
        bell: Rung at each callback.
        stop: Heard when it is to end.
        reports: Where `Opened`, `Missing` and `Lost` are sent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    name_process("card")
    _silence_libraries()
    if options.realtime:
        use_realtime_priority(CARD)  # of this thread and, where the system starts it from here, of the callback's
    card: Card | None = None
    reason = ""
    with Segment(options.segment) as segment:
        try:
            card = _find(options, segment, bell, reports, stop)
            if card is not None:
                reason = _play(card, segment, reports, stop)
        except Exception as error:  # nobody would read a traceback: the libraries were silenced with it
            reason = f"{type(error).__name__}: {error}"
        segment.card["active"] = 0
        if reason:
            reports.send(Lost(reason))
        if reason or not _served():
            os._exit(0)  # nothing of PortAudio may be touched any more: closing could hang for ever
        if card is not None:
            card.close()


def _play(card: Card, segment: Segment, reports: Connection, stop: Bell) -> str:
    """Play until asked to end, or the server is gone (""), or something is wrong with the card: then say what."""
    segment.card["beat"] = time.monotonic()
    segment.card["active"] = 1
    reports.send(Opened(card.name, card.rate))
    while not stop.wait(PATIENCE) and _served():
        reason = _fault(card, segment)
        if reason:
            return reason
    return ""


def _find(options: CardOptions, segment: Segment, bell: Bell, reports: Connection, stop: Bell) -> Card | None:
    """Open the card, however long it takes to appear; None where the process is asked to end before."""
    told = ""
    while True:
        segment.card["beat"] = time.monotonic()  # opening can hang: then the control process kills this one
        try:
            return Card(options, segment, bell)
        except OutputError as error:
            if str(error) != told:
                told = str(error)
                reports.send(Missing(told))
        if stop.wait(RETRY) or not _served():
            return None


def _fault(card: Card, segment: Segment) -> str:
    if card.lost:
        return f"the sound device {card.name!r} stopped"
    if time.monotonic() - float(segment.card["beat"]) > SILENT:
        return f"the sound device {card.name!r} asks for nothing any more"
    return ""


def _served() -> bool:
    server = multiprocessing.parent_process()
    return server is None or server.is_alive()


def _silence_libraries() -> None:
    """Let JACK's and ALSA's libraries say nothing: they complain at every look for a device that is not there."""
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
