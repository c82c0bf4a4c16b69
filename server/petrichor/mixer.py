"""The mixer: voices' rings in, one stereo mix out.

Lives in the audio process. A channel is one renderer's ring with its gain, its place and its fade; a reload is two
channels of one voice crossfading. A renderer that is late or dead does not stop the mix: its channel goes on with
the recent past of its ring, played back and forth, which is continuous at every turn, until live sound returns.
"""

from __future__ import annotations

import math

import numpy as np

from petrichor.controls import Strip
from petrichor.ring import Ring

GLIDE = 0.02  # seconds in which gain and pan go most of the way to a new value: no zipper, no click
REJOIN = 0.01  # seconds of the crossfade from concealment back to live sound
HISTORY = 0.5  # seconds of past that concealment walks through


class Fade:
    """An equal-power fade between silence and full level, by frames.

    Args:
        level: Where it starts, 0…1.
    """

    def __init__(self, level: float) -> None:
        """Rest at `level`."""
        self._phase = self._target = level
        self._step = 0.0

    def start(self, target: float, frames: int) -> None:
        """Move towards `target` (0 or 1), the whole way in `frames`."""
        self._target = target
        self._step = 1.0 / max(1, frames)

    @property
    def silent(self) -> bool:
        """Whether it has faded out."""
        return self._phase == self._target == 0.0

    def next(self, frames: int) -> np.ndarray | float:
        """Return the gains of the next frames: a constant 1.0 at full level, else shape [frames, 1]."""
        if self._phase == self._target:
            return self._phase
        steps = np.arange(1, frames + 1, dtype=np.float32) * self._step
        if self._target > self._phase:
            phases = np.minimum(self._phase + steps, self._target)
        else:
            phases = np.maximum(self._phase - steps, self._target)
        self._phase = float(phases[-1])
        if abs(self._phase - self._target) < 1e-6:
            self._phase = self._target
        return np.sin(phases * np.float32(math.pi / 2))[:, None]


class Glide:
    """Stereo gains that follow a target without a step.

    Args:
        rate: Hz.
        gains: Left and right gain at the start.
    """

    def __init__(self, rate: int, gains: tuple[float, float]) -> None:
        """Rest at `gains`."""
        self._rate = rate
        self._now = np.array(gains, np.float32)
        self.target = np.array(gains, np.float32)

    def next(self, frames: int) -> np.ndarray:
        """Return the gains of the next frames. Shape [frames, 2] while moving, [2] at rest."""
        if (self._now == self.target).all():
            return self._now
        decay = np.exp(np.arange(1, frames + 1, dtype=np.float32) * np.float32(-3.0 / (GLIDE * self._rate)))
        gains = self.target + (self._now - self.target) * decay[:, None]
        self._now = gains[-1].copy()
        if float(np.abs(self._now - self.target).max()) < 1e-5:
            self._now = self.target.copy()
        return gains


def stereo_gains(strip: Strip) -> tuple[float, float]:
    """Return left and right gain: balance for a stereo source, constant power, 0 dB each in the middle."""
    angle = (strip.pan + 1.0) * math.pi / 4
    return strip.gain * min(1.0, math.sqrt(2) * math.cos(angle)), strip.gain * min(1.0, math.sqrt(2) * math.sin(angle))


class Channel:
    """One renderer's ring in the mix.

    Args:
        ring: Where its sound comes from.
        strip: Gain and place.
        rate: Hz.
        fade_in: Seconds in which it comes up.
    """

    def __init__(self, ring: Ring, strip: Strip, rate: int, fade_in: float) -> None:
        """Start silent and fade in."""
        self._ring = ring
        self._rate = rate
        self._gains = Glide(rate, stereo_gains(strip))
        self._fade = Fade(0.0)
        self._fade.start(1.0, int(fade_in * rate))
        self._past: np.ndarray | None = None  # what concealment walks through, newest last
        self._walk = 0  # frames concealed since the renderer fell silent
        self._rejoined = 0  # frames of the crossfade back that are done
        self.ending = False

    @property
    def done(self) -> bool:
        """Whether it was asked to end and has faded out."""
        return self.ending and self._fade.silent

    def place(self, strip: Strip) -> None:
        """Glide to another gain and place."""
        self._gains.target = np.array(stereo_gains(strip), np.float32)

    def end(self, fade_out: float) -> None:
        """Fade out over so many seconds; `done` says when it is over."""
        self.ending = True
        self._fade.start(0.0, int(fade_out * self._rate))

    def ready(self, frames: int) -> bool:
        """Whether live sound for the next frames is there."""
        return self._ring.fill >= frames

    @property
    def concealing(self) -> bool:
        """Whether its renderer was late: nobody waits for it until it is wholly back."""
        return self._past is not None

    def next(self, frames: int) -> tuple[np.ndarray, bool]:
        """Return the next frames and whether they had to be concealed.

        Returns:
            Shape [frames, 2], float32, gains applied.
        """
        live = self.ready(frames)
        if live and self._past is None:
            sound = self._ring.read(frames)
        elif live:
            sound = self._rejoin(frames)
        else:
            sound = self._conceal(frames)
        return sound * self._fade.next(frames) * self._gains.next(frames), not live

    def _conceal(self, frames: int) -> np.ndarray:
        if self._past is None:
            self._past = self._ring.history(int(HISTORY * self._rate))
            self._walk = self._rejoined = 0
        if len(self._past) < 2:
            return np.zeros((frames, 2), np.float32)
        last = len(self._past) - 1
        steps = (np.arange(self._walk, self._walk + frames) + 1) % (2 * last)  # back, forth, back …
        self._walk += frames
        return self._past[np.where(steps <= last, last - steps, steps - last)]

    def _rejoin(self, frames: int) -> np.ndarray:
        """Crossfade from the concealment to live sound, over as many blocks as that takes."""
        length = int(REJOIN * self._rate)
        count = min(frames, length - self._rejoined)
        old = self._conceal(count)
        sound = self._ring.read(frames)
        steps = np.arange(self._rejoined, self._rejoined + count, dtype=np.float32) + np.float32(0.5)
        angle = (steps * np.float32(math.pi / 2 / length))[:, None]
        sound[:count] = old * np.cos(angle) + sound[:count] * np.sin(angle)
        self._rejoined += count
        if self._rejoined == length:
            self._past = None
        return sound


class Mixer:
    """All channels and the master gain.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        """Start with no channel and the master at 0 dB."""
        self.channels: dict[int, Channel] = {}
        self._rate = rate
        self._master = Glide(rate, (1.0, 1.0))

    def set_master(self, gain: float) -> None:
        """Glide to another linear master gain."""
        self._master.target = np.array((gain, gain), np.float32)

    def ready(self, frames: int) -> bool:
        """Whether no channel is worth waiting for: each has the next frames live, or is being concealed already."""
        return all(channel.ready(frames) or channel.concealing for channel in self.channels.values())

    def mix(self, frames: int) -> tuple[np.ndarray, int]:
        """Mix the next frames.

        Returns:
            The mix, shape [frames, 2], float32, and the number of channels that had to be concealed.
        """
        mix = np.zeros((frames, 2), np.float32)
        concealed = 0
        for channel in self.channels.values():
            sound, late = channel.next(frames)
            mix += sound
            concealed += late
        mix *= self._master.next(frames)
        return mix, concealed

    def take_done(self) -> list[int]:
        """Remove the channels that have ended, and return their slots."""
        done = [slot for slot, channel in self.channels.items() if channel.done]
        for slot in done:
            del self.channels[slot]
        return done
