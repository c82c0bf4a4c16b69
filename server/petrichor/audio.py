"""The audio process: mixes the voices' rings into the timeline and feeds every output from it.

One loop waits for whatever comes first: a pull from a subscriber, or the bell that everybody else rings (a renderer
that has written what was waited for, the sound card's process, the control process that has an order). Then it mixes
as far as the furthest output wants. It loads, parses and logs nothing in its loop but the subscribers' four small
messages; the collector is frozen.

Where nobody listens the system's clock takes the lead, so that fades end and recordings go on.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from petrichor.bell import Bell
from petrichor.channel import Channel
from petrichor.clock import ClockFilter
from petrichor.cues import Part
from petrichor.deafness import Deafness
from petrichor.guard import Guard, trusted
from petrichor.limiter import LOOKAHEAD
from petrichor.mixer import Mixer
from petrichor.orders import Attach, ClearCues, Cued, Detach, Detached, Place, Quit, Record, Recording, Started
from petrichor.pace import Pace
from petrichor.patience import Patience
from petrichor.priority import AUDIO, use_realtime_priority
from petrichor.processes import SWITCH_INTERVAL, name_process
from petrichor.recording import Recorder
from petrichor.segment import Segment
from petrichor.slots import Slot
from petrichor.streams import Subscribers

log = logging.getLogger(__name__)
BLOCK = 256  # most frames mixed at once; fewer where renderers keep less ready
IDLE_STEP = 0.005  # seconds between two looks at the system's clock while nobody listens
HOUSEKEEPING = 0.1  # seconds between two levels; expiries and the check that the server is still there go along
DATAGRAMS = 64  # taken between two mixes, so that a flood cannot hold up the mix
STREAM_RATE = 20_000  # datagrams in a second that one source may send; a patch pulls a few hundred times
RESYNC = 0.5  # seconds of backlog after which the system's clock starts anew rather than racing to catch up
CARD_LOST = 0.5  # seconds without a callback, after which the sound card leads no more
CARD_HOLDS = 0.7  # of its lead, at the least, while it plays: it takes up to half of it at once
CARD_DRY = 0.5  # of its lead: with less its next callback misses some


@dataclass(frozen=True)
class AudioOptions:
    """What the audio process needs to start.

    Attributes:
        segment: Name of the shared memory segment.
        rate: Hz.
        ahead: Frames that each renderer keeps ready.
        realtime: Whether the loop wants real-time priority.
    """

    segment: str
    rate: int
    ahead: int = BLOCK
    realtime: bool = False


class AudioProcess:
    """The loop and all that it owns.

    Args:
        options: See `AudioOptions`.
        streams: Bound UDP socket of the stream subscribers.
        bells: One for each slot, rung when sound was taken from it.
        wake: Heard when there are orders, when a renderer has written what was waited for, when the card has played.
        reports: To the control process.
    """

    def __init__(
        self, options: AudioOptions, streams: socket.socket, bells: list[Bell], wake: Bell, reports: Connection
    ) -> None:
        """Attach to the shared memory; the mix goes on from where the timeline is."""
        self._options = options
        self._socket = streams
        self._bells = bells
        self._wake = wake
        self._reports = reports
        self._segment = Segment(options.segment)
        self._timeline = self._segment.timeline
        self._mixer = Mixer(options.rate, self._timeline.position)
        self._clock = ClockFilter(self._segment.meters["line"], options.rate)
        self._subscribers = Subscribers(options.rate)
        self._guard, self._deafness = Guard(STREAM_RATE), Deafness(streams)
        self._pace = Pace(options.rate)
        self._recorder: Recorder | None = None
        self._recordings: SimpleQueue[Recording] = SimpleQueue()  # of recorders
        self._hear_recorder, self._recorder_bell = Bell.pair()
        self._block = max(64, min(BLOCK, (options.ahead - LOOKAHEAD) // 2))  # what renderers keep ready
        self._running = True
        self._patience = Patience(options.rate)
        self._awaited: Slot | None = None
        self._idle_start: tuple[float, int] | None = None
        self._server = multiprocessing.parent_process()

    def run(self) -> None:
        """Serve until told to quit or the control process is gone."""
        self._reports.send(Started(use_realtime_priority(AUDIO) if self._options.realtime else ""))
        gc.collect()
        gc.freeze()
        gc.disable()  # 30 ms for a million objects; nothing in this process makes cycles
        try:
            self._loop()
        finally:
            self._close()

    def _loop(self) -> None:
        next_housekeeping = 0.0
        while self._running:
            now = time.monotonic()
            self._receive(now)
            for order in self._segment.orders.take():
                self._obey(order)
            self._advance(now)
            while not self._recordings.empty():
                self._reports.send(self._recordings.get())
            if now >= next_housekeeping:
                self._keep_house(now)
                next_housekeeping = now + HOUSEKEEPING
            self._sleep()

    def _sleep(self) -> None:
        patience = IDLE_STEP if self._leaderless else HOUSEKEEPING / 4
        patience = min(patience, self._patience.left(time.monotonic()) + 1e-4)
        sources: list[Any] = [self._socket, self._wake, self._hear_recorder]
        heard, _, _ = select.select(sources, [], [], patience)
        for source in heard:
            if isinstance(source, Bell):
                source.hush()

    def _receive(self, now: float) -> None:
        for _ in range(DATAGRAMS):
            try:
                datagram, source = self._socket.recvfrom(65536)
            except (BlockingIOError, ConnectionResetError):
                self._guard.emptied(now)
                return
            if not self._guard.admit(source, len(datagram), now):
                continue
            for answer, address in self._subscribers.receive(datagram, source, now, self._timeline.position):
                if trusted(source) or len(answer) <= len(datagram):  # a stranger's address may be forged
                    self._send(answer, address)
        flooder = self._deafness.turn_from_flood(self._guard, now)
        if flooder is not None:
            log.warning(
                "more datagrams come for streams than can be read: none from %s:%d is for %g s", *flooder[0], flooder[1]
            )

    def _send(self, datagram: bytes, address: tuple[str, int]) -> None:
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            pass  # full or unreachable: the subscriber's next pull asks for the block again

    def _advance(self, now: float) -> None:
        demand = self._demand(now)
        timeline, mixer = self._timeline, self._mixer
        before = timeline.position
        if before < demand:
            self._patience.want(now, before, self._runs_dry(before))
        while timeline.position < demand:
            frames = min(self._block, demand - timeline.position)
            if not self._ready(frames, now):
                break
            mix, concealed = mixer.mix(frames)
            timeline.append(mix)
            self._segment.meters["concealed"] += concealed * frames
            for slot in mixer.channels:
                if self._segment[slot].ring.fill < self._segment[slot].low:
                    self._bells[slot].ring()
        if timeline.position >= demand:
            self._patience.satisfied()  # also where the one has left who wanted more
        if timeline.position > before:
            self._clock.note(timeline.position, now)
        for datagram, address in self._subscribers.blocks(timeline, now):
            self._send(datagram, address)
        for slot in mixer.take_done():
            self._reports.send(Detached(slot))

    def _ready(self, frames: int, now: float) -> bool:
        """Whether the next frames can be mixed: live, or because a renderer has owed them for too long."""
        if self._awaited is not None:
            self._awaited.awaited = 0
            self._awaited = None
        late = list(self._mixer.awaited(frames))
        for slot in self._patience.wait(late, now):  # one after the other: most come at the same time
            awaited = self._segment[slot]
            awaited.awaited = frames
            if awaited.ring.fill < frames:  # it may have written just before it was told
                self._awaited = awaited
                return False
            awaited.awaited = 0
        self._patience.served()
        for slot in late:
            if self._patience.blames(slot):
                self._mixer.channels[slot].leave_alone()
        return True

    def _runs_dry(self, position: int) -> bool:
        card = self._segment.card
        if card["active"] and position - int(card["position"]) < CARD_DRY * int(card["lead"]):
            return True
        return self._subscribers.run_dry(position)

    @property
    def _leaderless(self) -> bool:
        return not self._segment.card["active"] and self._subscribers.demand() is None

    def _demand(self, now: float) -> int:
        limit = self._pace.limit(self._timeline.position, now)
        driven, card = self._subscribers.demand(), self._segment.card
        leaders = [] if driven is None else [min(driven, limit)]
        if card["active"] and now - float(card["beat"]) < CARD_LOST:
            leaders.append(int(card["position"]) + int(card["lead"]))
        if leaders:
            self._idle_start = None
            return max(leaders)
        rate, position = self._options.rate, self._timeline.position
        if self._idle_start is None:
            self._idle_start = (now, position)
        demand = self._idle_start[1] + int((now - self._idle_start[0]) * rate)
        if demand - position > RESYNC * rate:
            self._idle_start = (now, position)
            return position
        return demand

    def _keep_house(self, now: float) -> None:
        self._subscribers.expire(now)
        self._deafness.lift(now)
        if self._server is not None and not self._server.is_alive():
            self._running = False  # the control process is gone: leave nothing behind
        rows = self._subscribers.status()
        meters, card, mixer = self._segment.meters, self._segment.card, self._mixer
        listeners = self._segment.listeners
        for i, row in enumerate(rows[: len(listeners)]):
            host = int.from_bytes(socket.inet_aton(row.address[0]), "big")
            listeners[i] = (host, row.address[1], row.fill, row.rate, row.underruns)
        hold = self._subscribers.hold()
        if card["active"]:
            hold = min(hold, CARD_HOLDS * int(card["lead"]) / self._options.rate)
        self._patience.allow(hold)
        meters["beat"] = now
        meters["subscribers"] = len(rows)
        meters["underruns"] = sum(row.underruns for row in rows) + int(card["underruns"])
        meters["jumps"] = sum(row.jumps for row in rows) + int(card["jumps"])
        meters["peak"], meters["rms"] = mixer.meter.take()
        meters["reduction"], mixer.limiter.gain = mixer.limiter.gain, 1.0
        for slot, channel in mixer.channels.items():
            self._segment[slot].levels = channel.meter.take()
            self._segment[slot].concealed = channel.concealed

    def _obey(self, order: object) -> None:
        mixer = self._mixer
        if isinstance(order, Attach):
            mixer.add(order.slot, self._channel(order))
            self._patience.forget(order.slot)
        elif isinstance(order, Detach):
            if order.slot in mixer.channels:
                mixer.channels[order.slot].end(order.fade)
            else:
                self._reports.send(Detached(order.slot))
        elif isinstance(order, Place):
            mixer.place(order.slot, order.fields, order.included)
        elif isinstance(order, Cued):
            mixer.cue(order.slot, order.cues)
        elif isinstance(order, ClearCues):
            mixer.clear_cues(order.through)
        elif isinstance(order, Record):
            self._record(order)
        elif isinstance(order, Quit):
            self._running = False

    def _channel(self, order: Attach) -> Channel:
        slot = self._segment[order.slot]
        ring, part = slot.ring, Part(order.fields)
        ring.place(self._mixer.position)  # so that the renderer's cues have their samples before the first is taken
        old = None if order.after is None else self._mixer.channels.get(order.after)
        return Channel(ring, part, self._options.rate, order.fade, slot.low, None if old is None else old.past)

    def _record(self, order: Record) -> None:
        """Finish the recording in progress, if any, and start the one wanted, if any."""
        if self._recorder is not None:
            self._recorder.finish(order.position)
            self._recorder = None
        if order.path is not None:
            rate, bell = self._options.rate, self._recorder_bell
            try:
                self._recorder = Recorder(
                    order.path,
                    self._timeline,
                    rate,
                    order.take,
                    self._recordings,
                    bell,
                    position=order.position,
                    seconds=order.seconds,
                )
            except RuntimeError as error:  # no thread is to be had
                reason = f"{order.path.name}: {error}"
                self._recordings.put(Recording(str(order.path), order.take, reason))

    def _close(self) -> None:
        if self._recorder is not None:
            self._recorder.finish()
            self._recorder.join()
            while not self._recordings.empty():
                self._reports.send(self._recordings.get())
        self._mixer.channels.clear()
        self._awaited = None
        del self._timeline
        self._segment.close()
        self._hear_recorder.close()
        self._recorder_bell.close()
        self._socket.close()


def run_audio(
    options: AudioOptions, streams: socket.socket, bells: list[Bell], wake: Bell, reports: Connection
) -> None:
    """Be the audio process. The arguments are those of `AudioProcess`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the control process decides when the sound ends
    name_process("audio")
    sys.setswitchinterval(SWITCH_INTERVAL)
    streams.setblocking(False)
    AudioProcess(options, streams, bells, wake, reports).run()
