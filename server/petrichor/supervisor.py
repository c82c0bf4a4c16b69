"""The voices' renderers: started, exchanged, replaced when they die, ended. Owned by the control process.

A voice has at most one renderer that sounds and one that is coming in. A reload starts the second beside the first;
only when it is verified, warm and filled do the two crossfade. One that fails is reported and the first plays on. One
that dies or hangs is replaced, from the copy of its file that was heard; meanwhile the mixer conceals it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from petrichor.controls import VoiceState
from petrichor.dispatch import Dispatch
from petrichor.errors import MessageError, PetrichorError
from petrichor.hosted_voice import HostedVoice, Renderer, Reply
from petrichor.orders import Detach
from petrichor.plan import Plan, fitted
from petrichor.preset_file import Values
from petrichor.processes import backoff
from petrichor.renderer import Failed, Loaded, Ready
from petrichor.renderer_pool import RendererPool
from petrichor.segment import Segment
from petrichor.slots import SLOTS

log = logging.getLogger(__name__)
FADE = 0.05  # seconds of the crossfade of a reload
UNLOAD_FADE = 0.5  # seconds in which an unloaded voice fades out
BACKOFF = 0.25  # seconds before a second restart in a row; doubles up to the longest
LONGEST_BACKOFF = 10.0
CALM = 5.0  # seconds of playing, by however many files, after which a voice's earlier deaths are forgotten
HANG = 1.0  # seconds without a sign of life (it gives four in each), after which a renderer that plays is killed
STUBBORN = 3.0  # seconds that a renderer may take to end when asked, before it is killed
MOST = 256  # voices by name, also those that could not be loaded
LOADING = 20.0  # seconds that a voice may take to load, …
LOADING_SPEED = 10e6  # … and one more for every so many bytes of its file
SLOW_LOOK = 5.0  # seconds between two looks at whether a renderer keeps up
SLOW_SHARE = 0.1  # of the sound concealed, from which it does not


class Supervisor:
    """All voices.

    Args:
        pool: The renderer processes.
        dispatch: Tells voices what messages say.
        voices: The voices by name, empty; `dispatch` knows the same table.
        segment: The shared memory.
        rate: Hz.
        seed: Seed of the first latent vectors.
        order: Sends an order to the audio process.
        announce: Tells notified clients: (address, *args).
        begin: What is set of a voice when it is loaded for the first time, by its name.

    Attributes:
        voices: The voices by name.
        restarts: Renderers that have died or hung, so far.
    """

    def __init__(
        self,
        pool: RendererPool,
        dispatch: Dispatch,
        voices: dict[str, HostedVoice],
        segment: Segment,
        rate: int,
        seed: int,
        order: Callable[[object], None],
        announce: Callable[..., None],
        begin: Mapping[str, Values] | None = None,
    ) -> None:
        """Start with no voice."""
        self._begin = begin or {}
        self.voices = voices
        self.restarts = 0
        self._pool = pool
        self._dispatch = dispatch
        self._segment = segment
        self._rate, self._seed = rate, seed
        self._order = order
        self._announce = announce
        self._looked = 0.0

    @property
    def busy(self) -> bool:
        """Whether a voice is being loaded."""
        return any(voice.incoming for voice in self.voices.values())

    @property
    def sources(self) -> list[Connection]:
        """What to wait for: each renderer's reports; its end shows there too, as end of file."""
        return [renderer.report for renderer in self._pool.renderers]

    @property
    def next_restart(self) -> float | None:
        """Steady clock at the next restart that waits, or None."""
        return min((v.restart_at for v in self.voices.values() if v.restart_at is not None), default=None)

    def load(self, name: str, path: Path, reply: Reply = None, values: Values | None = None) -> None:
        """Start loading a voice file under a name, beside what plays there now.

        Args:
            name: The voice's name in OSC addresses.
            path: The file.
            reply: Told when it is heard, or why it is not.
            values: What it begins with, where it is new under that name or its network has another latent size.
        """
        if name not in self.voices and len(self.voices) >= MOST:
            reason = f"there are {len(self.voices)} voices already; /V/unload some"
            self._failed(HostedVoice(name, path), path, reason, reply)
            return
        voice = self.voices.setdefault(name, HostedVoice(name, path))
        self._start(voice, path, path, reply, values)

    def unload(self, name: str) -> None:
        """Fade a voice out and forget it."""
        voice = self.voices.pop(name)
        if voice.incoming is not None:
            self._end(voice.incoming, "the voice was unloaded")
        if voice.playing is not None:
            voice.playing.ending = True
            self._order(Detach(voice.playing.slot, UNLOAD_FADE))
        voice.incoming = voice.restart_at = None
        log.info("%s: unloaded", name)
        self._announce(f"/{name}/unloaded", name)

    def attend(self, report: Connection) -> None:
        """Take one report of a renderer, or its end."""
        renderer = next((each for each in self._pool.renderers if each.report is report), None)
        if renderer is None:
            return
        voice = renderer.voice
        try:
            message = report.recv()
        except (EOFError, OSError):
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
        self._pool.release(slot)

    def look_after(self, now: float) -> None:
        """Kill what hangs, tell of what is too slow, and start again what died and whose time has come."""
        slept, self._looked = now - self._looked > HANG / 2, now
        for renderer in self._pool.renderers:
            voice = renderer.voice
            if slept:  # this process was stopped itself, and so perhaps were they
                renderer.since = now
            if renderer.stopped is not None:
                if now - renderer.stopped > STUBBORN:
                    self._kill(renderer, "its renderer did not end when asked")
            elif renderer is voice.playing and not renderer.ending:
                if now - max(self._segment[renderer.slot].last_beat, renderer.since) > HANG:
                    self._kill(renderer, f"its renderer gave no sign of life for {HANG:g} s")
                self._check_speed(voice, renderer, now)
                self._tell_late(voice, renderer)
            elif renderer is voice.incoming and now - renderer.since > _patience(renderer.source):
                self._kill(renderer, f"was not ready after {now - renderer.since:.0f} s")
        for voice in list(self.voices.values()):
            if voice.restart_at is not None and voice.restart_at <= now:
                # From the copy of what was heard: the file may have changed since, and be broken.
                copy = voice.playing.source if voice.playing is not None else voice.path
                self._start(voice, voice.path, copy if copy.is_file() else voice.path)

    def attach_all(self) -> None:
        """Bring every voice into a mixer that has just begun; what the one before was fading out is let go."""
        self._dispatch.place_master()
        playing = [voice.playing for voice in self.voices.values() if voice.playing is not None]
        for renderer in playing:
            self._dispatch.attach(renderer, FADE)
        for slot in range(SLOTS):
            if all(renderer.slot != slot for renderer in [*playing, *self._incoming]):
                self._pool.release(slot)

    @property
    def _incoming(self) -> list[Renderer]:
        return [voice.incoming for voice in self.voices.values() if voice.incoming is not None]

    def _start(
        self, voice: HostedVoice, path: Path, source: Path, reply: Reply = None, values: Values | None = None
    ) -> None:
        if (old := voice.incoming) is not None:  # a newer file overtakes one still loading
            if old.path == path and reply is None:  # it has changed meanwhile: who asked for it gets the newer one
                reply, values, old.reply = old.reply, old.values, None
            self._end(old, "a newer file took its place")
        voice.incoming = voice.restart_at = None
        try:
            voice.incoming = self._pool.start(voice, path, source, reply)
            voice.incoming.values = values or {}
        except PetrichorError as error:
            self._failed(voice, path, str(error), reply)
            self._retry_if_dead(voice)

    def _loaded(self, voice: HostedVoice, renderer: Renderer, loaded: Loaded) -> None:
        renderer.loaded, renderer.source = loaded, loaded.source
        if voice.plan is None:
            state = VoiceState(voice.name, loaded.latent_size, loaded.truncation, self._seed, loaded.directions)
            _begin(state, {**self._begin.get(voice.name, {}), **renderer.values})
            voice.plan = Plan(state)
        renderer.plan = fitted(voice.plan, loaded.latent_size, loaded.directions)
        if renderer.plan is not voice.plan:
            _begin(renderer.plan.state, renderer.values)
        self._dispatch.introduce(renderer)
        self._pool.ring(renderer)

    def _ready(self, voice: HostedVoice, renderer: Renderer) -> None:
        assert renderer.plan is not None and renderer.loaded is not None, "Ready comes after Loaded"
        voice.plan = renderer.plan
        old, voice.playing, voice.incoming, voice.path = voice.playing, renderer, None, renderer.path
        renderer.attached = True
        renderer.since = time.monotonic()
        if old is None or old not in self._pool.renderers:
            voice.since = renderer.since
        renderer.slow = (0, renderer.since)
        self._dispatch.attach(renderer, FADE, None if old is None else old.slot)
        if old is not None:
            old.ending = True
            self._order(Detach(old.slot, FADE))
        loaded = renderer.loaded
        log.info("%s: %s is heard (%s, version %s)", voice.name, renderer.path.name, loaded.kind, loaded.version)
        self._announce(f"/{voice.name}/loaded", voice.name, loaded.version, loaded.latent_size, loaded.sample_rate)
        if renderer.reply is not None:
            renderer.reply("")

    def _failed(self, voice: HostedVoice, path: Path, reason: str, reply: Reply) -> None:
        log.error("%s: %s cannot be played: %s", voice.name, path.name, reason)
        text = f"{path.name}: {reason}"
        self._announce(f"/{voice.name}/failed", voice.name, text)
        if reply is not None:
            reply(text)

    def _ended(self, voice: HostedVoice, renderer: Renderer) -> None:
        """A renderer process is gone: as asked, or by accident."""
        self._pool.reap(renderer)
        self._dispatch.forget(renderer)
        self._pool.drop_copies(list(self.voices.values()))
        reason = renderer.fault or "its renderer died"
        if renderer is voice.incoming:
            voice.incoming = None
            self._failed(voice, renderer.path, renderer.fault or "its renderer died while loading", renderer.reply)
            self._retry_if_dead(voice)
        elif renderer is voice.playing and not renderer.ending:
            renderer.ending = True
            self.restarts += 1
            if time.monotonic() - voice.since > CALM:
                voice.deaths = 0
            delay = 0.0 if voice.incoming is not None else self._plan_restart(voice)
            again = f", for the {voice.deaths}. time in a row; replaced in {delay:g} s" if voice.deaths > 1 else ""
            log.error("%s: %s%s; the mix goes on from its recent sound", voice.name, reason, again)
            self._announce("/fail", f"/{voice.name}", f"{reason}{again or ' and is being replaced'}")

    def _kill(self, renderer: Renderer, reason: str) -> None:
        if not renderer.fault:  # its end shows as the end of its reports
            renderer.fault = reason
            renderer.process.kill()

    def _check_speed(self, voice: HostedVoice, renderer: Renderer, now: float) -> None:
        concealed, then = renderer.slow
        if now - then < SLOW_LOOK:
            return
        late = self._segment[renderer.slot].concealed
        share = (late - concealed) / self._rate / (now - then)
        renderer.slow = (late, now)
        if share > SLOW_SHARE:
            reason = f"cannot keep up: {100 * share:.0f} % of its sound is filled in from its recent past"
            log.error("%s: %s", voice.name, reason)
            self._announce("/fail", f"/{voice.name}", reason)

    def _tell_late(self, voice: HostedVoice, renderer: Renderer) -> None:
        """Tell of sound that was to begin at its sample and was not made yet."""
        late = self._segment[renderer.slot].late
        if late > renderer.late:
            self._announce("/late", f"/{voice.name}", 1000.0 * (late - renderer.late) / self._rate)
            renderer.late = late

    def _retry_if_dead(self, voice: HostedVoice) -> None:
        """A load failed: where what sounds is only the concealment of a dead renderer, try again later."""
        if voice.playing is not None and voice.playing not in self._pool.renderers:
            self._plan_restart(voice)

    def _plan_restart(self, voice: HostedVoice) -> float:
        delay = backoff(voice.deaths, BACKOFF, LONGEST_BACKOFF)
        voice.deaths += 1
        voice.restart_at = time.monotonic() + delay
        return delay

    def _end(self, renderer: Renderer, reason: str) -> None:
        renderer.ending = True
        if renderer.reply is not None:
            renderer.reply(f"{renderer.path.name}: {reason}")
            renderer.reply = None
        self._pool.stop(renderer)


def _patience(path: Path) -> float:
    """Return how many seconds a voice file may take to load."""
    try:
        return LOADING + path.stat().st_size / LOADING_SPEED
    except OSError:
        return LOADING


def _begin(state: VoiceState, values: Values) -> None:
    for parameter, args in values.items():
        try:
            state.apply(parameter, args)
        except MessageError as error:  # its file was exchanged since the live set was checked
            log.warning("/%s/%s: %s", state.name, parameter, error.reason)
