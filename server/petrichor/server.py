"""The control process: OSC in, replies out; owns the voices' supervisor, the voice folder and the audio process.

One thread, one loop: it waits for datagrams, reports of renderers and of the audio process, events of the voice
folder and the times that scheduled messages wait for. It never touches audio.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

from petrichor.audio import AudioOptions, run_audio
from petrichor.bell import Bell
from petrichor.commands import Commands
from petrichor.config import ServeOptions
from petrichor.controls import VoiceState
from petrichor.errors import MessageError, OptionError, PetrichorError
from petrichor.namespace import Namespace
from petrichor.orders import Detached, Quit, Recording, Started
from petrichor.osc import LARGEST, Address, Message, encode, parse_datagram
from petrichor.parameters import VOICE_PARAMETERS
from petrichor.schedule import Schedule
from petrichor.slots import SLOTS, SharedSlots, remove_stale_segments
from petrichor.supervisor import Supervisor, SupervisorOptions
from petrichor.voice_file import SUFFIX
from petrichor.voice_folder import VoiceFolder

log = logging.getLogger(__name__)
wire_in = logging.getLogger("petrichor.osc.in")
wire_out = logging.getLogger("petrichor.osc.out")
BURST = 256  # datagrams taken between two looks at everything else
LATE = 0.001  # seconds after its timetag from which a message counts as late


class Server:
    """A running server: `with Server(options) as server: server.run()`.

    Args:
        options: See `ServeOptions`.

    Raises:
        OptionError: A port is taken.
    """

    commands: Commands
    supervisor: Supervisor
    _folder: VoiceFolder

    def __init__(self, options: ServeOptions) -> None:
        """Bind the sockets, make the shared memory, start the audio process and load the voices."""
        self.options = options
        self._schedule: Schedule[tuple[Message, Address]] = Schedule()
        self._sender: Address | None = None  # of the message being obeyed
        self._running = True
        self._device: str | None = None  # in use; None until the audio process has said
        self._handlers: dict[int, Any] = {}  # of signals, as they were before `run`
        for name in remove_stale_segments():
            log.info("removed %s, left by a server that was killed", name)
        with ExitStack() as stack:  # whatever fails on the way, what was made so far is let go again
            self._open(stack)
            self._resources = stack.pop_all()
        for path in self._folder.files():
            self._folder.note(path)
            self.supervisor.load(path.name.removesuffix(SUFFIX), path)

    def _open(self, stack: ExitStack) -> None:
        options = self.options
        self._socket = stack.enter_context(_bind(options.host, options.port, "--port"))
        stream_port = options.stream_port
        if stream_port is None:
            stream_port = self.port + 1 if options.port else 0
        self._streams = stack.enter_context(_bind(options.host, stream_port, "--stream-port"))
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes started here; see petrichor.__main__
        self._context = multiprocessing.get_context("spawn")
        self._slots = stack.enter_context(SharedSlots())
        self._bells = [Bell.pair() for _ in range(SLOTS)]
        self._wake, self._own_bell = Bell.pair()
        for bell in [self._wake, self._own_bell, *(end for pair in self._bells for end in pair)]:
            stack.callback(bell.close)
        self._reports, theirs = self._context.Pipe()
        stack.callback(self._reports.close)
        self._audio = self._start_audio(theirs)
        stack.callback(self._stop_audio)
        self.commands = Commands(self)
        self.supervisor = Supervisor(
            SupervisorOptions(options.rate, options.ahead, options.seed, options.realtime),
            self._slots,
            self._bells,
            self._context,
            self.order,
            self.commands.announce,
        )
        stack.callback(self.supervisor.close)
        self._namespace = Namespace(self, self.commands.handlers, self._clamped)
        self._folder = VoiceFolder(options.voices, self._own_bell)
        stack.callback(self._folder.close)

    def __enter__(self) -> Server:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down."""
        self.close()

    @property
    def port(self) -> int:
        """Port of control messages, as bound."""
        return int(self._socket.getsockname()[1])

    @property
    def stream_port(self) -> int:
        """Port of sound streams, as bound."""
        return int(self._streams.getsockname()[1])

    @property
    def meters(self) -> dict[str, float]:
        """The audio process's figures by name."""
        record = self._slots.meters
        return {name: float(record[name]) for name in record.dtype.names or ()}

    def run(self) -> None:
        """Serve until `stop`, SIGINT or SIGTERM; a second signal, also during `close`, ends everything at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._signalled)
        while self._running:
            self._turn()

    def wait_for_audio(self) -> str:
        """Wait until the audio process runs, before `run`; return the sound device in use, or ""."""
        while self._device is None:
            self._attend_audio()
        return self._device

    def stop(self) -> None:
        """Make `run` return. Any thread."""
        self._running = False
        self._own_bell.ring()

    def close(self) -> None:
        """End every process and let go of everything, in reverse order of the start."""
        self._running = False
        try:
            self._resources.close()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _stop_audio(self) -> None:
        self.order(Quit())
        self._audio.join(3.0)
        if self._audio.is_alive():
            log.error("the audio process did not end by itself")
            self._audio.kill()
            self._audio.join()
        self._audio.close()

    # What the namespace asks of the voices.

    def names(self) -> Iterable[str]:
        """Return the names of all voices."""
        return list(self.supervisor.voices)

    def state(self, name: str) -> VoiceState | None:
        """Return a voice's parameters, or None while it is being loaded for the first time."""
        return self.supervisor.voices[name].state

    def updated(self, name: str) -> None:
        """Publish a voice's changed parameters."""
        self.supervisor.update(self.supervisor.voices[name])

    def load(self, name: str, message: Message) -> None:
        """Obey `/V/load`."""
        if len(message.args) != 1 or not isinstance(message.args[0], str):
            raise MessageError(message.address, f"got {list(message.args)!r:.60}, expected one file name")
        path = self._folder.find(message.address, message.args[0])
        self.supervisor.load(name, path, self.commands.replier(message.address, path.name))

    # What commands ask of the server.

    @property
    def sender(self) -> Address | None:
        """Who sent the message being obeyed."""
        return self._sender

    def order(self, order: object) -> None:
        """Send an order to the audio process."""
        try:
            self._reports.send(order)
        except (BrokenPipeError, OSError):
            pass  # its end is noticed in the loop

    def send(self, address: Address, path: str, *args: object) -> None:
        """Send one message to one address; an unreachable one is not our trouble."""
        wire_out.debug("%s %s %s", address, path, args)
        try:
            self._socket.sendto(encode(path, *args), address)
        except (OSError, ValueError) as error:  # ValueError: an argument that OSC cannot carry
            log.debug("%s %s: %s", address, path, error)

    # The loop.

    def _turn(self) -> None:
        sources: list[Any] = [self._socket, self._reports, self._wake, *self.supervisor.sources]
        heard, _, _ = select.select(sources, [], [], self._patience())
        for source in heard:
            if source is self._socket:
                self._receive()
            elif source is self._reports:
                self._attend_audio()
            elif source is self._wake:
                self._wake.hush()
            else:
                self.supervisor.attend(source)
        for _, (message, sender) in self._schedule.due(time.time()):
            self._obey(message, sender, 0.0)  # it arrived in time
        self.supervisor.restart_due(time.monotonic())
        for path in self._folder.changed():
            self._file_changed(path)
        self.commands.settle()

    def _patience(self) -> float:
        """Return the seconds until something is to be done even if nothing is heard."""
        now = time.monotonic()
        waits = [self._folder.next_look - now]
        if self._schedule.next_time is not None:
            waits.append(self._schedule.next_time - time.time())
        if self.supervisor.next_restart is not None:
            waits.append(self.supervisor.next_restart - now)
        return max(0.0, min(waits))

    def _receive(self) -> None:
        for _ in range(BURST):
            try:
                datagram, sender = self._socket.recvfrom(LARGEST + 1)
            except (BlockingIOError, ConnectionResetError):
                return
            wire_in.debug("%s %.200r", sender, datagram)
            try:
                for message in parse_datagram(datagram):
                    self._take(message, sender)
            except MessageError as error:
                self._refuse(error, sender)

    def _take(self, message: Message, sender: Address) -> None:
        now = time.time()
        if message.time is not None and message.time > now:
            self._schedule.add(message.time, (message, sender), now)
        else:
            self._obey(message, sender, now - message.time if message.time is not None else 0.0)

    def _obey(self, message: Message, sender: Address, late: float) -> None:
        self._sender = sender
        try:
            self._namespace.obey(message)
        except MessageError as error:
            self._refuse(error, sender)
        except Exception as error:  # our own mistake: it must not end the sound
            log.exception("%s", message.address)
            self._refuse(MessageError(message.address, f"internal error: {error}"), sender)
        if late > LATE:
            self.commands.announce("/late", message.address, late * 1000.0)

    def _refuse(self, error: MessageError, sender: Address) -> None:
        log.warning("from %s:%d: %s", *sender, error)
        self.send(sender, "/fail", error.address or "/", error.reason)

    def _clamped(self, address: str, value: float) -> None:
        whole = VOICE_PARAMETERS[address.rpartition("/")[2]].tags == "i"
        self.commands.announce("/clamped", address, int(value) if whole else float(value))

    def _file_changed(self, path: Path) -> None:
        """Load the file again under every name that plays it, or under its own where it is new."""
        names = [voice.name for voice in self.supervisor.voices.values() if voice.file == path]
        own = path.name.removesuffix(SUFFIX)
        if not names and own not in self.supervisor.voices:
            names = [own]
        for name in names:
            log.info("%s: %s %s", name, path.name, "has changed" if name in self.supervisor.voices else "is new")
            self.supervisor.load(name, path)

    def _start_audio(self, theirs: Connection) -> SpawnProcess:
        options = self.options
        device = None if options.device == "none" else options.device
        audio = AudioOptions(
            self._slots.name, options.rate, device, options.recordings, options.ahead, options.realtime
        )
        bells = [pair[0] for pair in self._bells]
        process = self._context.Process(
            target=run_audio, args=(audio, self._streams, bells, theirs), name="petrichor-audio", daemon=True
        )
        process.start()
        theirs.close()
        return process

    def _attend_audio(self) -> None:
        try:
            report = self._reports.recv()
        except (EOFError, ConnectionResetError):
            raise PetrichorError("the audio process died; no sound is possible without it") from None
        if isinstance(report, Detached):
            self.supervisor.detached(report.slot)
        elif isinstance(report, Recording):
            self.commands.recorded(report)
        elif isinstance(report, Started):
            self._audio_started(report)

    def _audio_started(self, report: Started) -> None:
        self._device = report.device
        if report.priority:
            log.info("%s; on a busy machine a larger fill helps", report.priority)
        if report.problem:
            log.warning("%s", report.problem)
            self.commands.announce("/fail", "/device", report.problem)
        elif report.device:
            log.info("playing on %s", report.device)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if not self._running:  # the second: do not wait for a clean end
            for process in multiprocessing.active_children():
                process.kill()
            raise KeyboardInterrupt
        log.info("got signal %d: ending", number)
        self.stop()


def _bind(host: str, port: int, option: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OptionError(f"{option}: {host}:{port} cannot be bound: {error.strerror}") from error
    sock.setblocking(False)
    return sock
