"""One subscriber: its place on the timeline, its resampler, what it was sent and what it confirmed.

The subscriber's own clock paces the sound: it says how far it has played, and is sent blocks until it holds
its fill. So no drift can build up, whatever the clocks do. No I/O here; called by the audio loop only.

*Stream* positions count frames at the subscriber's rate since it subscribed, *timeline* positions frames of
the mix at the server's rate. What was sent is remembered, so that a loss is repaired exactly, also where a
resampler or a crossfade stood between.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import soxr

from petrichor.errors import MessageError
from petrichor.stream_blocks import encoder_for
from petrichor.stream_protocol import MODULUS, Pull, Subscribe
from petrichor.timeline import Readable, crossfade

logger = logging.getLogger(__name__)

RESEND_AFTER = 0.03  # s; Pd looks at its sockets every 5 ms, so a shorter timer resends what is only on its way
FURTHEST_BEHIND = 0.25  # s behind the head; a slower clock is moved up beyond this
CROSSFADE = 0.01  # s
BURST = 16  # datagrams in one call
IN_FLIGHT = 1 << 16  # bytes unconfirmed; Pd's socket buffer holds 208 KiB, and the kernel counts its own overhead
LONGEST_READ = 2048  # frames taken from the timeline at once


class Subscriber:
    """The server's side of one subscription.

    Args:
        request: What was asked for.
        server_rate: Hz.
        position: Timeline position of its first frame.
        now: Seconds, of any steady clock.

    Attributes:
        request: What was asked for.
        pulled: Whether a pull has come; before that nothing is sent, as the address may be forged.
        last_heard: When the last lawful request came, s.
        underruns: As counted by the subscriber, since its subscription.
        resends: How often the server went back after a loss.
        jumps: How often it was moved up to the head of the timeline.
    """

    def __init__(self, request: Subscribe, server_rate: int, position: int, now: float) -> None:
        """Start at `position`, with nothing sent."""
        self.request = request
        self.pulled = False
        self.last_heard = now
        self.underruns = self.resends = self.jumps = 0
        self._rpos = self._wpos = self._sent = self._furthest = 0  # stream positions; rpos ≤ wpos ≤ sent ≤ furthest
        self._gaps = 0
        self._repaired = -1  # wpos at the last going back
        self._progress = now  # when wpos last advanced, or the first block after a pause left
        self._encoder = encoder_for(request)
        self._datagram_bytes = len(self._encoder.encode(0, np.zeros((request.block, request.channels), np.float32)))
        self._source = _Source(request, server_rate, position)

    @property
    def _wanted(self) -> int:
        """Stream position up to which it may hold: its fill, in whole blocks."""
        return (self._rpos + self.request.fill) // self.request.block * self.request.block

    def pull(self, pull: Pull, now: float) -> None:
        """Take in what the subscriber has played and holds.

        Raises:
            MessageError: Positions that cannot be: something was never sent, or is long forgotten.
        """
        wpos = self._furthest - (self._furthest - pull.wpos) % MODULUS
        rpos = wpos - (pull.wpos - pull.rpos) % MODULUS
        forgotten = self._furthest - rpos > self._source.capacity
        if rpos < 0 or forgotten or wpos % self.request.block:
            raise MessageError("/pull", f"rpos {pull.rpos} wpos {pull.wpos}: outside of what was sent")
        self.pulled = True
        self.last_heard = now
        if rpos < self._rpos or wpos < self._wpos:
            return  # overtaken on the way by a later one
        self.underruns = pull.underruns
        self._rpos = rpos
        if wpos > self._wpos:
            self._progress = now
            self._sent = max(self._sent, wpos)
        self._wpos = wpos
        self._repair(pull.gaps, now)

    def _repair(self, gaps: int, now: float) -> None:
        """Go back to what the subscriber waits for, if that is lost.

        A newly refused block proves it; but blocks that were on their way while we went back are refused as
        well, so each place is gone back to only once on that ground, and after that by the timer.
        """
        missing = gaps > self._gaps and self._wpos > self._repaired
        self._gaps = gaps
        if self._sent > self._wpos and (missing or now - self._progress >= RESEND_AFTER):
            self._sent = self._repaired = self._wpos
            self._progress = now
            self.resends += 1

    def runs_dry(self, position: int) -> bool:
        """Whether it holds, with what is mixed already, less than half of what it wants to hold, and plays.

        Args:
            position: The timeline's, in frames.
        """
        request = self.request
        return self._rpos > 0 and self._source.reach(position) - self._rpos < (request.fill - request.block) / 2

    def demand(self) -> int:
        """Return the timeline position (frames) up to which it needs the mix."""
        return self._source.needed_for(self._wanted)

    def blocks(self, timeline: Readable, now: float) -> list[bytes]:
        """Return the datagrams that can leave now, a bounded number.

        Args:
            timeline: The mix.
            now: Seconds, of the clock that `pull` sees.
        """
        self.jumps += self._source.produce(self._wanted, timeline)
        block = self.request.block
        room = max(1, IN_FLIGHT // self._datagram_bytes) * block
        end = min(self._wanted, self._wpos + room, self._sent + BURST * block, self._source.produced)
        if self._sent == self._wpos:
            self._progress = now
        datagrams = []
        while self._sent + block <= end:
            datagrams.append(self._encoder.encode(self._sent, self._source.history(self._sent, block)))
            self._sent += block
        self._furthest = max(self._furthest, self._sent)
        return datagrams


class _Source:
    """A subscriber's stream as produced from the timeline: folded, resampled, crossfaded, and remembered."""

    def __init__(self, request: Subscribe, server_rate: int, position: int) -> None:
        self.produced = 0  # stream position of the next frame to make
        # Twice the fill, as the unconfirmed may be sent again, and room for a resampler's lumps.
        self.capacity = 1 << (2 * request.fill + 4 * LONGEST_READ).bit_length()
        self._position = position  # timeline position of the next frame to read
        self._channels = request.channels
        self._ratio = server_rate / request.rate
        self._fade = round(CROSSFADE * server_rate)
        self._furthest_behind = round(FURTHEST_BEHIND * server_rate)
        self._history = np.zeros((self.capacity, request.channels), np.float32)
        self._resampler = None
        if request.rate != server_rate:
            self._resampler = soxr.ResampleStream(server_rate, request.rate, request.channels, "float32")

    def needed_for(self, wanted: int) -> int:
        """Return the timeline position needed to produce up to `wanted`, not counting the resampler's delay.

        That delay is made up for over several calls: as long as too little comes out, more is asked for.
        """
        return self._position + math.ceil(max(0, wanted - self.produced) * self._ratio)

    def reach(self, position: int) -> float:
        """Return the stream position up to which it can be made from a timeline that has come to `position`."""
        return self.produced + (position - self._position) / self._ratio

    def produce(self, wanted: int, timeline: Readable) -> bool:
        """Make what the timeline allows, up to `wanted` or a little more. Returns whether it had to jump."""
        jumped = wanted > self.produced and self._keep_up(wanted, timeline)
        while self.produced < wanted and self._position < timeline.position:
            end = min(self.needed_for(wanted), timeline.position, self._position + LONGEST_READ)
            self._append(timeline.read(self._position, end - self._position))
            self._position = end
        return jumped

    def history(self, start: int, frames: int) -> np.ndarray:
        """Return frames made before. `frames` divides `start` and the capacity, so they lie in one piece."""
        first = start % self.capacity
        return self._history[first : first + frames]

    def _keep_up(self, wanted: int, timeline: Readable) -> bool:
        """Move to the head of the timeline, crossfading, where it has fallen too far behind."""
        needed = self.needed_for(wanted)
        behind = timeline.position - needed
        if behind <= self._furthest_behind and self._position >= timeline.oldest:
            return False
        # Land so far before the head that what is missing now can be made at once.
        landing = max(timeline.position - max(needed - self._position, self._fade), timeline.oldest)
        fade = min(self._fade, timeline.position - landing)
        logger.info("a subscriber %d frames behind the head is moved up to it", behind)
        self._append(crossfade(timeline, self._position, landing, fade))
        self._position = landing + fade
        return True

    def _append(self, frames: np.ndarray) -> None:
        if self._channels == 1:
            frames = frames.mean(axis=1, keepdims=True)
        if self._resampler is not None:
            frames = self._resampler.resample_chunk(np.ascontiguousarray(frames))
        start = self.produced % self.capacity
        first = min(len(frames), self.capacity - start)
        self._history[start : start + first] = frames[:first]
        self._history[: len(frames) - first] = frames[first:]
        self.produced += len(frames)
