"""The sound card, through sounddevice. Its callback copies from the timeline and does nothing else.

PortAudio is loaded only when a device is asked for: a machine without a sound card, or without the library,
serves streams and files.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from petrichor.bell import Bell
from petrichor.errors import OutputError
from petrichor.timeline import Timeline, crossfade

log = logging.getLogger(__name__)
LARGEST_LAG = 0.25  # seconds behind the head of the mix, beyond which the card is moved up to it
LEAST_LEAD = 1024  # frames mixed ahead of the callback: 21 ms at 48 kHz, without real-time priority


class Device:
    """An open sound card that follows the timeline.

    Args:
        name: PortAudio device name or a part of it; "default" for the system's default.
        rate: Hz.
        timeline: What to play, from its present position.
        bell: Rung at each callback, so that the main loop mixes on.

    Raises:
        OutputError: No such device, no PortAudio, or the device refuses the rate.
    """

    def __init__(self, name: str, rate: int, timeline: Timeline, bell: Bell) -> None:
        """Open and start it."""
        self._timeline = timeline
        self._bell = bell
        self.position = timeline.position
        self.underruns = 0
        self.primed = False
        self._rate = rate
        self._lead = LEAST_LEAD
        try:
            import sounddevice  # noqa: PLC0415  # loads PortAudio: only where a device is wanted

            wanted: Any = None if name == "default" else name
            self._stream = sounddevice.OutputStream(
                rate,
                0,
                wanted,
                2,
                "float32",
                latency="low",
                callback=self._callback,  # 0: the host's own period
            )
            self._stream.start()
        except Exception as error:  # OSError without PortAudio, PortAudioError, ValueError for an unknown name
            raise OutputError(f"sound device {name!r}: {error}; playing to streams and files only") from error
        self.name = str(sounddevice.query_devices(self._stream.device)["name"])

    @property
    def demand(self) -> int:
        """Timeline position that should be mixed by now."""
        return self.position + self._lead

    @property
    def lost(self) -> bool:
        """Whether the device stopped by itself."""
        return not self._stream.active

    def close(self) -> None:
        """Stop and close it."""
        self._stream.stop(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _callback(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        timeline = self._timeline
        self._lead = max(self._lead, 2 * frames)  # the period that the system has chosen, and the next one
        ahead = timeline.position - self.position
        if ahead > self._lead + LARGEST_LAG * self._rate:
            out[:] = self._move_up(frames)
        elif ahead >= frames:
            out[:] = timeline.read(self.position, frames)
            self.position += frames
            self.primed = True
        else:
            out[:] = 0.0
            self.underruns += self.primed
        self._bell.ring()

    def _move_up(self, frames: int) -> np.ndarray:
        """Crossfade to the head of the mix: another output's faster clock has led it away from this one."""
        old, self.position = self.position, self._timeline.position - self._lead
        sound = crossfade(self._timeline, old, self.position, frames)
        self.position += frames
        return sound
