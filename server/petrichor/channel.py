"""One renderer's ring in the mix: its gain, its place, its fade, and what stands in for it while it is late.

A renderer that is late or dead does not stop the mix: its channel goes on from the recent past of its ring until live
sound returns. Owned by the mixer.
"""

from __future__ import annotations

import math

import numpy as np

from petrichor.concealment import Changeover, Concealment, Next, useful
from petrichor.controls import Strip, strip_of
from petrichor.cues import Part
from petrichor.glide import Fade, Glide
from petrichor.meter import Meter
from petrichor.ring import Ring

REJOIN = 0.01  # seconds of the crossfade from concealment back to live sound
HISTORY = 0.5  # seconds of past that concealment uses
LEAST_PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds for which one that cannot keep up is left alone
RELAPSE = 1.0  # seconds of live sound, within which the next time is twice as long


def stereo_gains(strip: Strip) -> tuple[float, float]:
    """Return left and right gain: balance for a stereo source, constant power, 0 dB each in the middle."""
    angle = (strip.pan + 1.0) * math.pi / 4
    return strip.gain * min(1.0, math.sqrt(2) * math.cos(angle)), strip.gain * min(1.0, math.sqrt(2) * math.sin(angle))


class Channel:
    """One renderer's ring in the mix.

    Args:
        ring: Where its sound comes from.
        part: Gain, pan and mute, with the cues for them.
        rate: Hz.
        fade_in: Seconds in which it comes up.
        recovered: Frames that a renderer that was late has to be ahead again, before it is heard again.
        before: What was heard of the voice before this renderer: it goes on from that while there is too little of its
            own. Shape [frames, 2]

    Attributes:
        part: Gain, pan and mute, with the cues for them.
        meter: Its level in the mix.
        concealed: Frames that had to be concealed, so far.
        ending: It fades out.
    """

    def __init__(
        self,
        ring: Ring,
        part: Part,
        rate: int,
        fade_in: float,
        recovered: int = 0,
        before: np.ndarray | None = None,
    ) -> None:
        """Start silent and fade in."""
        self.part = part
        self.meter = Meter()
        self.concealed = 0
        self.ending = False
        self._ring = ring
        self._rate = rate
        self._recovered = recovered
        self._before = before
        self._gains = Glide(rate, stereo_gains(strip_of(part.fields)))
        self._fade = Fade(0.0)
        self._fade.start(1.0, int(fade_in * rate))
        self._stand_in: Next | None = None
        self._way_back: Changeover | None = None  # from what stands in to live sound
        self._stale = 0  # frames that were written when the renderer fell silent: what is left of them is not played
        self._live = 0  # frames since its sound last was live again
        self._pause = 0  # frames for which it was left alone last
        self._paused = 0  # what is left of them

    @property
    def done(self) -> bool:
        """Whether it was asked to end and has faded out."""
        return self.ending and self._fade.silent

    def follow(self) -> None:
        """Glide to where the fields are now."""
        self._gains.to(stereo_gains(strip_of(self.part.fields)))

    def end(self, fade_out: float) -> None:
        """Fade out over so many seconds; `done` says when it is over."""
        self.ending = True
        self._fade.start(0.0, int(fade_out * self._rate))

    def ready(self, frames: int) -> bool:
        """Whether live sound for the next frames is there; a renderer that fell silent has to have caught up."""
        if self.concealing:
            caught_up = self._ring.fill >= max(frames, self._recovered) and self._ring.written > self._stale
            return caught_up and self._paused <= 0
        return self._ring.fill >= frames

    @property
    def past(self) -> np.ndarray:
        """What was heard of the voice lately, newest last. Shape [frames, 2]"""
        own = self._ring.history(int(HISTORY * self._rate))
        return own if self._before is None or useful(len(own), self._rate) else self._before

    def leave_alone(self) -> None:
        """Its renderer, late now, is late again and again: conceal it for a while before it is heard again."""
        again = 2 * self._pause if self._live < RELAPSE * self._rate else 0
        self._pause = self._paused = max(int(LEAST_PAUSE * self._rate), min(again, int(LONGEST_PAUSE * self._rate)))

    @property
    def concealing(self) -> bool:
        """Whether its renderer is late: nobody waits for it until it has caught up."""
        return self._stand_in is not None and self._way_back is None

    def play(self, out: np.ndarray, position: int) -> bool:
        """Put the next frames into `out`, gains applied, and say whether they had to be concealed.

        Args:
            out: As many frames as wanted. Shape [frames, 2], float32
            position: Where in the mix they go.
        """
        frames = len(out)
        written = self._ring.written  # before it is looked whether that is enough: the renderer goes on writing
        live = self.ready(frames)
        self._ring.place(position if live else position + frames)
        if not live:
            out[:] = self._conceal(frames, written)
            self.concealed += frames
            self._paused -= frames
        elif self._stand_in is None:
            self._ring.read_into(out)
            self._live += frames
            self._paused = 0
        else:
            out[:] = self._rejoin(self._stand_in, frames)
        if not self._fade.full:
            out *= self._fade.next(frames)
        if not self._gains.unity:
            out *= self._gains.next(frames)
        return not live

    def _conceal(self, frames: int, written: int) -> np.ndarray:
        if not self.concealing:
            self._stale = written  # no more than was too little: a renderer that is done since then writes no more
            self._live = 0
        if self._stand_in is None:
            self._stand_in = self._continuation()
        elif self._way_back is not None:  # it fell silent again on its way back, which is gone to its end all the same
            self._way_back.new = self._continuation()
            self._stand_in, self._way_back = self._way_back.next, None
        return self._stand_in(frames)

    def _continuation(self) -> Next:
        return Concealment(self.past, self._rate, self._ring.history(2)).next

    def _rejoin(self, stand_in: Next, frames: int) -> np.ndarray:
        """Crossfade from what stands in to live sound, over as many blocks as that takes."""
        if self._way_back is None:
            self._way_back = Changeover(stand_in, self._ring.read, int(REJOIN * self._rate))
        sound = self._way_back.next(frames)
        if self._way_back.over:
            self._stand_in = self._way_back = None
        return sound
