"""One layer of a clip engine: clips that follow each other through equal-power overlaps, for ever.

Time runs in quanta of `QUANTUM` frames; every decision falls on the edge of one, so the sound does not depend on the
sizes of the blocks that are asked for. Called by the block loop only.
"""

from __future__ import annotations

import functools
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
REST_PART = 0.35  # of a clip next to a pause: background noise that comes with a bird should not switch on and off
FIRST_FADE = 0.010  # seconds: the very first clip, because whoever starts an engine fades it in

Fetch = Callable[[ClipOrder, bool], Clip | None]


@functools.lru_cache(64)
def fade_curve(frames: int, rising: bool) -> np.ndarray:
    """Return the gains of an equal-power fade. Shape [frames], float32"""
    part = (np.arange(frames, dtype=np.float32) + 0.5) * np.float32(np.pi / 2 / frames)
    return np.sin(part) if rising else np.cos(part)


def likeness_gain(frames: int, correlation: float) -> np.ndarray:
    """Return what keeps a crossfade of two sounds that are alike from swelling in its middle. Shape [frames]

    Sine and cosine keep the power of unrelated sounds; two equal ones would grow by 3 dB.
    """
    return 1 / np.sqrt(1 + 2 * np.float32(correlation) * fade_curve(frames, True) * fade_curve(frames, False))


class Playing:
    """A clip that sounds.

    Attributes:
        clip: The clip.
        position: Its next frame.
        left: Frames until it is over.
        overlap: So many frames before its end the next clip starts.
        leaving: It fades out.
    """

    def __init__(self, clip: Clip, position: int, overlap: int) -> None:
        """Play `clip` from frame `position`."""
        self.clip = clip
        self.position = position
        self.left = clip.sound.shape[1] - position
        self.overlap = overlap
        self.leaving = False
        self._fades: list[tuple[int, np.ndarray]] = []  # first frame, gains

    def fade(self, curve: np.ndarray) -> None:
        """Apply gains to the frames from here on. Shape [frames]"""
        self._fades.append((self.position, curve))

    def leave(self, curve: np.ndarray) -> None:
        """Fade out by `curve`, then be over. Shape [frames], not more than are left"""
        self.fade(curve)
        self.left = len(curve)
        self.leaving = True

    def ending(self, pause: float) -> int:
        """Return how many frames before its end it begins to leave: sooner where a pause follows."""
        return round(REST_PART * self.clip.sound.shape[1]) if pause > 0 else self.overlap

    def becomes(self, clip: Clip, frames: int) -> bool:
        """Tell whether `clip` is this clip made from another latent, and so many frames are left to change over."""
        same = self.clip.order.changed_into(clip.order) and self.clip.sound.shape == clip.sound.shape
        return same and self.left > frames

    def add_to(self, out: np.ndarray, gain: np.ndarray | np.float32) -> None:
        """Add the next frames times `gain` to `out`, shape [2, frames], and move on."""
        start, frames = self.position, min(out.shape[1], self.left)
        piece = self.clip.sound[:, start : start + frames]
        for first, curve in self._fades:
            gains = curve[start - first : start - first + frames]
            if len(gains):  # a fade may end within these frames: it ends at 1 or with the clip
                piece = piece.copy()
                piece[:, : len(gains)] *= gains
        if frames == out.shape[1]:
            out += piece * gain
        else:
            out[:, :frames] += piece * (gain if np.ndim(gain) == 0 else gain[:frames])  # type: ignore[index]
        self.position += frames
        self.left -= frames
        self._fades = [(first, curve) for first, curve in self._fades if self.position < first + len(curve)]


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
        self._first = True
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
        if self.switching and self._since >= SWITCH_INTERVAL * self._rate:
            self._start(fetch(self.order, False))
        current = self._current
        if current is not None:
            if current.left >= current.ending(pause) + QUANTUM:
                return
            if pause > 0:
                current.leave(fade_curve(min(current.ending(pause), current.left), False))
                self._rest = current.clip.rest
            else:
                self._start(fetch(self.order, True))
        else:
            self._rest -= QUANTUM / (pause * self._rate) if pause > 0 else self._rest
            if self._rest <= 0:
                self._start(fetch(self.order, False))

    def steady(self, pause: float) -> int:
        """Return for how many quanta, from one just decided on, `advance` would decide nothing. At least 1."""
        current = self._current
        if self.switching or current is None:
            return 1
        return max(1, (current.left - current.ending(pause)) // QUANTUM)

    def add_to(self, out: np.ndarray, gain: np.ndarray | np.float32) -> None:
        """Add the next frames of every clip times `gain` to `out`, shape [2, frames]."""
        self._since += out.shape[1]
        for playing in self._playing:
            playing.add_to(out, gain)
        if self._playing and self._playing[0].left <= 0:
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
        self._controls = controls
        index, current = self.order.index, self._current
        if current is not None and self.order.index > 0:
            moved = distance(controls.latent, current.clip.order.controls.latent)
            changeable = current.left > current.overlap + 2 * SWITCH_FADE * self._rate
            self.switching = self.switching or moved >= FAR or (moved >= NEAR and changeable)
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
        overlap = self._overlap(clip)
        fade = self._rise(clip, overlap, before is None)
        started = Playing(clip, 0, overlap)
        alike = np.ones(1, np.float32)
        if self.switching and before is not None and before.becomes(clip, 2 * fade):
            started = Playing(clip, before.position, overlap)
            alike = likeness_gain(fade, _correlation(before, started, fade))
        started.fade(fade_curve(fade, True) * alike)
        for playing in self._playing:
            if not playing.leaving or self.switching:
                frames = min(fade, playing.left)
                playing.leave(fade_curve(frames, False) * (alike[-frames:] if playing is before else 1))
        self._playing.append(started)
        self._first = False
        if not clip.order.changed_into(self.order):
            return  # a stopgap: what was wanted still is
        if self.switching:
            self._since = 0
        self.switching = not clip.order.same_as(self.order)  # made too long ago: changes once more when that is made
        if not self.switching:
            self.order = ClipOrder(self.number, clip.order.index + 1, self._controls)

    def _rise(self, clip: Clip, overlap: int, alone: bool) -> int:
        """Return in how many frames `clip` comes in."""
        if self._first or self.switching:
            return min(round((FIRST_FADE if self._first else SWITCH_FADE) * self._rate), overlap)
        return round(REST_PART * clip.sound.shape[1]) if alone else overlap

    def _overlap(self, clip: Clip) -> int:
        frames = clip.sound.shape[1]
        low, high = OVERLAP_LIMITS
        wanted = min(max(OVERLAP_PART * frames, low * self._rate), high * self._rate)
        return max(QUANTUM, min(round(wanted), frames // 3))


def _correlation(one: Playing, other: Playing, frames: int) -> float:
    """Return how much alike two clips sound in the next frames: 0 (or opposed) … 1 (the same)."""
    a, b = (playing.clip.sound[:, playing.position : playing.position + frames].ravel() for playing in (one, other))
    power = float(np.dot(a, a)) * float(np.dot(b, b))
    return max(0.0, float(np.dot(a, b)) / np.sqrt(power)) if power > 0 else 0.0
