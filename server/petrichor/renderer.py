"""The renderer process: one voice file, from its network to its ring.

Start-up: read and check the file, report what it is, wait for the first controls, warm up, fill the ring, report
ready. Then: whenever the audio process has taken sound, read the latest controls and write the next blocks,
keeping only `ahead` frames so that a control is heard at once. It knows of no other voice and of no output.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from petrichor.bell import Bell
from petrichor.controls import Controls
from petrichor.engine import Engine, open_engine
from petrichor.errors import VoiceFileError
from petrichor.priority import use_realtime_priority
from petrichor.slots import SharedSlots, Slot
from petrichor.voice_file import read_voice

log = logging.getLogger(__name__)
BLOCK = 64  # frames between two looks at the controls: 1.3 ms at 48 kHz
PATIENCE = 0.5  # seconds without a bell after which the renderer looks whether its server is still there


@dataclass(frozen=True)
class RendererOptions:
    """What a renderer needs to start.

    Attributes:
        path: The voice file.
        segment: Name of the shared memory segment.
        slot: Its slot there.
        rate: The server's sample rate in Hz.
        ahead: Frames kept ready in the ring.
        realtime: Whether the block loop wants real-time priority.
    """

    path: Path
    segment: str
    slot: int
    rate: int
    ahead: int
    realtime: bool = False


@dataclass(frozen=True)
class Loaded:
    """Report: the file is sound. The renderer now waits for its first controls."""

    kind: str
    latent_size: int
    truncation: float
    sample_rate: int
    version: str


@dataclass(frozen=True)
class Ready:
    """Report: warm and filled; may be heard."""


@dataclass(frozen=True)
class Failed:
    """Report: the voice cannot be played."""

    reason: str


def run_renderer(options: RendererOptions, bell: Bell, report: Connection) -> None:
    """Be a renderer until asked to stop or the server is gone.

    Args:
        options: What to render, and where to.
        bell: Rung by the audio process when it has taken sound; rung back when there is more.
        report: Where `Loaded`, then `Ready`, or `Failed` are sent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if options.realtime:
        use_realtime_priority()  # the audio process says so where it is refused
    try:
        engine = _open(options, report)
    except VoiceFileError as error:
        report.send(Failed(error.reason))
        return
    except Exception as error:
        log.exception("renderer of %s", options.path)
        report.send(Failed(f"{type(error).__name__}: {error}"))
        return
    with SharedSlots(options.segment) as slots:
        slot = slots[options.slot]
        try:
            _play(engine, slot, options, bell, report)
        finally:
            engine.close()
            del slot


def _open(options: RendererOptions, report: Connection) -> Engine:
    voice = read_voice(options.path)
    engine = open_engine(voice, options.rate, background=True)
    info = voice.info
    report.send(Loaded(info.kind, info.latent_size, info.truncation, info.sample_rate, voice.version))
    return engine


def _play(engine: Engine, slot: Slot, options: RendererOptions, bell: Bell, report: Connection) -> None:
    server = os.getppid()
    sequence, controls = _first_controls(slot, bell, server)
    if controls is None:
        return
    slot.ring.write(engine.render(controls, options.ahead))
    gc.collect()
    gc.freeze()
    report.send(Ready())
    while not slot.stopping:
        wrote = False
        while slot.ring.fill < options.ahead and not slot.stopping:
            sequence, newer = slot.read_controls(sequence)
            controls = newer or controls
            slot.ring.write(engine.render(controls, min(BLOCK, options.ahead)))
            wrote = True
        if wrote:
            bell.ring()
        bell.wait(PATIENCE)  # a bell whose other end is gone "rings" for ever, so:
        if not wrote and os.getppid() != server:
            return  # the server is gone: end, so that nothing is left behind


def _first_controls(slot: Slot, bell: Bell, server: int) -> tuple[int, Controls | None]:
    while not slot.stopping and os.getppid() == server:
        sequence, controls = slot.read_controls()
        if controls is not None:
            return sequence, controls
        bell.wait(0.01)
    return 0, None
