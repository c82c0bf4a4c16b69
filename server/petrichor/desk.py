"""The desk: what messages ask, and who does it. Owned by the control process.

The conductor says when a message acts, the namespace what it means; the desk knows whom it concerns.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from petrichor import __version__
from petrichor.audio_host import AudioHost
from petrichor.card_host import CardHost
from petrichor.clients import Clients
from petrichor.clock import SampleClock
from petrichor.commands import Commands
from petrichor.conductor import Conductor
from petrichor.config import ServeOptions
from petrichor.dispatch import Dispatch
from petrichor.errors import MessageError
from petrichor.guard import Allowance
from petrichor.mappings import Mappings
from petrichor.mirror import Mirror, Values
from petrichor.namespace import Namespace
from petrichor.osc import Address, Message
from petrichor.parameters import row_of
from petrichor.presets import Presets
from petrichor.printable import printable
from petrichor.scenes import Scenes
from petrichor.segment import Segment
from petrichor.status import voice_arguments
from petrichor.supervisor import Supervisor
from petrichor.voice_file import SUFFIX
from petrichor.voice_folder import VoiceFolder
from petrichor.wire import Wire

log = logging.getLogger(__name__)
LOADS = 50.0, 100.0  # /V/load in a second, and at once
WARNINGS = 200.0, 400.0  # /late and /clamped in a second, and at once
HEARD = 8  # messages that are remembered, for the console
HOUSEKEEPING = frozenset({"/ping", "/sync", "/notify", "/status"})  # of clients: nobody needs to see it


class Desk:
    """Obeys messages.

    Args:
        options: Of the server.
        wire: Where replies go.
        clients: Who is notified.
        segment: The shared memory.
        audio: The audio process.
        card: The sound card.
        dispatch: Tells voices and master.
        supervisor: The voices.
        folder: The voice folder.
        stream_port: UDP port of sound streams.

    Attributes:
        commands: The server's own commands.
        conductor: Says when.
        mirror: Tells clients what has changed.
        presets: Saves and loads.
        scenes: Those of the live set.
        heard: The last messages that came, with their senders.
        sender: Who sent the message being obeyed.
    """

    def __init__(
        self,
        options: ServeOptions,
        wire: Wire,
        clients: Clients,
        segment: Segment,
        audio: AudioHost,
        card: CardHost,
        dispatch: Dispatch,
        supervisor: Supervisor,
        folder: VoiceFolder,
        stream_port: int,
    ) -> None:
        """Keep the parties."""
        self.options = options
        self.clients = clients
        self.supervisor = supervisor
        self.sender: Address | None = None
        self._position: int | None = None  # of the mix, at which the message being obeyed acts
        self._past = 0  # frames by which that was past, at most
        self._wire, self._segment = wire, segment
        self._audio, self._card = audio, card
        self._dispatch, self._folder = dispatch, folder
        self._stream_port = stream_port
        self._loads, self._warnings = Allowance(*LOADS), Allowance(*WARNINGS)
        self.mirror = Mirror(wire, lambda: clients.all, self._told)
        self.presets = Presets(options.presets, self)
        dispatch.acted = self.presets.release
        live_set = options.live_set
        self.scenes = Scenes(live_set.scenes if live_set else (), self.presets)
        self._mappings = Mappings(live_set.maps if live_set else ())
        self.heard: deque[tuple[Address, Message]] = deque(maxlen=HEARD)
        self.commands = Commands(self)
        master = dispatch.master
        self._namespace = Namespace(
            self, self.commands.handlers, self._clamped, lambda: master.state.told, self._answer_value
        )
        self.conductor = self._conducting()

    def _conducting(self) -> Conductor:
        return Conductor(
            SampleClock(self._segment.meters["line"], self.options.rate),
            self.obey,
            self._namespace.cueable,
            self._wire.refuse,
            self._dispatch.publish,
            lambda address, seconds: self._warn("/late", address, 1000.0 * seconds),
            lambda seconds: self._warn("/shifted", 1000.0 * seconds),
        )

    def take(self, messages: Sequence[Message], sender: Address) -> None:
        """Take the messages of one datagram, each as what it means."""
        meanings: list[Message] = []
        for message in messages:
            if message.address not in HOUSEKEEPING:
                self.heard.append((sender, message))
            try:
                meanings += self._mappings(message)
            except MessageError as error:
                self._wire.refuse(error, sender)
        self.conductor.take(meanings, sender)

    def obey(self, message: Message, sender: Address, position: int | None) -> float:
        """Obey a message at once, or at a frame of the mix; return by how many seconds that was past, or 0."""
        self.sender, self._position, self._past = sender, position, 0
        try:
            self._namespace.obey(message)
        except MessageError as error:
            self._wire.refuse(error, sender)
        except Exception as error:  # our own mistake: it must not end the sound
            log.exception("%s", printable(message.address))
            self._wire.refuse(MessageError(message.address, f"internal error: {error}"), sender)
        finally:
            self.sender = self._position = None
        return self._past / self.options.rate

    # What the namespace asks of the voices.

    def names(self) -> Iterable[str]:
        """Return the names of all voices."""
        return list(self.supervisor.voices)

    def loaded(self, name: str) -> bool:
        """Whether a voice has parameters; not while it is being loaded for the first time."""
        voice = self.supervisor.voices.get(name)
        return voice is not None and voice.plan is not None

    def perform(self, name: str, parameter: str, message: Message) -> float | None:
        """Obey a message to a parameter of a voice."""
        self._note_past(name)
        clamped = self._dispatch.perform(name, parameter, message.args, self._position)
        whole = "latent" if parameter.startswith("latent/") else parameter
        self.presets.release(name, "latent" if parameter in ("new", "seed") else whole)
        if self._position is None:
            self.mirror.set_by(f"/{name}/{whole}", self.sender if clamped is None else None)
        return clamped

    def values(self, name: str) -> Mapping[str, tuple[object, ...]]:
        """Return the values of a voice that is loaded."""
        plan = self.supervisor.voices[name].plan
        return {} if plan is None else plan.state.told

    def load(self, name: str, message: Message) -> None:
        """Obey `/V/load`."""
        if len(message.args) != 1 or not isinstance(message.args[0], str):
            raise MessageError(message.address, f"got {list(message.args)!r:.60}, expected one file name")
        path = self._path(message.address, name, message.args[0])
        self.supervisor.load(name, path, self.commands.replier(message.address, path.name))

    def unload(self, name: str, message: Message) -> None:
        """Obey `/V/unload`."""
        if message.args:
            raise MessageError(message.address, f"got {len(message.args)} arguments, expected none")
        self.supervisor.unload(name)
        self.mirror.forget(name)
        self.commands.replier(message.address, name)("")

    # What presets ask.

    def told(self) -> tuple[Values, Mapping[str, Values], Mapping[str, str]]:
        """Return the master's values, the values of every voice that is loaded, and the files that they play."""
        loaded = {name: voice for name, voice in self.supervisor.voices.items() if voice.plan is not None}
        files = {name: voice.path.name.removesuffix(SUFFIX) for name, voice in loaded.items()}
        return self._dispatch.master.state.told, {name: self.values(name) for name in loaded}, files

    def loading(self, name: str) -> bool:
        """Whether another file is being loaded for a voice."""
        voice = self.supervisor.voices.get(name)
        return voice is not None and voice.incoming is not None

    def load_voice(self, name: str, file: str, values: Values, loaded: Callable[[str], None]) -> None:
        """Load a voice file; `loaded` is told "" once it is heard, else the reason.

        A voice that is new begins with the values.
        """
        try:
            self.supervisor.load(name, self._path("/preset/load", name, file), loaded, values)
        except MessageError as error:
            loaded(error.reason)

    def set(self, name: str | None, parameter: str, args: tuple[object, ...]) -> None:
        """Set a parameter of a voice, or of the master (None)."""
        if name is None:
            clamped = self._dispatch.perform_master(parameter, args, None)
        elif self.loaded(name):
            clamped = self._dispatch.perform(name, parameter, args, None)
        else:
            raise KeyError(name)
        self.mirror.set_by(f"/{name or 'master'}/{parameter}", None)
        if clamped is not None:
            self._warn("/clamped", f"/{name or 'master'}/{parameter}", clamped)

    # What commands ask.

    def order(self, order: object) -> None:
        """Send an order to the audio process."""
        self._audio.order(order)

    def send(self, address: Address, path: str, *args: object) -> None:
        """Send one message to one address."""
        self._wire.send(address, path, *args)

    def set_master(self, message: Message) -> None:
        """Obey a message to the master's level."""
        self._note_past(None)
        parameter = message.address.removeprefix("/master/")
        clamped = self._dispatch.perform_master(parameter, message.args, self._position)
        self.presets.release(None, parameter)
        if self._position is None:
            self.mirror.set_by(message.address, self.sender if clamped is None else None)
        if clamped is not None:
            self._warn("/clamped", message.address, clamped)

    def clear_schedule(self) -> int:
        """Forget what waits for its time, cues on their way too; return how many messages waited."""
        self._dispatch.clear()
        return self.conductor.clear()

    def figures(self) -> Mapping[str, object]:
        """Return what `/status` tells its sender, by name; see `petrichor.status.FIGURES`."""
        meters, host = self._segment.meters, self.sender[0] if self.sender else ""
        return {
            "version": __version__,
            "rate": self.options.rate,
            "stream_port": self._stream_port,
            "subscribers": int(meters["subscribers"]),
            "underruns": int(meters["underruns"]),
            "recording": self.commands.recording,
            "device": self._card.device,
            "device_rate": self._card.rate,
            "jumps": int(meters["jumps"]),
            "concealed": int(1000 * meters["concealed"] / self.options.rate),
            "restarts": self.supervisor.restarts + self._audio.restarts,
            "waiting": self.conductor.waiting,
            "clock": 1000.0 * self.conductor.offset_of(host),
            "refused": self._wire.guard.refused,
            "voices": voice_arguments(self.supervisor),
        }

    @property
    def master_gain(self) -> float:
        """Level of everything, dB."""
        return float(str(self._dispatch.master.state.told["gain"][0]))

    def _path(self, address: str, name: str, file: str) -> Path:
        """Return the voice file that is to be loaded under a name.

        Raises:
            MessageError: There is none, nobody may be called so, or too many are loaded.
        """
        if not self._loads.take(time.monotonic()):  # before anything is looked for on a disk
            raise MessageError(address, f"got more than {LOADS[0]:g} loads a second")
        path = self._folder.find(address, file)
        self._folder.check_name(address, name)
        return path

    def _told(self) -> Iterator[Values]:
        """Give every value by its address, a voice's at a time."""
        yield {f"/master/{name}": args for name, args in self._dispatch.master.state.told.items()}
        for name in self.supervisor.voices:
            yield {f"/{name}/{parameter}": args for parameter, args in self.values(name).items()}

    def _answer_value(self, address: str, args: tuple[object, ...]) -> None:
        if self.sender is not None:
            self._wire.send(self.sender, address, *args)

    def _note_past(self, name: str | None) -> None:
        if self._position is not None:
            self._past = max(self._past, self._dispatch.horizon(name) - self._position)

    def _clamped(self, address: str, value: float) -> None:
        row = row_of(address[1:].partition("/")[2])
        self._warn("/clamped", address, int(value) if row is not None and row.tags == "i" else float(value))

    def _warn(self, path: str, *args: object) -> None:
        """Tell notified clients of a message that was obeyed, but not as it was meant."""
        if self._warnings.take(time.monotonic()):
            self._wire.announce(path, *args)
