"""The renderer process: one voice file, from its network to its ring.

Start-up: read and check the file, report what it is, wait for the first controls, warm up, fill the ring, report
ready. Then: whenever the audio process has taken sound, read the latest controls and write the next block, keeping
only `ahead` frames at most so that a control is heard at once. It knows of no other voice and of no output.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from petrichor.bell import Bell
from petrichor.controls import Controls, controls_of
from petrichor.cues import Part
from petrichor.engine import Engine, open_engine
from petrichor.errors import VoiceFileError
from petrichor.limiter import LOOKAHEAD
from petrichor.priority import RENDERER, use_realtime_priority
from petrichor.processes import SWITCH_INTERVAL, name_process
from petrichor.ring import FRAMES
from petrichor.segment import Segment
from petrichor.slots import Slot
from petrichor.spool import copy_voice
from petrichor.voice_file import read_voice
from petrichor.voice_info import brief

log = logging.getLogger(__name__)
LEAST = 64  # frames that are kept ready at the least
LARGEST_QUANTUM = FRAMES // 4  # what the mixer conceals with has to stay in the ring
PATIENCE = 0.25  # seconds without a bell after which the renderer looks whether its server is still there


@dataclass(frozen=True)
class RendererOptions:
    """What a renderer needs to start.

    Attributes:
        voice: The voice's name.
        path: The voice file.
        copy: Where a copy of it goes, to come back from.
        segment: Name of the shared memory segment.
        slot: Its slot there.
        rate: The server's sample rate in Hz.
        ahead: Frames kept ready at most, those in the limiter included.
        realtime: Whether the block loop wants real-time priority.
    """

    voice: str
    path: Path
    copy: Path
    segment: str
    slot: int
    rate: int
    ahead: int
    realtime: bool = False


@dataclass(frozen=True)
class Loaded:
    """Report: the file is sound. The renderer now waits for its first controls.

    Attributes:
        kind: "clip" or "stream".
        latent_size: Coordinates of the latent vector.
        truncation: Default truncation.
        sample_rate: Hz, of the voice.
        version: See `petrichor.voice_file.Voice`.
        source: The file it was read from: the copy, or the voice file itself.
        directions: Names of its directions.
    """

    kind: str
    latent_size: int
    truncation: float
    sample_rate: int
    version: str
    source: Path
    directions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ready:
    """Report: warm and filled; may be heard."""


@dataclass(frozen=True)
class Failed:
    """Report: the voice cannot be played."""

    reason: str


def run_renderer(options: RendererOptions, bell: Bell, audio: Bell, report: Connection) -> None:
    """Be a renderer until asked to stop or the server is gone.

    Args:
        options: What to render, and where to.
        bell: Heard when the audio process has taken sound, or the control process has something to say.
        audio: Rung when there is more sound and the audio process waits for it.
        report: Where `Loaded`, then `Ready`, or `Failed` are sent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    name_process(options.voice)
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        engine = _open(options, report)
    except VoiceFileError as error:
        report.send(Failed(brief(error.reason)))
        return
    except Exception as error:
        log.exception("renderer of %s", options.path)
        report.send(Failed(brief(f"{type(error).__name__}: {error}")))
        return
    with Segment(options.segment) as segment:
        try:
            Renderer(engine, segment[options.slot], options, bell, audio, report).run()
        finally:
            engine.close()


def _open(options: RendererOptions, report: Connection) -> Engine:
    source = copy_voice(options.path, options.copy)
    voice = read_voice(source)
    engine = open_engine(voice, options.rate, background=True)
    if engine.quantum > LARGEST_QUANTUM:
        engine.close()
        got = f"one hop is {engine.quantum} frames at {options.rate} Hz"
        raise VoiceFileError(options.path, f"{got}, expected at most {LARGEST_QUANTUM}")
    info = voice.info
    what = (info.kind, info.latent_size, info.truncation, info.sample_rate, voice.version, source, info.directions)
    report.send(Loaded(*what))
    return engine


class Renderer:
    """The block loop.

    Args:
        engine: Makes the sound.
        slot: Controls and cues in, sound out.
        options: How much to keep ready, and whether at real-time priority.
        bell: See `run_renderer`.
        audio: See `run_renderer`.
        report: See `run_renderer`.
    """

    def __init__(
        self, engine: Engine, slot: Slot, options: RendererOptions, bell: Bell, audio: Bell, report: Connection
    ) -> None:
        """Keep the parties."""
        self._engine = engine
        self._slot = slot
        self._options = options
        self._bell = bell
        self._audio = audio
        self._report = report
        self._server = multiprocessing.parent_process()
        self._sequence = 0
        self._cleared = -1
        self._part: Part | None = None
        self._controls: Controls | None = None
        # Never more than `ahead`, unless one quantum is more, and never less than half of it. What lies between is made
        # at one go: where a long `ahead` allows it, many voices need fewer wake-ups.
        self._ahead = max(LEAST, options.ahead - LOOKAHEAD)  # the limiter holds the rest
        slot.low = max(LEAST, self._ahead // 2)  # no less than the mix takes at once, or neither would wake the other

    def run(self) -> None:
        """Wait for the first controls, fill the ring, then keep it filled."""
        slot, options = self._slot, self._options
        while self._part is None:
            if not self._wanted:
                return
            self._bell.wait(PATIENCE)
            self._read()
        self._write(self._ahead)
        gc.collect()
        gc.freeze()
        self._report.send(Ready())
        if options.realtime:  # only now: loading at that priority would hold up the sound of others
            use_realtime_priority(RENDERER)  # the audio process says so where it is refused
        while not slot.stopping:
            wrote = slot.ring.fill < slot.low
            if wrote:
                self._refill()
            heard = self._bell.wait(PATIENCE)
            slot.beat()
            if not wrote and (self._bell.gone or not heard) and not self._wanted:
                return  # the server is gone: end, so that nothing is left behind

    def _refill(self) -> None:
        slot, quantum = self._slot, self._engine.quantum
        while not slot.stopping:
            before = slot.ring.fill
            room = (self._ahead - before) // quantum
            if before >= slot.low and room < 1:
                return
            # All at once, but one hop where the mix waits for it: between hops lie 30 us of looking around.
            self._write(quantum * (1 if before < slot.awaited else max(1, room)))
            slot.beat()  # a slow network is not one that hangs
            if 0 < slot.awaited <= slot.ring.fill:  # also of what was written before it was asked for
                self._audio.ring()

    @property
    def _wanted(self) -> bool:
        """Whether there is somebody to render for."""
        return not self._slot.stopping and (self._server is None or self._server.is_alive())

    def _read(self) -> None:
        """Take in what the control process says."""
        slot = self._slot
        self._sequence, fields, included = slot.read_controls(self._sequence)
        if fields is not None:
            if self._part is None:
                self._part = Part(fields)
            self._part.adopt(fields, included)
        if self._part is None:
            return
        changed = fields is not None
        if slot.cues.waiting:
            self._part.add(slot.cues.take())
            changed = True
        if slot.cleared > self._cleared:
            self._cleared = slot.cleared
            self._part.clear(self._cleared)
            changed = True
        if changed:
            self._controls = controls_of(self._part.fields)
            coming = self._part.next_fields
            if coming is not None:
                self._engine.expect(controls_of(coming))

    def _write(self, frames: int) -> None:
        """Render the next frames into the ring, every cue at its sample."""
        self._read()
        assert self._part is not None and self._controls is not None, "there since the start"
        ring = self._slot.ring
        while frames > 0:
            count = frames
            if ring.offset is not None:
                position = ring.written + ring.offset
                if self._part.reach(position):
                    self._controls = controls_of(self._part.fields)
                count = int(min(frames, self._part.next_position - position))
            ring.write(self._engine.render(self._controls, count))
            frames -= count
        self._slot.late = self._engine.late
