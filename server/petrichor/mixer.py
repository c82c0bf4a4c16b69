"""The mixer: voices' rings in, one stereo mix out, every cue at its sample, no peak above the ceiling.

Lives in the audio process. A reload is two channels of one voice crossfading.
"""

from __future__ import annotations

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

    def clear_cues(self, through: int) -> None:
        """Forget the cues to come, up to that sequence number."""
        for part in self._parts:
            part.clear(through)

    def ready(self, frames: int) -> bool:
        """Whether no channel is worth waiting for: each has the next frames live, or is being concealed already."""
        return all(channel.ready(frames) or channel.concealing for channel in self.channels.values())

    def awaited(self, frames: int) -> list[int]:
        """Return the slots that `ready` waits for."""
        return [slot for slot, each in self.channels.items() if not (each.ready(frames) or each.concealing)]

    def mix(self, frames: int) -> tuple[np.ndarray, int]:
        """Mix the next frames.

        Returns:
            The mix, shape [frames, 2], float32, and the number of channels that had to be concealed.
        """
        pieces = []
        concealed, done = 0, 0
        while done < frames:
            self._reach()
            nearest = min(part.next_position for part in self._parts) - self.position
            count = int(min(frames - done, nearest))
            piece, late = self._sum(count)
            pieces.append(piece)
            concealed = max(concealed, late)
            done += count
        mix = self.limiter.process(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))
        self.meter.add(mix)
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

    def _sum(self, frames: int) -> tuple[np.ndarray, int]:
        mix = np.zeros((frames, 2), np.float32)
        concealed = 0
        for channel in self.channels.values():
            sound, late = channel.next(frames, self.position)
            mix += sound
            concealed += late
        self.position += frames
        mix *= self._gain.next(frames)
        return mix, concealed
