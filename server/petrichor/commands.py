"""The server's own OSC commands and its replies, in scsynth's manner. Owned by the control process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from petrichor import __version__
from petrichor.config import ServeOptions
from petrichor.controls import clamped_number, one_number
from petrichor.errors import MessageError
from petrichor.orders import Master, Record, Recording
from petrichor.osc import Address, Message
from petrichor.parameters import SERVER_COMMANDS, amplitude
from petrichor.recording import reserve_recording
from petrichor.supervisor import Supervisor

log = logging.getLogger(__name__)
INT32 = 1 << 31  # the first number that an OSC int cannot hold
MAX_CLIENTS = 64  # notified at once


class Host(Protocol):
    """What the commands ask of the server."""

    options: ServeOptions
    supervisor: Supervisor

    @property
    def stream_port(self) -> int:
        """Port of sound streams, as bound."""

    @property
    def meters(self) -> dict[str, float]:
        """The audio process's figures by name."""

    @property
    def sender(self) -> Address | None:
        """Who sent the message being obeyed."""

    def order(self, order: object) -> None:
        """Send an order to the audio process."""

    def send(self, address: Address, path: str, *args: object) -> None:
        """Send one message to one address."""


class Commands:
    """Obeys the addresses that belong to no voice.

    Args:
        server: What they act on.
    """

    def __init__(self, server: Host) -> None:
        """Start with nobody to notify."""
        self._server = server
        self._clients: set[Address] = set()
        self._syncs: list[tuple[Address, int]] = []
        self._recorders: dict[int, Address] = {}  # order → who asked, the last few
        self._orders = 0
        self._take: tuple[int, str] | None = None  # token and path of the recording in progress
        self.handlers: Mapping[str, Callable[[Message], None]] = {
            "/master/gain": self._master_gain,
            "/record": self._record,
            "/status": self._status,
            "/ping": lambda message: self._answer("/pong"),
            "/version": lambda message: self._answer("/version.reply", "petrichor", __version__),
            "/sync": self._sync,
            "/notify": self._notify,
        }
        assert set(self.handlers) == set(SERVER_COMMANDS), "the table and the handlers differ"

    def announce(self, path: str, *args: object) -> None:
        """Tell every notified client."""
        for client in self._clients:
            self._server.send(client, path, *args)

    def replier(self, address: str, detail: str) -> Callable[[str], None]:
        """Return a function that tells the present sender `/done` ("") or `/fail` (a reason) of `address`."""
        sender = self._server.sender

        def reply(reason: str) -> None:
            if sender is not None and reason:
                self._server.send(sender, "/fail", address, reason)
            elif sender is not None:
                self._server.send(sender, "/done", address, detail)

        return reply

    def recorded(self, report: Recording) -> None:
        """Pass on what the audio process says of recordings."""
        over = report.error or report.seconds is not None
        if over and self._take is not None and self._take[0] == report.take:
            self._take = None  # it ended by itself
        answer: tuple[object, ...] = ("/record", report.path)
        if report.error:
            log.error("recording: %s", report.error)
            answer = ("/record", report.error)
        elif report.seconds is not None:
            log.info("recorded %.1f s into %s", report.seconds, report.path)
            answer += (report.seconds,)
        asked = self._recorders.get(report.token)
        for listener in self._clients | ({asked} if asked else set()):
            self._server.send(listener, "/fail" if report.error else "/done", *answer)

    def settle(self) -> None:
        """Answer the syncs whose loads are over."""
        if self._syncs and not self._server.supervisor.busy:
            for client, number in self._syncs:
                self._server.send(client, "/synced", number)
            self._syncs.clear()

    def _answer(self, path: str, *args: object) -> None:
        if self._server.sender is not None:
            self._server.send(self._server.sender, path, *args)

    def _master_gain(self, message: Message) -> None:
        value, clamped = clamped_number(SERVER_COMMANDS["/master/gain"], message.address, message.args)
        self._server.order(Master(amplitude(value)))
        if clamped:
            self.announce("/clamped", message.address, value)

    def _record(self, message: Message) -> None:
        path = None
        if message.args:
            if len(message.args) != 1 or not isinstance(message.args[0], str):
                raise MessageError(message.address, f"got {list(message.args)!r:.60}, expected one file name or none")
            path = reserve_recording(message.address, self._server.options.recordings, message.args[0])
        elif self._take is None:
            raise MessageError(message.address, "nothing is being recorded")
        self._orders += 1
        self._take = None if path is None else (self._orders, str(path))
        if self._server.sender is not None:
            self._recorders[self._orders] = self._server.sender
            self._recorders.pop(self._orders - MAX_CLIENTS, None)
        self._server.order(Record(path, self._orders))

    def _status(self, message: Message) -> None:
        server = self._server
        meters = server.meters
        voices: list[object] = []
        for voice in server.supervisor.voices.values():
            voices += [voice.name, voice.status, voice.state.latent_size if voice.state else 0]
        self._answer(
            "/status.reply",
            __version__,
            server.options.rate,
            server.stream_port,
            int(meters["subscribers"]),
            int(min(meters["underruns"], INT32 - 1)),
            self._take[1] if self._take else "",
            len(server.supervisor.voices),
            *voices,
        )

    def _sync(self, message: Message) -> None:
        number = int(one_number(message.address, message.args))
        if not -INT32 <= number < INT32:
            raise MessageError(message.address, f"got {number}, expected a 32-bit whole number")
        if self._server.sender is not None:
            self._syncs.append((self._server.sender, number))
        del self._syncs[:-1024]  # a flood keeps only the newest

    def _notify(self, message: Message) -> None:
        wanted = bool(one_number(message.address, message.args))
        client = self._server.sender
        if client is None:
            return
        if wanted and len(self._clients) >= MAX_CLIENTS and client not in self._clients:
            raise MessageError(message.address, f"{MAX_CLIENTS} clients are notified already")
        (self._clients.add if wanted else self._clients.discard)(client)
        self._answer("/done", message.address)
