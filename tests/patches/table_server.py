"""A server without sound that keeps, clamps, tells and answers values by the table, as Petrichor does."""

from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from pythonosc.osc_packet import OscPacket

from petrichor.osc import encode
from petrichor.parameters import SERVER_COMMANDS, VOICE_PARAMETERS, row_of

VOICES = ("rain", "bird")
DIRECTIONS = ("loudness", "density", "brightness")
LATENT_SIZE = 16
LEVELS = 0.1  # seconds between two tellings of levels
Values = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Received:
    """One message.

    Attributes:
        address: Its address.
        arguments: Its arguments.
        datagram: The number of the datagram that it came in.
        time: When it is to act, UNIX time.
        came: When it came, UNIX time.
    """

    address: str
    arguments: tuple[object, ...]
    datagram: int
    time: float
    came: float


class TableServer:
    """Serves a port of 127.0.0.1 from a thread of its own.

    Attributes:
        port: The port.
        received: Every message so far.
        recording: Path of the recording in progress, or "".
        values: What every address has.
        notified: Who is told of changes.
    """

    def __init__(self) -> None:
        self.recording = ""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received: list[Received] = []
        self._datagrams = 0
        self._draws = 0
        self.values = _defaults()
        self._presets: dict[str, Values] = {}
        self.notified: set[tuple[str, int]] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="table server")

    def __enter__(self) -> TableServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def of(self, address: str) -> list[Received]:
        """Return the messages to one address."""
        return [each for each in self.received if each.address == address]

    def _serve(self) -> None:
        while not self._ended.is_set():
            if select.select([self._socket], [], [], LEVELS)[0]:
                datagram, sender = self._socket.recvfrom(65536)
                self._datagrams += 1
                came = time.time()
                for timed in OscPacket(datagram).messages:
                    each = timed.message
                    self.received.append(Received(each.address, tuple(each.params), self._datagrams, timed.time, came))
                    self._obey(each.address, tuple(each.params), sender)
            for client in self.notified:
                for voice in (*VOICES, "master"):
                    self._send(client, f"/{voice}/level", -20.0, -30.0, *([0.0] if voice == "master" else []))

    def _obey(self, address: str, args: tuple[object, ...], sender: tuple[str, int]) -> None:
        if args == ("?",):
            if address in self.values:
                self._send(sender, address, *self.values[address])
        elif address in SERVER_COMMANDS and address != "/master/gain":
            self._command(address, args, sender)
        else:
            names = VOICES if address.startswith("/*/") else (address.split("/")[1],)
            parameter = address.split("/", 2)[2]
            for name in names:
                self._set(name, parameter, args, sender)

    def _command(self, address: str, args: tuple[object, ...], sender: tuple[str, int]) -> None:
        if address == "/notify":
            self.notified = self.notified | {sender} if args[0] else self.notified - {sender}
            self._tell(self.values if args[0] else {})
        elif address == "/preset/save":
            self._presets[str(args[0])] = dict(self.values)
            self._send(sender, "/done", address, f"/presets/{args[0]}.toml")
        elif address == "/preset/load":
            self.values = dict(self._presets[str(args[0])])
            self._tell(self.values)
            self._send(sender, "/done", address, str(args[0]))
        elif address == "/preset/list":
            self._send(sender, "/preset/list.reply", *self._presets)
        elif address == "/record":
            self._record(args, sender)
        elif address == "/sync":
            self._send(sender, "/synced", args[0])

    def _record(self, args: tuple[object, ...], sender: tuple[str, int]) -> None:
        if args:
            self.recording = f"/recordings/{args[0]}"
            self._send(sender, "/done", "/record", self.recording)
        elif self.recording:
            self._send(sender, "/done", "/record", self.recording, 1.25)
            self.recording = ""
        else:
            self._send(sender, "/fail", "/record", "nothing is being recorded")

    def _set(self, voice: str, parameter: str, args: tuple[object, ...], sender: tuple[str, int]) -> None:
        address = f"/{voice}/{parameter}"
        row = SERVER_COMMANDS[address] if voice == "master" else row_of(parameter)
        assert row, address
        if parameter == "new":
            self._draws += 1
            self.values[f"/{voice}/latent"] = (float(self._draws),) * LATENT_SIZE
            self._tell({f"/{voice}/latent": self.values[f"/{voice}/latent"]})
        elif parameter.startswith("latent/"):
            whole = list(self.values[f"/{voice}/latent"])
            whole[int(parameter.removeprefix("latent/"))] = args[0]
            self._keep(f"/{voice}/latent", tuple(whole))
        elif row.low is not None:
            (value,) = args
            assert isinstance(value, int | float), (address, args)
            used = type(value)(row.clamp(value))
            self._keep(address, (used,))
            if used != value and sender in self.notified:
                self._send(sender, "/clamped", address, used)
        elif parameter == "latent":
            assert len(args) == LATENT_SIZE, args
            self._keep(address, args)

    def _keep(self, address: str, args: tuple[object, ...]) -> None:
        self.values[address] = args
        if address.endswith("/latent"):
            self.values |= {f"{address}/{index}": (value,) for index, value in enumerate(args)}

    def _tell(self, values: Values) -> None:
        for client in self.notified:
            for address, args in values.items():
                if "/latent/" not in address:
                    self._send(client, address, *args)

    def _send(self, client: tuple[str, int], address: str, *args: object) -> None:
        self._socket.sendto(encode(address, *args), client)


def _defaults() -> Values:
    values: Values = {"/master/gain": (0.0,)}
    for voice in VOICES:
        for row in VOICE_PARAMETERS.values():
            if row.default is not None:
                values[f"/{voice}/{row.name}"] = (int(row.default) if row.tags == "i" else float(row.default),)
        values |= {f"/{voice}/direction/{name}": (0.0,) for name in DIRECTIONS}
        values[f"/{voice}/latent"] = (0.0,) * LATENT_SIZE
        values |= {f"/{voice}/truncation": (2.0,), f"/{voice}/seed": (1,)}
    return values
