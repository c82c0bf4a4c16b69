"""The control process: OSC in, replies out; owns the voices' supervisor, the voice folder and the other processes.

One thread, one loop: it waits for datagrams, reports of the other processes, events of the voice folder and the times
that something waits for. It never touches audio.
"""

from __future__ import annotations

import logging
import multiprocessing
import select
import signal
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from petrichor.audio import AudioOptions
from petrichor.audio_host import AudioHost
from petrichor.bell import Bell
from petrichor.card import CardOptions
from petrichor.card_host import CardHost
from petrichor.clients import Clients
from petrichor.config import ServeOptions
from petrichor.console_host import INTERVAL as PICTURES
from petrichor.console_host import ConsoleHost
from petrichor.desk import Desk
from petrichor.dispatch import Dispatch
from petrichor.guard import LOOPBACK
from petrichor.hosted_voice import HostedVoice
from petrichor.levels import INTERVAL, level_messages
from petrichor.live_set import EMPTY
from petrichor.orders import Detached, Recording, Started
from petrichor.picture import take_picture
from petrichor.priority import CONTROL, realtime_priority
from petrichor.processes import process_context, signals_heard
from petrichor.query.query_host import QueryHost
from petrichor.query.query_process import QueryOptions
from petrichor.renderer_pool import PoolOptions, RendererPool
from petrichor.segment import Segment, remove_stale_segments
from petrichor.slots import SLOTS
from petrichor.spool import Spool, remove_stale_spools
from petrichor.supervisor import Supervisor
from petrichor.voice_file import SUFFIX
from petrichor.voice_folder import VoiceFolder
from petrichor.wire import Wire, bind

log = logging.getLogger(__name__)
LOOK = 0.25  # seconds between two looks at whether the other processes live
DEVICE_PATIENCE = 10.0  # seconds to wait for word of a sound device
FOLLOW = 0.02  # seconds between two looks at how far the mix has come, while cues are on their way


class Server:
    """A running server: `with Server(options) as server: server.run()`.

    Args:
        options: See `ServeOptions`.
        console: Shown what there is to see, a few times a second.

    Raises:
        OptionError: A port is taken.
    """

    def __init__(self, options: ServeOptions, console: ConsoleHost | None = None) -> None:
        """Bind the sockets, make the shared memory, start the other processes and load the voices."""
        self.options = options
        self._running = True
        self._wake, self._own_bell = Bell.pair()
        self._console = console
        self._next_levels = self._next_look = self._next_picture = 0.0
        self._changes = 0  # of values, told or about to be told to clients
        for name in remove_stale_segments():
            log.info("removed %s, left by a server that was killed", name)
        remove_stale_spools()
        with ExitStack() as stack:  # whatever fails on the way, what was made so far is let go again
            for bell in (self._wake, self._own_bell):
                stack.callback(bell.close)
            stack.enter_context(signals_heard(self._signalled))  # else what is being made when one comes is left behind
            self._open(stack)
            stack.callback(self._fall_silent)
            if not str(self._streams.getsockname()[0]).startswith(LOOPBACK):
                log.warning(
                    "listening on %s: whoever can reach this machine there can play it, load voices, record and listen",
                    options.host,
                )
            files = self._folder.files()
            for path in files:
                self._folder.note(path)
            self._load_voices(files)
            self._resources = stack.pop_all()

    def _load_voices(self, files: list[Path]) -> None:
        """Load the voices of the live set, and every other file under its own name; place the master."""
        own = {path.name.removesuffix(SUFFIX): path for path in files}
        start = self.options.live_set.start if self.options.live_set else EMPTY
        begun = {name: self._folder.path / (file.removesuffix(SUFFIX) + SUFFIX) for name, file in start.files.items()}
        for name, path in {**own, **begun}.items():
            self._supervisor.load(name, path)
        for parameter, args in start.master.items():
            self._desk.set(None, parameter, args)
        self._dispatch.publish()

    def _open(self, stack: ExitStack) -> None:
        options = self.options
        self._clients = Clients()
        self._wire = Wire(options.host, options.port, options.max_rate, self._clients)
        stack.callback(self._wire.close)
        stream_port = options.stream_port
        if stream_port is None:
            stream_port = self.port + 1 if options.port else 0
        self._streams = stack.enter_context(bind(options.host, stream_port, "--stream-port"))
        self._segment = stack.enter_context(Segment())
        bells = [Bell.pair() for _ in range(SLOTS)]
        for bell in (end for pair in bells for end in pair):
            stack.callback(bell.close)
        self._start_processes(stack, bells)
        self._folder = VoiceFolder(options.voices, self._own_bell)
        stack.callback(self._folder.close)
        parties = (self._segment, self._audio, self._card, self._dispatch, self._supervisor, self._folder)
        self._desk = Desk(options, self._wire, self._clients, *parties, self.stream_port)

    def _start_processes(self, stack: ExitStack, bells: list[tuple[Bell, Bell]]) -> None:
        options, segment, context = self.options, self._segment, process_context()
        audio = AudioOptions(segment.name, options.rate, options.ahead, options.realtime)
        self._audio = AudioHost(audio, segment, self._streams, [pair[0] for pair in bells], context)
        stack.callback(self._audio.close)
        card = CardOptions(segment.name, options.device, options.rate, options.realtime)
        wanted = None if options.device == "none" else card
        self._card = CardHost(wanted, segment, self._audio.wake, context, self._device_changed)
        stack.callback(self._card.close)
        self._query = QueryHost(self._query_options(), context)
        stack.callback(self._query.close)
        spool = Spool()
        stack.callback(spool.close)
        how = PoolOptions(options.rate, options.ahead, options.realtime)
        pool = RendererPool(how, segment, bells, self._audio.wake, context, spool)
        stack.callback(pool.close)
        voices: dict[str, HostedVoice] = {}
        order = self._audio.order
        self._dispatch = Dispatch(voices, segment, order)
        self._supervisor = Supervisor(
            pool,
            self._dispatch,
            voices,
            segment,
            options.rate,
            options.seed,
            order,
            self._wire.announce,
            options.live_set.start.voices if options.live_set else {},
        )

    def _query_options(self) -> QueryOptions | None:
        options = self.options
        port = (self.port + 2 if options.port else 0) if options.query_port is None else options.query_port
        return QueryOptions(options.host, port, self.port) if options.query else None

    def __enter__(self) -> Server:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Shut down."""
        self.close()

    @property
    def port(self) -> int:
        """Port of control messages, as bound."""
        return self._wire.port

    @property
    def stream_port(self) -> int:
        """Port of sound streams, as bound."""
        return int(self._streams.getsockname()[1])

    @property
    def meters(self) -> dict[str, float]:
        """The audio process's figures by name."""
        record = self._segment.meters
        return {name: float(record[name].reshape(-1)[0]) for name in record.dtype.names or ()}

    def run(self) -> None:
        """Serve until `stop`, SIGINT or SIGTERM; a second signal, also during `close`, ends everything at once."""
        with realtime_priority(CONTROL) if self.options.realtime else nullcontext():
            while self._running:
                self._turn()

    def wait_for_device(self) -> str:
        """Wait until it is known whether there is a sound device, but not for ever, before `run`.

        Returns:
            Its name, or "".
        """
        now = time.monotonic()
        deadline = now + DEVICE_PATIENCE
        while self._running and not self._card.known and now < deadline:
            if select.select(self._card.sources, [], [], min(LOOK, deadline - now))[0]:
                self._card.attend()
            now = time.monotonic()
            self._card.look_after(now)
        return self._card.device

    def stop(self) -> None:
        """Make `run` return. Any thread."""
        self._running = False
        self._own_bell.ring()

    def close(self) -> None:
        """End every process and let go of everything, in reverse order of the start."""
        self._running = False
        self._resources.close()

    def _fall_silent(self) -> None:
        """Let what is heard or recorded end by a glide to silence: the first thing of the end."""
        meters, card = self._segment.meters, self._segment.card
        if int(meters["subscribers"]) or int(card["active"]) or self._desk.commands.recording:
            self._audio.fall_silent()

    def _turn(self) -> None:
        """Wait for something, and do what is to be done."""
        audio, card, query = self._audio.sources, self._card.sources, self._query.sources
        sources: list[Any] = [self._wire, self._wake, *audio, *card, *query, *self._supervisor.sources]
        heard, _, _ = select.select(sources, [], [], self._patience())
        for source in heard:
            if source is self._wire:
                self._receive()
            elif source in audio:
                self._attend_audio()
            elif source is self._wake:
                self._wake.hush()
            elif source in card:
                self._card.attend()
            elif source in query:
                self._query.attend()
            else:
                self._supervisor.attend(source)
        self._dispatch.reach()
        self._desk.conductor.due(self._dispatch.busy)
        for path in self._folder.changed():
            self._file_changed(path)
        for path in self._folder.gone():
            self._file_gone(path)
        now = time.monotonic()
        self._look_after(now)
        self._desk.presets.look(now)
        self._dispatch.publish()  # else what a preset has set would wait for the next turn
        if self._dispatch.changes != self._changes:
            self._changes = self._dispatch.changes
            self._desk.mirror.touch()
        self._desk.mirror.look(now)
        self._desk.commands.settle()

    def _receive(self) -> None:
        now = time.monotonic()
        for messages, sender in self._wire.receive():
            self._clients.heard(sender, now)
            self._desk.take(messages, sender)

    def _look_after(self, now: float) -> None:
        restart = self._supervisor.next_restart
        if now >= self._next_look or (restart is not None and now >= restart):
            self._next_look = now + LOOK
            self._supervisor.look_after(now)
            if self._audio.look_after(now):
                self._desk.commands.recording_lost()  # one that was asked for while there was no audio process
                self._supervisor.attach_all()
            self._card.look_after(now)
            self._query.look_after(now)
            self._clients.expire(now)
            self._wire.look_after(now)
        if now >= self._next_levels and len(self._clients):
            self._next_levels = now + INTERVAL
            self._wire.announce_bundle(level_messages(self._segment, self._supervisor.voices))
        if self._console is not None and now >= self._next_picture:
            self._next_picture = now + PICTURES
            where = f"OSC on {self.options.host}:{self.port}, streams on {self.stream_port}"
            self._console.show(take_picture(self._desk, self._segment, where))

    def _patience(self) -> float:
        """Return the seconds until something is to be done even if nothing is heard."""
        now = time.monotonic()
        waits = [self._folder.next_look - now, self._next_look - now]
        if len(self._clients):
            waits.append(self._next_levels - now)
        if self._console is not None:
            waits.append(self._next_picture - now)
        dues = (self._supervisor.next_restart, self._desk.mirror.due, self._desk.presets.due)
        waits += [due - now for due in dues if due is not None]
        if self._desk.conductor.patience is not None:
            waits.append(self._desk.conductor.patience)
        if self._dispatch.busy:
            waits.append(FOLLOW)
        return max(0.0, min(waits))

    def _file_changed(self, path: Path) -> None:
        """Load the file again under every name that plays it, or under its own where it is new."""
        voices = self._supervisor.voices
        names = [voice.name for voice in voices.values() if voice.file == path]
        own = path.name.removesuffix(SUFFIX)
        if not names and own not in voices:
            names = [own]
        for name in names:
            log.info("%s: %s %s", name, path.name, "has changed" if name in voices else "is new")
            self._supervisor.load(name, path)

    def _file_gone(self, path: Path) -> None:
        for voice in list(self._supervisor.voices.values()):
            if voice.file == path and voice.plan is None:
                self._supervisor.unload(voice.name)  # it never played
            elif voice.file == path:
                log.info("%s: %s is gone; the voice plays on until it is unloaded", voice.name, path.name)
                self._wire.announce(f"/{voice.name}/gone", voice.name)

    def _attend_audio(self) -> None:
        report = self._audio.receive()
        if report is None:
            log.error("the audio process died and is being replaced")
            self._wire.announce("/fail", "/audio", "the audio process died and is being replaced")
            self._desk.commands.recording_lost()
            if self._audio.restart():
                self._supervisor.attach_all()
        elif isinstance(report, Detached):
            self._supervisor.detached(report.slot)
        elif isinstance(report, Recording):
            self._desk.commands.recorded(report)
        elif isinstance(report, Started) and report.priority:
            log.info("%s; on a busy machine a larger fill helps", report.priority)

    def _device_changed(self, device: str, rate: int, problem: str) -> None:
        if problem:
            log.warning("%s", problem)
            self._wire.announce("/fail", "/device", problem)
        else:
            other = "" if rate == self.options.rate else f" at {rate} Hz, resampled"
            log.info("playing on %s%s", device, other)
            self._wire.announce("/device", device, rate)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if not self._running:  # the second: do not wait for a clean end
            for process in multiprocessing.active_children():
                process.kill()
            raise KeyboardInterrupt
        log.info("got %s: ending", signal.Signals(number).name)
        self.stop()
