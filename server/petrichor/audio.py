"""The audio process: mixes the voices' rings into the timeline and feeds every output from it.

One loop waits for whatever comes first: a pull from a subscriber, a bell from a renderer that has written, a bell
from the sound card's callback, an order from the control process. Then it mixes as far as the furthest output
wants. It loads, parses and logs nothing in its loop but the subscribers' four small messages; the collector is frozen.

Where nobody listens the system's clock takes the lead, so that fades end and recordings go on.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from petrichor.bell import Bell
from petrichor.device import Device
from petrichor.errors import OutputError
from petrichor.mixer import Channel, Mixer
from petrichor.orders import Attach, Detach, Detached, Master, Place, Quit, Record, Recording, Started
from petrichor.priority import use_realtime_priority
from petrichor.recording import Recorder
from petrichor.slots import SharedSlots
from petrichor.streams import Subscribers
from petrichor.timeline import Timeline

log = logging.getLogger(__name__)
BLOCK = 256  # most frames mixed at once; fewer where renderers keep less ready
IDLE_STEP = 0.005  # seconds between two looks at the system's clock while nobody listens
HOUSEKEEPING = 0.25  # seconds between expiries, meters and the check that the server is still there
STALL = 0.03  # seconds after which a renderer that owes sound is concealed: within the default fill of a stream
RESYNC = 0.5  # seconds of backlog after which the system's clock starts anew rather than racing to catch up


@dataclass(frozen=True)
class AudioOptions:
    """What the audio process needs to start.

    Attributes:
        segment: Name of the shared memory segment.
        rate: Hz.
        device: PortAudio device, or None.
        recordings: Folder that recordings go into.
        ahead: Frames that each renderer keeps ready.
        realtime: Whether the loop wants real-time priority.
    """

    segment: str
    rate: int
    device: str | None
    recordings: Path
    ahead: int = BLOCK
    realtime: bool = False


class AudioProcess:
    """The loop and all that it owns.

    Args:
        options: See `AudioOptions`.
        streams: Bound UDP socket of the stream subscribers.
        bells: One for each slot, rung when sound was taken from it and heard when there is more.
        orders: From and to the control process.
    """

    def __init__(self, options: AudioOptions, streams: socket.socket, bells: list[Bell], orders: Connection) -> None:
        """Attach to the shared memory and open the device where one is wanted."""
        self._options = options
        self._socket = streams
        self._bells = bells
        self._orders = orders
        self._slots = SharedSlots(options.segment)
        self._timeline = Timeline()
        self._mixer = Mixer(options.rate)
        self._subscribers = Subscribers(options.rate)
        self._recorder: Recorder | None = None
        self._reports: SimpleQueue[Recording] = SimpleQueue()  # of recorders
        self._wake, self._own_bell = Bell.pair()
        self._device: Device | None = None
        self._block = min(BLOCK, options.ahead)
        self._running = True
        self._late_since: float | None = None
        self._idle_start: tuple[float, int] | None = None
        self._server = os.getppid()
        self._peak = 0.0

    def run(self) -> None:
        """Serve until told to quit or the control process is gone."""
        priority = use_realtime_priority() if self._options.realtime else ""
        problem = ""
        if self._options.device is not None:
            try:
                self._device = Device(self._options.device, self._options.rate, self._timeline, self._own_bell)
            except OutputError as error:
                problem = str(error)
        self._orders.send(Started(self._device.name if self._device else "", problem, priority))
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
            self._advance(now)
            while not self._reports.empty():
                self._orders.send(self._reports.get())
            if now >= next_housekeeping:
                self._keep_house(now)
                next_housekeeping = now + HOUSEKEEPING
            self._sleep()

    def _sleep(self) -> None:
        bells = [self._bells[slot] for slot in self._mixer.channels]
        seconds = IDLE_STEP if self._leaderless or self._late_since is not None else HOUSEKEEPING / 10
        sources: list[Any] = [self._socket, self._orders, self._wake, *bells]
        heard, _, _ = select.select(sources, [], [], seconds)
        for source in heard:
            if isinstance(source, Bell):
                source.hush()
            elif source is self._orders:
                while self._running and self._orders.poll():
                    self._obey()

    def _receive(self, now: float) -> None:
        for _ in range(64):  # bounded, so that a flood of datagrams cannot hold up the mix
            try:
                datagram, source = self._socket.recvfrom(65536)
            except (BlockingIOError, ConnectionResetError):
                return
            for answer, address in self._subscribers.receive(datagram, source, now, self._timeline.position):
                self._send(answer, address)

    def _send(self, datagram: bytes, address: tuple[str, int]) -> None:
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            pass  # full or unreachable: the subscriber's next pull asks for the block again

    def _advance(self, now: float) -> None:
        demand = self._demand(now)
        timeline = self._timeline
        while timeline.position < demand:
            frames = min(self._block, demand - timeline.position)
            if not self._mixer.ready(frames) and not self._overdue(now):
                break
            self._late_since = None
            mix, concealed = self._mixer.mix(frames)
            timeline.append(mix)
            self._note(mix, concealed)
            for slot in self._mixer.channels:
                self._bells[slot].ring()
        for datagram, address in self._subscribers.blocks(timeline, now):
            self._send(datagram, address)
        for slot in self._mixer.take_done():
            self._orders.send(Detached(slot))

    def _overdue(self, now: float) -> bool:
        """Whether a renderer has owed sound for so long that the mix must go on without it."""
        if self._late_since is None:
            self._late_since = now
        return now - self._late_since > STALL

    @property
    def _leaderless(self) -> bool:
        return self._device is None and self._subscribers.demand() is None

    def _demand(self, now: float) -> int:
        wanted = [self._subscribers.demand()]
        if self._device is not None:
            wanted.append(self._device.demand)
        leaders = [demand for demand in wanted if demand is not None]
        if leaders:
            self._idle_start = None
            return max(leaders)
        rate, position = self._options.rate, self._timeline.position
        if self._idle_start is None:
            self._idle_start = (now, position)
        demand = self._idle_start[1] + int((now - self._idle_start[0]) * rate)
        if demand - position > RESYNC * rate:
            self._idle_start = (now, position)
        return demand

    def _note(self, mix: np.ndarray, concealed: int) -> None:
        meters = self._slots.meters
        meters["position"] = self._timeline.position
        meters["concealed"] += concealed * len(mix)
        self._peak = max(self._peak, float(np.abs(mix).max()))

    def _keep_house(self, now: float) -> None:
        self._subscribers.expire(now)
        if os.getppid() != self._server:
            self._running = False  # the control process is gone: leave nothing behind
        if self._device is not None and self._device.lost:
            self._device.close()
            self._device = None
            self._orders.send(Started("", "the sound device stopped; playing to streams and files only"))
        rows = self._subscribers.status()
        meters = self._slots.meters
        meters["subscribers"] = len(rows)
        meters["underruns"] = sum(row.underruns for row in rows) + (self._device.underruns if self._device else 0)
        meters["peak"] = self._peak
        self._peak *= 0.5

    def _obey(self) -> None:
        try:
            order = self._orders.recv()
        except EOFError:
            self._running = False
            return
        if isinstance(order, Attach):
            ring = self._slots[order.slot].ring
            self._mixer.channels[order.slot] = Channel(ring, order.strip, self._options.rate, order.fade)
        elif isinstance(order, (Detach, Place)):
            self._change(order)
        elif isinstance(order, Master):
            self._mixer.set_master(order.gain)
        elif isinstance(order, Record):
            self._record(order)
        elif isinstance(order, Quit):
            self._running = False

    def _change(self, order: Detach | Place) -> None:
        channel = self._mixer.channels.get(order.slot)
        if channel is None:
            if isinstance(order, Detach):
                self._orders.send(Detached(order.slot))
        elif isinstance(order, Detach):
            channel.end(order.fade)
        else:
            channel.place(order.strip)

    def _record(self, order: Record) -> None:
        """Finish the recording in progress, if any, and start the one wanted, if any."""
        if self._recorder is not None:
            self._recorder.finish(order.token)
            self._recorder = None
        if order.path is not None:
            self._recorder = Recorder(
                order.path, self._timeline, self._options.rate, order.token, self._reports, self._own_bell
            )

    def _close(self) -> None:
        if self._recorder is not None:
            self._recorder.finish()
            self._recorder.join()
        if self._device is not None:
            self._device.close()
        self._mixer.channels.clear()
        self._slots.close()
        self._wake.close()
        self._own_bell.close()
        self._socket.close()


def run_audio(options: AudioOptions, streams: socket.socket, bells: list[Bell], orders: Connection) -> None:
    """Be the audio process. The arguments are those of `AudioProcess`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the control process decides when the sound ends
    streams.setblocking(False)
    AudioProcess(options, streams, bells, orders).run()
