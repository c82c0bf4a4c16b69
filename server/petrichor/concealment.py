"""What stands in for a renderer that is late or dead: its recent past, continued.

It goes on from the place in the past that is most like its end, so that a tone goes on as a tone and a texture as a
texture; from there to the next such place, and so on. Where two places meet they are crossfaded; at the very start,
where there is nothing after the end to fade from, what is left of a step decays. Owned by a channel of the mixer.
Of too short a past there is only that decay.

Reference: the idea is that of waveform-similarity packet-loss concealment; see D. Goodman et al., "Waveform
substitution techniques for recovering missing speech segments in packet voice communications", IEEE Trans. ASSP 34(6),
1986.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

TEMPLATE = 0.01  # seconds that are compared: a whole turn of 100 Hz
OVERLAP = 0.01  # seconds of a crossfade from one place to the next
LEAST = 0.05  # seconds that a place has to go on for
NEAR = 0.08  # seconds before those among which the first is looked for: quickly, for many voices may be late at once
HIGHEST = 96_000  # Hz from which these grow no more frames: a ring holds 24576 of the past
Next = Callable[[int], np.ndarray]  # so many frames, Shape [frames, 2], the caller's own

DECAY = 0.003  # seconds in which a step where it joins other sound decays to a third
BEND = 0.0003  # seconds of the same, of a bend there
SWELL = 0.2  # of the level that what makes up for a bend may have
NEARLY = 0.98  # of the best correlation: of places as good as that the one whose level fits best is taken


class Concealment:
    """Endless sound from a stretch of the past.

    Args:
        past: The past, newest last. Shape [frames, 2], float32.
        rate: Hz.
        last: What was heard last, where that is not the end of this past. Shape [up to 2, 2]
    """

    def __init__(self, past: np.ndarray, rate: int, last: np.ndarray | None = None) -> None:
        """Find the first place to go on from."""
        self._past = past
        self._decay = DECAY * rate
        rate = min(rate, HIGHEST)
        self._overlap, self._least, template = (round(seconds * rate) for seconds in (OVERLAP, LEAST, TEMPLATE))
        self._position = 0
        self._left = np.zeros((0, 2), np.float32)  # the crossfade that is being played
        self._since = 0  # frames since the last join
        self._step, slope = _end(past[-2:] if last is None else last)
        self._useful = useful(len(past), rate)
        if self._useful:
            end = len(past) - self._least
            near = max(0, end - round(NEAR * rate))
            self._position = near + _place_like(past[-template:], past[near:end]) + template
            value, its_slope = _end(past[self._position - 2 : self._position])
            self._step, slope = self._step - value, slope - its_slope
        self._bend = slope + self._step / self._decay  # a decaying step has a slope too
        # What makes up for a bend swells to `bend · soften / e` first: of noise, which is all bends, that may be much.
        level = np.sqrt(np.mean(np.square(past[-template:]), 0)) if len(past) else np.zeros(2, np.float32)
        most = SWELL * math.e * level / np.maximum(np.abs(self._bend), 1e-9)
        self._soften = np.maximum(np.minimum(BEND * rate, most), 1e-3).astype(np.float32)

    def next(self, frames: int) -> np.ndarray:
        """Return the next frames: silence, gone to in a moment, where the past is too short. Shape [frames, 2]"""
        sound = self._continued(frames) if self._useful else np.zeros((frames, 2), np.float32)
        if self._since < 16 * self._decay:
            passed = self._since + np.arange(1, frames + 1, dtype=np.float32)[:, None]
            sound += self._step * np.exp(-passed / np.float32(self._decay))
            sound += self._bend * passed * np.exp(-passed / self._soften)
        self._since += frames
        return sound

    def _continued(self, frames: int) -> np.ndarray:
        pieces, have = [], 0
        while have < frames:
            piece = self._piece(frames - have)
            pieces.append(piece)
            have += len(piece)
        return np.concatenate(pieces)

    def _piece(self, most: int) -> np.ndarray:
        """Return up to so many frames: of the crossfade that is being played, or of the past up to the next one."""
        if not len(self._left):
            until = len(self._past) - self._overlap - self._position
            if until > 0:
                start, count = self._position, min(most, until)
                self._position += count
                return self._past[start : start + count]
            self._left = self._turn
            self._position = self._again
        piece, self._left = self._left[:most], self._left[most:]
        return piece

    @functools.cached_property
    def _again(self) -> int:
        """Where it goes on from whenever the past ends: behind the place that is most like its end."""
        overlap = self._overlap
        return _place_like(self._past[-overlap:], self._past[: -2 * overlap - self._least]) + overlap

    @functools.cached_property
    def _turn(self) -> np.ndarray:
        """The way there. Shape [overlap, 2]"""
        overlap, again = self._overlap, self._again
        rise = ((np.arange(overlap, dtype=np.float32) + np.float32(0.5)) / overlap)[:, None]
        return self._past[-overlap:] * (1 - rise) + self._past[again - overlap : again] * rise


def _end(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the last frame of a sound, and by how much it differs from the one before; 0 where there is none."""
    nothing = np.zeros(2, np.float32)
    return sound[-1] if len(sound) else nothing, sound[-1] - sound[-2] if len(sound) > 1 else nothing


def useful(frames: int, rate: int) -> bool:
    """Return whether so long a past can be continued, at a rate in Hz."""
    return frames >= round(2 * (TEMPLATE + OVERLAP + LEAST) * min(rate, HIGHEST))


def _place_like(template: np.ndarray, past: np.ndarray) -> int:
    """Return the first frame of the stretch of the past that is most like the template, by correlation."""
    field, wanted = (part[:, 0].astype(np.float64) + part[:, 1] for part in (past, template))
    size = _fast_size(len(field))  # nothing that goes around its end is looked at
    products = np.fft.irfft(np.fft.rfft(field, size) * np.conj(np.fft.rfft(wanted, size)), size)
    energy = np.concatenate(([0.0], np.cumsum(np.square(field))))
    powers = np.maximum(energy[len(wanted) :] - energy[: -len(wanted)], 1e-12)
    products = products[: len(powers)]
    alike = products / np.sqrt(powers)
    differences = powers - 2 * products
    differences[alike < NEARLY * alike.max()] = np.inf  # quiet places differ little from anything
    return int(differences.argmin())


@functools.cache
def _fast_size(least: int) -> int:
    """Return the least even number from `least` on that has no prime factor above 5."""
    size = least + least % 2
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2


class Changeover:
    """One sound that goes over into another at equal power, and stays there.

    Args:
        old: Gives the next frames of what was heard. Shape [frames, 2]
        new: Gives the next frames of what is to be heard; may be replaced on the way by what goes on as it did.
        length: Frames of the way.

    Attributes:
        new: As given.
    """

    def __init__(self, old: Next, new: Next, length: int) -> None:
        """Stand at the beginning of the way."""
        self.new = new
        self._old: Next | None = old
        self._done, self._length = 0, length

    @property
    def over(self) -> bool:
        """Whether only the new sound is heard."""
        return self._done == self._length

    def next(self, frames: int) -> np.ndarray:
        """Return the next frames. Shape [frames, 2], float32"""
        sound = self.new(frames)
        if self._old is not None:
            count = min(frames, self._length - self._done)
            steps = np.arange(self._done, self._done + count, dtype=np.float32) + np.float32(0.5)
            angle = (steps * np.float32(math.pi / 2 / self._length))[:, None]
            sound[:count] = self._old(count) * np.cos(angle) + sound[:count] * np.sin(angle)
            self._done += count
            if self.over:
                self._old = None
        return sound
