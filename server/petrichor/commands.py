"""The server's own OSC commands and its replies, in scsynth's manner. Owned by the control process."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from petrichor import __version__
from petrichor.clients import Clients
from petrichor.conductor import Conductor
from petrichor.config import ServeOptions
from petrichor.controls import one_number
from petrichor.errors import MessageError
from petrichor.guard import Allowance
from petrichor.live_set import Scene
from petrichor.mirror import Mirror
from petrichor.orders import Record, Recording
from petrichor.osc import Address, Message
from petrichor.parameters import SERVER_COMMANDS
from petrichor.presets import Presets
from petrichor.recording import reserve_recording
from petrichor.scenes import Scenes
from petrichor.status import status_arguments
from petrichor.supervisor import Supervisor

log = logging.getLogger(__name__)
INT32 = 1 << 31  # the first number that an OSC int cannot hold
LONGEST_MORPH = 3_600_000.0  # ms
# How often in a second, and at once, what costs more than a value: files, threads, or every value there is.
LIMITS = {
    "/record": (4.0, 8.0),
    "/preset/save": (4.0, 8.0),
    **dict.fromkeys(("/preset/load", "/preset/list", "/scene/load", "/scene/next"), (20.0, 40.0)),
    "/notify": (50.0, 100.0),
}


class Host(Protocol):
    """What the commands ask of the desk."""

    options: ServeOptions
    supervisor: Supervisor
    clients: Clients
    conductor: Conductor
    presets: Presets
    scenes: Scenes
    mirror: Mirror
    sender: Address | None

    def order(self, order: object) -> None:
        """Send an order to the audio process."""

    def send(self, address: Address, path: str, *args: object) -> None:
        """Send one message to one address."""

    def set_master(self, message: Message) -> None:
        """Obey a message to the master's level."""

    def clear_schedule(self) -> int:
        """Forget what waits for its time; return how many messages that was."""

    def figures(self) -> Mapping[str, object]:
        """Return what `/status` tells its sender, by name."""


@dataclass
class _Take:
    """A recording whose end has not been told.

    Attributes:
        path: The file.
        starter: Who asked for it, if it was a client.
        timed: Whether it has a length: its end is then told to who asked for it.
        stoppers: Who asked for its end.
    """

    path: str
    starter: Address | None
    timed: bool
    stoppers: set[Address] = field(default_factory=set)

    def askers(self, report: Recording) -> set[Address]:
        """Return who waits for a report, or has to know of it: why it failed who began it learns in any case."""
        askers = set(self.stoppers) if report.over else set()
        if self.starter is not None and (self.timed or report.error or not report.over):
            askers.add(self.starter)
        return askers


class Commands:
    """Obeys the addresses that belong to no voice.

    Args:
        desk: What they act on.
    """

    def __init__(self, desk: Host) -> None:
        """Start with nothing asked."""
        self._desk = desk
        self._syncs: list[tuple[Address, int]] = []
        self._takes: dict[int, _Take] = {}  # by number
        self._numbers = itertools.count(1)
        self._take = 0  # the one in progress, 0 for none
        handlers: dict[str, Callable[[Message], None]] = {
            "/master/gain": desk.set_master,
            "/preset/save": self._save_preset,
            "/preset/load": self._load_preset,
            "/preset/list": lambda message: self._answer("/preset/list.reply", *desk.presets.names()),
            "/scene/load": self._load_scene,
            "/scene/next": self._next_scene,
            "/scene/list": lambda message: self._answer("/scene/list.reply", *desk.scenes.names),
            "/record": self._record,
            "/clearSched": self._clear_schedule,
            "/clock": self._clock,
            "/status": self._status,
            "/ping": lambda message: self._answer("/pong"),
            "/version": lambda message: self._answer("/version.reply", "petrichor", __version__),
            "/sync": self._sync,
            "/notify": self._notify,
        }
        self.handlers = handlers | {address: _limited(handlers[address], *limit) for address, limit in LIMITS.items()}
        assert set(self.handlers) == set(SERVER_COMMANDS), "the table and the handlers differ"

    @property
    def recording(self) -> str:
        """Path of the recording in progress, or ""."""
        return self._takes[self._take].path if self._take else ""

    def replier(self, address: str, detail: str) -> Callable[[str], None]:
        """Return a function that tells the present sender `/done` ("") or `/fail` (a reason) of `address`."""
        sender = self._desk.sender

        def reply(reason: str) -> None:
            """Tell the sender of then, if there was one, how it went."""
            if sender is not None and reason:
                self._desk.send(sender, "/fail", address, reason)
            elif sender is not None:
                self._desk.send(sender, "/done", address, detail)

        return reply

    def recorded(self, report: Recording) -> None:
        """Pass on what the audio process says of recordings."""
        take = self._takes.get(report.take)
        if report.over:
            self._takes.pop(report.take, None)
            if self._take == report.take:
                self._take = 0  # it ended by itself
        answer: tuple[object, ...] = ("/record", report.path)
        if report.error:
            log.error("recording: %s", report.error)
            answer = ("/record", report.error)
        elif report.seconds is not None:
            log.info("recorded %.1f s into %s", report.seconds, report.path)
            answer += (report.seconds,)
        for listener in self._desk.clients.all | (set() if take is None else take.askers(report)):
            self._desk.send(listener, "/fail" if report.error else "/done", *answer)

    def recording_lost(self) -> None:
        """Tell that the audio process died while it recorded; a WAV holds all but the last third of a second."""
        for number, take in list(self._takes.items()):
            reason = f"{take.path}: the audio process died; what was recorded is kept"
            self.recorded(Recording(take.path, number, reason))

    def settle(self) -> None:
        """Answer the syncs whose loads are over."""
        if self._syncs and not self._desk.supervisor.busy:
            for client, number in self._syncs:
                self._desk.send(client, "/synced", number)
            self._syncs.clear()

    def _answer(self, path: str, *args: object) -> None:
        if self._desk.sender is not None:
            self._desk.send(self._desk.sender, path, *args)

    def _record(self, message: Message) -> None:
        path = seconds = None
        if message.args:
            name = _one_name(message, message.args[:1])
            if len(message.args) > 1:
                seconds = one_number(message.address, message.args[1:])
                if seconds <= 0.0:
                    raise MessageError(message.address, f"got {seconds:g} s, expected more than 0")
            path = reserve_recording(message.address, self._desk.options.recordings, name)
        elif not self._take:
            raise MessageError(message.address, "nothing is being recorded")
        sender = self._desk.sender
        if self._take and sender is not None:
            self._takes[self._take].stoppers.add(sender)  # also who begins another: that ends it
        self._take = 0
        if path is not None:
            self._take = next(self._numbers)
            self._takes[self._take] = _Take(str(path), sender, seconds is not None)
        self._desk.order(Record(path, self._take, self._position_of(message), seconds))

    def _save_preset(self, message: Message) -> None:
        path = self._desk.presets.save(message.address, _one_name(message, message.args))
        log.info("saved %s", path)
        self._answer("/done", message.address, str(path))

    def _load_preset(self, message: Message) -> None:
        name = _one_name(message, message.args[:1])
        ms = one_number(message.address, message.args[1:]) if len(message.args) > 1 else 0.0
        if not 0.0 <= ms <= LONGEST_MORPH:
            raise MessageError(message.address, f"got {ms:g} ms, expected 0…{LONGEST_MORPH:g}")
        reply = self.replier(message.address, name)
        self._desk.presets.load(message.address, name, ms / 1000, time.monotonic(), reply)

    def _load_scene(self, message: Message) -> None:
        if len(message.args) != 1 or not isinstance(message.args[0], str | int | float):
            raise MessageError(message.address, f"got {list(message.args)!r:.60}, expected one name or number")
        self._go(message.address, self._desk.scenes.find(message.address, message.args[0]))

    def _next_scene(self, message: Message) -> None:
        self._go(message.address, self._desk.scenes.following(message.address))

    def _go(self, address: str, scene: Scene) -> None:
        self._desk.scenes.load(scene, time.monotonic(), self.replier(address, scene.name))

    def _position_of(self, message: Message) -> int | None:
        return None if message.time is None else self._desk.conductor.position_at(message.time)

    def _clear_schedule(self, message: Message) -> None:
        log.info("%d messages that waited are forgotten", self._desk.clear_schedule())
        self._answer("/done", message.address)

    def _clock(self, message: Message) -> None:
        sender = self._desk.sender
        if message.time is None:
            raise MessageError(message.address, "got no time, expected a bundle whose timetag is the sender's present")
        if sender is not None:
            self._answer("/clock.reply", 1000.0 * self._desk.conductor.read_clock(sender[0], message.time))

    def _status(self, message: Message) -> None:
        self._answer("/status.reply", *status_arguments(self._desk.figures()))

    def _sync(self, message: Message) -> None:
        number = int(one_number(message.address, message.args))
        if not -INT32 <= number < INT32:
            raise MessageError(message.address, f"got {number}, expected a 32-bit whole number")
        if self._desk.sender is not None:
            self._syncs.append((self._desk.sender, number))
        del self._syncs[:-1024]  # a flood keeps only the newest

    def _notify(self, message: Message) -> None:
        client, clients = self._desk.sender, self._desk.clients
        if client is None:
            return
        wanted = bool(one_number(message.address, message.args[:1]))
        key = int(one_number(message.address, message.args[1:])) if len(message.args) > 1 else None
        if not wanted:
            clients.remove(client)
        elif not clients.add(client, time.monotonic(), key):
            self._answer("/key", clients.key_of(client))  # to be sent back: who forged the address does not see it
            return
        self._answer("/done", message.address)
        if wanted:
            self._desk.mirror.tell_all(client)


def _limited(handler: Callable[[Message], None], rate: float, burst: float) -> Callable[[Message], None]:
    """Return a handler that refuses messages beyond so many in a second."""
    allowance = Allowance(rate, burst)

    def obey(message: Message) -> None:
        """Hand it on, or refuse it."""
        if not allowance.take(time.monotonic()):
            raise MessageError(message.address, f"got more than {rate:g} in a second")
        handler(message)

    return obey


def _one_name(message: Message, args: Sequence[object]) -> str:
    if len(args) != 1 or not isinstance(args[0], str):
        raise MessageError(message.address, f"got {list(message.args)!r:.60}, expected a name")
    return args[0]
