"""The mixer: voices' rings in, one stereo mix out, every cue at its sample, no peak above the ceiling.

Lives in the audio process. A reload is two channels of one voice crossfading.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from petrichor.channel import Channel
from petrichor.cues import Cue, Fields, Part
from petrichor.glide import Glide
from petrichor.limiter import LOOKAHEAD, Limiter
from petrichor.meter import Meter
from petrichor.parameters import amplitude


class Mixer:
    """All channels, the master gain and the limiter.

    Args:
        rate: Hz.
        position: Frame of the mix that the first call of `mix` gives.

    Attributes:
        channels: By slot.
        position: Next frame of the mix that is taken from the channels; the limiter holds those before.
        limiter: At the end.
        meter: The level of the mix.
    """

    def __init__(self, rate: int, position: int = 0) -> None:
        """Start with no channel and the master at 0 dB."""
        self.channels: dict[int, Channel] = {}
        self.position = position + LOOKAHEAD
        self.limiter = Limiter(rate)
        self.meter = Meter()
        self._master = Part({"gain": 0.0})
        self._gain = Glide(rate, (1.0, 1.0))
        self._next_cue = math.inf  # position of the nearest

    def place(self, slot: int | None, fields: Fields, included: int) -> None:
        """Take a snapshot of the fields of a channel, or of the master (None); one that has gone is left alone."""
        part = self._part(slot)
        if part is not None:
            part.adopt(fields, included)
            self._follow(slot)

    def cue(self, slot: int | None, cues: tuple[Cue, ...]) -> None:
        """Take cues for a channel, or for the master (None)."""
        part = self._part(slot)
        if part is not None:
            part.add(cues)
            self._next_cue = min(self._next_cue, part.next_position)

    def add(self, slot: int, channel: Channel) -> None:
        """Bring a channel into the mix."""
        self.channels[slot] = channel
        self._next_cue = min(self._next_cue, channel.part.next_position)

    def clear_cues(self, through: int) -> None:
        """Forget the cues to come, up to that sequence number."""
        for part in self._parts:
            part.clear(through)

    def awaited(self, frames: int) -> Iterator[int]:
        """Give the slots that are worth waiting for: without the next frames live, and not concealed already."""
        for slot, channel in self.channels.items():
            if not (channel.ready(frames) or channel.concealing):
                yield slot

    def mix(self, frames: int) -> tuple[np.ndarray, int]:
        """Mix the next frames.

        Returns:
            The mix, shape [frames, 2], float32, and the number of channels that had to be concealed.
        """
        pieces = []
        concealed, done = 0, 0
        while done < frames:
            if self._next_cue <= self.position:
                self._reach()
            count = int(min(frames - done, self._next_cue - self.position))
            piece, late = self._sum(count)
            pieces.append(piece)
            concealed = max(concealed, late)
            done += count
        mix = self.limiter.process(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))
        self.meter.add(float(np.abs(mix).max(initial=0.0)), float(np.vdot(mix, mix)), frames)
        return mix, concealed

    def take_done(self) -> list[int]:
        """Remove the channels that have ended, and return their slots."""
        done = [slot for slot, channel in self.channels.items() if channel.done]
        for slot in done:
            del self.channels[slot]
        return done

    @property
    def _parts(self) -> list[Part]:
        return [self._master, *(channel.part for channel in self.channels.values())]

    def _part(self, slot: int | None) -> Part | None:
        if slot is None:
            return self._master
        channel = self.channels.get(slot)
        return None if channel is None else channel.part

    def _follow(self, slot: int | None) -> None:
        if slot is None:
            gain = amplitude(self._master.fields["gain"])
            self._gain.to((gain, gain))
        else:
            self.channels[slot].follow()

    def _reach(self) -> None:
        """Carry out the cues of the next frame."""
        if self._master.reach(self.position):
            self._follow(None)
        for slot, channel in self.channels.items():
            if channel.part.reach(self.position):
                self._follow(slot)
        self._next_cue = min(part.next_position for part in self._parts)

    def _sum(self, frames: int) -> tuple[np.ndarray, int]:
        if not self.channels:
            self.position += frames
            self._gain.next(frames)
            return np.zeros((frames, 2), np.float32), 0
        stack = np.empty((len(self.channels), frames, 2), np.float32)
        concealed = 0
        for out, channel in zip(stack, self.channels.values(), strict=True):
            concealed += channel.play(out, self.position)
        self.position += frames
        self._measure(stack)
        mix = stack[0] if len(stack) == 1 else stack.sum(0)
        if not self._gain.unity:
            mix *= self._gain.next(frames)
        return mix, concealed

    def _measure(self, stack: np.ndarray) -> None:
        """Let the channels' meters see what they play, all at once. Shape [channels, frames, 2]"""
        flat = stack.reshape(len(stack), -1)
        peaks = np.abs(flat).max(1, initial=0.0).tolist()
        powers = np.einsum("ij,ij->i", flat, flat).tolist()
        for channel, peak, power in zip(self.channels.values(), peaks, powers, strict=True):
            channel.meter.add(peak, power, stack.shape[1])
