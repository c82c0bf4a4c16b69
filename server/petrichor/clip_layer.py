"""One layer of a clip engine: clips that follow each other through equal-power overlaps, for ever.

Time runs in quanta of `QUANTUM` frames; every decision falls on the edge of one, so the sound does not depend on the
sizes of the blocks that are asked for. Called by the block loop only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from petrichor.clips import NEAR, Clip, ClipOrder
from petrichor.controls import Controls
from petrichor.latent import distance

QUANTUM = 64  # frames: 1.3 ms at 48 kHz
FAR = 0.25  # standard deviations per coordinate: beyond, a fresh clip starts; nearer, the clip changes as it plays
SWITCH_FADE = 0.040  # seconds
SWITCH_INTERVAL = 0.080  # seconds between two switches, so that a slider at 100 Hz gives whole crossfades
OVERLAP_PART = 0.21  # of a clip: 100 ms of a 0.48-s clip
OVERLAP_LIMITS = (0.020, 0.250)  # seconds

Fetch = Callable[[ClipOrder, bool], Clip | None]

_EDGE = np.arange(QUANTUM) + 0.5


class Fade:
    """A rise or fall of a clip's level, equal power with its partner.

    Where the two clips are alike (one changed into the other), sine and cosine would swell by up to 3 dB in the
    middle: their correlation is divided out.
    """

    def __init__(self, start: int, length: int, rising: bool, correlation: float = 0.0) -> None:
        """Start at frame `start` of the clip and last `length` frames."""
        self.start, self.end = start, start + length
        self.rising = rising
        self._correlation = correlation

    def gain(self, position: int) -> np.ndarray:
        """Return the gains of the quantum at `position` of the clip. Shape [QUANTUM], float32"""
        part = np.clip((position - self.start + _EDGE) / (self.end - self.start), 0.0, 1.0) * (np.pi / 2)
        curve = np.sin(part) if self.rising else np.cos(part)
        if self._correlation > 0:
            curve = curve / np.sqrt(1.0 + self._correlation * np.sin(2 * part))
        return curve.astype(np.float32)


class Playing:
    """A clip that sounds."""

    def __init__(self, clip: Clip, position: int, fade: Fade) -> None:
        """Play `clip` from frame `position`, rising by `fade`."""
        self.clip = clip
        self.position = position
        self.left = clip.sound.shape[1] - position
        self._fades = [fade]
        self.leaving = False

    def leave(self, length: int, correlation: float = 0.0) -> None:
        """Fade out within `length` frames."""
        length = max(1, min(length, self.left))
        self._fades.append(Fade(self.position, length, False, correlation))
        self.left = length
        self.leaving = True

    def add_to(self, bus: np.ndarray) -> None:
        """Add the next quantum to `bus`, shape [2, QUANTUM], and move on."""
        frames = min(QUANTUM, self.left)
        piece = self.clip.sound[:, self.position : self.position + frames]
        for fade in self._fades:
            if self.position < fade.end:
                piece = piece * fade.gain(self.position)[:frames]
        bus[:, :frames] += piece
        self.position += frames
        self.left -= frames
        self._fades = [fade for fade in self._fades if not fade.rising or self.position < fade.end]


class Layer:
    """The clips of one layer.

    Attributes:
        number: Which layer.
        order: The clip that it wants next.
        switching: The order should sound at once instead of when the present clip ends.
    """

    def __init__(self, number: int, rate: int, controls: Controls) -> None:
        """Start silent at `rate` Hz, wanting the first clip of `controls`."""
        self.number = number
        self.order = ClipOrder(number, 0, controls)
        self.switching = False
        self._rate = rate
        self._playing: list[Playing] = []
        self._controls = controls
        self._rest = 0.0
        self._since = 1 << 30  # frames since the last switch

    def advance(self, controls: Controls, pause: float, fetch: Fetch) -> None:
        """Decide, at the edge of a quantum, what starts and what leaves.

        Args:
            controls: The present controls.
            pause: How long a mean pause between clips is now, in seconds; 0 for none.
            fetch: Gives the clip for an order, or None while it is not made; with True it always gives some clip.
        """
        if controls is not self._controls:
            self._attend(controls)
        self._since += QUANTUM
        if self.switching and self._since >= SWITCH_INTERVAL * self._rate:
            self._start(fetch(self.order, False))
        current = self._current
        if current is not None:
            overlap = self._overlap(current.clip)
            if current.left >= overlap + QUANTUM:
                return
            if pause > 0:
                current.leave(overlap)
                self._rest = current.clip.rest
            else:
                self._start(fetch(self.order, True))
        else:
            self._rest -= QUANTUM / (pause * self._rate) if pause > 0 else self._rest
            if self._rest <= 0:
                self._start(fetch(self.order, False))

    def add_to(self, bus: np.ndarray) -> None:
        """Add the next quantum of every clip to `bus`, shape [2, QUANTUM]."""
        for playing in self._playing:
            playing.add_to(bus)
        self._playing = [playing for playing in self._playing if playing.left > 0]

    def stop(self) -> None:
        """Drop everything: the layer is not heard."""
        self._playing.clear()
        self.switching = False
        self._rest = 0.0

    @property
    def _current(self) -> Playing | None:
        last = self._playing[-1] if self._playing else None
        return last if last is not None and not last.leaving else None

    def _attend(self, controls: Controls) -> None:
        """Order what changed controls ask for: a fresh clip, the present one changed, or a better next one."""
        seen, self._controls = self._controls, controls
        if controls.draw != seen.draw or controls.seed != seen.seed:
            self.order, self.switching = ClipOrder(self.number, 0, controls), True
            return
        index, current = self.order.index, self._current
        if current is not None and self.order.index > 0:
            moved = distance(controls.latent, current.clip.order.controls.latent)
            ending = current.left < 3 * self._overlap(current.clip)
            self.switching = self.switching or (moved >= NEAR and not ending)
            if self.switching:
                index = current.clip.order.index + (1 if moved >= FAR else 0)
        order = ClipOrder(self.number, index, controls)
        if not self.order.same_as(order):
            self.order = order

    def _start(self, clip: Clip | None) -> None:
        """Start `clip`; the one before leaves as it comes."""
        if clip is None:
            return
        before = self._current
        fade = round(SWITCH_FADE * self._rate) if self.switching else self._overlap(clip)
        position, correlation = 0, 0.0
        if self.switching and before is not None and before.clip.order.changed_into(clip.order):
            if before.left > 2 * fade and clip.sound.shape == before.clip.sound.shape:
                position = before.position  # it changes as it plays
                correlation = _alike(before.clip.sound, clip.sound, position, fade)
        for playing in self._playing:
            if not playing.leaving or self.switching:
                playing.leave(fade, correlation if playing is before else 0.0)
        self._playing.append(Playing(clip, position, Fade(position, fade, True, correlation)))
        if self.order.same_as(clip.order):
            if self.switching:
                self._since, self.switching = 0, False
            self.order = ClipOrder(self.number, clip.order.index + 1, self._controls)

    def _overlap(self, clip: Clip) -> int:
        frames = clip.sound.shape[1]
        low, high = OVERLAP_LIMITS
        wanted = min(max(OVERLAP_PART * frames, low * self._rate), high * self._rate)
        return max(QUANTUM, min(round(wanted), frames // 3))


def _alike(one: np.ndarray, other: np.ndarray, start: int, frames: int) -> float:
    """Return the correlation of two sounds over the frames from `start`, not below 0."""
    a, b = one[:, start : start + frames].ravel(), other[:, start : start + frames].ravel()
    frames = min(len(a), len(b))
    power = float(np.dot(a[:frames], a[:frames]) * np.dot(b[:frames], b[:frames]))
    return max(0.0, float(np.dot(a[:frames], b[:frames])) / np.sqrt(power)) if power > 0 else 0.0
