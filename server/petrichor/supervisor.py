"""The voices' renderers: started, exchanged, replaced when they die, ended. Owned by the control process.

A voice has at most one renderer that sounds and one that is coming in. A reload starts the second beside the first;
only when it is verified, warm and filled do the two crossfade. One that fails is reported and the first plays on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from petrichor.bell import Bell
from petrichor.controls import Strip, VoiceState
from petrichor.orders import Attach, Detach, Place
from petrichor.renderer import Failed, Loaded, Ready, RendererOptions, run_renderer
from petrichor.slots import SLOTS, SharedSlots

log = logging.getLogger(__name__)
FADE = 0.05  # seconds of the crossfade of a reload
BACKOFF = 0.25  # seconds before a second restart in a row; doubles up to the longest
LONGEST_BACKOFF = 10.0
CALM = 5.0  # seconds of playing after which a renderer's earlier deaths are forgotten

Reply = Callable[[str], None] | None  # called with "" on success, else with the reason


@dataclass(eq=False)
class Renderer:
    """One renderer process and what is known of it."""

    voice: str
    path: Path
    slot: int
    process: SpawnProcess
    report: Connection
    reply: Reply = None
    loaded: Loaded | None = None
    state: VoiceState | None = None  # the voice's, but for an incoming network of another latent size
    strip: Strip | None = None  # as the mixer knows it
    attached: bool = False
    ending: bool = False
    since: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class HostedVoice:
    """A voice by its name: its parameters and its renderers."""

    name: str
    path: Path
    state: VoiceState | None = None
    playing: Renderer | None = None
    incoming: Renderer | None = None
    deaths: int = 0
    restart_at: float | None = None

    @property
    def file(self) -> Path:
        """The file that sounds, or will once it is loaded."""
        return self.incoming.path if self.incoming is not None else self.path

    @property
    def status(self) -> str:
        """ "playing", "loading" or "failed"."""
        if self.playing is not None and not self.playing.ending:
            return "playing"
        return "loading" if self.incoming or self.restart_at else "failed"


@dataclass(frozen=True)
class SupervisorOptions:
    """What the supervisor needs to know.

    Attributes:
        rate: Hz.
        ahead: Frames each renderer keeps ready.
        seed: Seed of the first latent vectors.
        realtime: Whether renderers want real-time priority.
    """

    rate: int
    ahead: int
    seed: int
    realtime: bool = False


class Supervisor:
    """All voices.

    Args:
        options: See `SupervisorOptions`.
        slots: The shared memory.
        bells: For each slot the audio process's end and the renderer's end.
        context: How processes are started.
        order: Sends an order to the audio process.
        announce: Tells notified clients: (address, *args).
    """

    def __init__(
        self,
        options: SupervisorOptions,
        slots: SharedSlots,
        bells: list[tuple[Bell, Bell]],
        context: SpawnContext,
        order: Callable[[object], None],
        announce: Callable[..., None],
    ) -> None:
        """Start with no voice."""
        self.voices: dict[str, HostedVoice] = {}
        self._options = options
        self._slots = slots
        self._bells = bells
        self._context = context
        self._order = order
        self._announce = announce
        self._free = list(range(SLOTS))
        self._renderers: list[Renderer] = []

    @property
    def busy(self) -> bool:
        """Whether a voice is being loaded."""
        return any(voice.incoming for voice in self.voices.values())

    @property
    def sources(self) -> list[Connection]:
        """What to wait for: each renderer's reports; its end shows there too, as end of file."""
        return [renderer.report for renderer in self._renderers]

    @property
    def next_restart(self) -> float | None:
        """Monotonic time of the next restart that waits, or None."""
        return min((v.restart_at for v in self.voices.values() if v.restart_at is not None), default=None)

    def load(self, name: str, path: Path, reply: Reply = None) -> None:
        """Start loading a voice file under a name, beside what plays there now.

        Args:
            name: The voice's name in OSC addresses.
            path: The file.
            reply: Told when it is heard, or why it is not.
        """
        voice = self.voices.setdefault(name, HostedVoice(name, path))
        if voice.incoming is not None:  # a newer file overtakes one still loading
            self._end(voice.incoming, "a newer file took its place")
        voice.incoming = None
        voice.restart_at = None
        if not self._free:
            self._failed(voice, path, f"all {SLOTS} renderer slots are in use", reply)
            self._retry_if_dead(voice)
            return
        slot = self._free.pop(0)  # the one longest out of use
        self._slots[slot].clear()
        try:
            voice.incoming = self._start(name, path, slot, reply)
        except OSError as error:  # no memory or no process to be had
            self._free.append(slot)
            self._failed(voice, path, f"no renderer could be started ({error})", reply)
            self._retry_if_dead(voice)
            return
        self._renderers.append(voice.incoming)

    def update(self, voice: HostedVoice) -> None:
        """Publish a voice's parameters to its renderers and the mixer."""
        if voice.state is None:
            return
        for renderer in (voice.playing, voice.incoming):
            if renderer is not None and renderer.state is not None:
                self._slots[renderer.slot].write_controls(renderer.state.controls)
        playing, strip = voice.playing, voice.state.strip
        if playing is not None and playing.strip != strip:
            playing.strip = strip
            self._order(Place(playing.slot, strip))

    def attend(self, report: Connection) -> None:
        """Take one report of a renderer, or its end."""
        renderer = next((r for r in self._renderers if r.report is report), None)
        if renderer is None:
            return
        voice = self.voices[renderer.voice]
        try:
            message = report.recv()
        except (EOFError, ConnectionResetError):
            self._ended(voice, renderer)
            return
        if renderer is not voice.incoming:
            return
        if isinstance(message, Loaded):
            self._loaded(voice, renderer, message)
        elif isinstance(message, Ready):
            self._ready(voice, renderer)
        elif isinstance(message, Failed):
            voice.incoming = None
            self._failed(voice, renderer.path, message.reason, renderer.reply)
            self._retry_if_dead(voice)

    def detached(self, slot: int) -> None:
        """The audio process has let go of a slot: its renderer may end."""
        for renderer in self._renderers:
            if renderer.slot == slot and renderer.ending:
                renderer.attached = False
                self._stop(renderer)
                return
        if slot not in self._free and all(renderer.slot != slot for renderer in self._renderers):
            self._free.append(slot)

    def restart_due(self, now: float) -> None:
        """Start again the voices whose renderers died and whose time has come."""
        for voice in self.voices.values():
            if voice.restart_at is not None and voice.restart_at <= now:
                self.load(voice.name, voice.path)

    def close(self) -> None:
        """End every renderer and wait for it."""
        for renderer in self._renderers:
            self._stop(renderer)
        for renderer in self._renderers:
            renderer.process.join(1.0)
            if renderer.process.is_alive():
                renderer.process.kill()
                renderer.process.join()
            renderer.process.close()
            renderer.report.close()
        self._renderers.clear()

    def _start(self, name: str, path: Path, slot: int, reply: Reply) -> Renderer:
        ours, theirs = self._context.Pipe(duplex=False)
        own = self._options
        options = RendererOptions(path, self._slots.name, slot, own.rate, own.ahead, own.realtime)
        process = self._context.Process(
            target=run_renderer, args=(options, self._bells[slot][1], theirs), name=f"petrichor-{name}", daemon=True
        )
        process.start()
        theirs.close()  # so that the renderer's end shows as end of file
        return Renderer(name, path, slot, process, ours, reply)

    def _loaded(self, voice: HostedVoice, renderer: Renderer, loaded: Loaded) -> None:
        renderer.loaded = loaded
        if voice.state is None:
            voice.state = VoiceState(voice.name, loaded.latent_size, loaded.truncation, self._options.seed)
        renderer.state = voice.state.fitted(loaded.latent_size)
        self.update(voice)
        self._bells[renderer.slot][0].ring()

    def _ready(self, voice: HostedVoice, renderer: Renderer) -> None:
        assert renderer.state is not None and renderer.loaded is not None, "Ready comes after Loaded"
        voice.state = renderer.state
        old, voice.playing, voice.incoming, voice.path = voice.playing, renderer, None, renderer.path
        renderer.attached = True
        renderer.strip = voice.state.strip
        renderer.since = time.monotonic()
        self._order(Attach(renderer.slot, renderer.strip, FADE))
        if old is not None:
            self._fade_out(old)
        loaded = renderer.loaded
        log.info("%s: %s is heard (%s, version %s)", voice.name, renderer.path.name, loaded.kind, loaded.version)
        self._announce(f"/{voice.name}/loaded", voice.name, loaded.version, loaded.latent_size, loaded.sample_rate)
        if renderer.reply is not None:
            renderer.reply("")

    def _failed(self, voice: HostedVoice, path: Path, reason: str, reply: Reply) -> None:
        log.error("%s: %s cannot be played: %s", voice.name, path.name, reason)
        text = f"{path.name}: {reason}"
        self._announce("/fail", f"/{voice.name}/load", text)
        if reply is not None:
            reply(text)

    def _ended(self, voice: HostedVoice, renderer: Renderer) -> None:
        """A renderer process is gone: as asked, or by accident."""
        self._reap(renderer)
        if renderer is voice.incoming:
            voice.incoming = None
            self._failed(voice, renderer.path, "its renderer died while loading", renderer.reply)
            self._retry_if_dead(voice)
        elif renderer is voice.playing and not renderer.ending:
            renderer.ending = True
            if time.monotonic() - renderer.since > CALM:
                voice.deaths = 0
            log.error("%s: its renderer died; the mix goes on from its recent sound", voice.name)
            self._announce("/fail", f"/{voice.name}", "its renderer died and is being replaced")
            if voice.incoming is None:
                self._plan_restart(voice)

    def _retry_if_dead(self, voice: HostedVoice) -> None:
        """A load failed: where what sounds is only the concealment of a dead renderer, try again later."""
        if voice.playing is not None and voice.playing not in self._renderers:
            self._plan_restart(voice)

    def _plan_restart(self, voice: HostedVoice) -> None:
        delay = 0.0 if voice.deaths == 0 else min(BACKOFF * 2 ** (voice.deaths - 1), LONGEST_BACKOFF)
        voice.deaths += 1
        voice.restart_at = time.monotonic() + delay

    def _fade_out(self, renderer: Renderer) -> None:
        renderer.ending = True
        self._order(Detach(renderer.slot, FADE))

    def _end(self, renderer: Renderer, reason: str) -> None:
        renderer.ending = True
        if renderer.reply is not None:
            renderer.reply(f"{renderer.path.name}: {reason}")
            renderer.reply = None
        self._stop(renderer)

    def _stop(self, renderer: Renderer) -> None:
        self._slots[renderer.slot].stop()
        self._bells[renderer.slot][0].ring()

    def _reap(self, renderer: Renderer) -> None:
        renderer.process.join()
        renderer.report.close()
        self._renderers.remove(renderer)
        if not renderer.attached:  # else the mixer still conceals it: freed when it is detached
            self._free.append(renderer.slot)
