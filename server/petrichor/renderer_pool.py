"""Renderer processes and their slots: started, ended, reaped. What happens when one ends is the supervisor's affair.

Owned by the control process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from petrichor.bell import Bell
from petrichor.errors import PetrichorError
from petrichor.hosted_voice import HostedVoice, Renderer, Reply
from petrichor.processes import start_process
from petrichor.renderer import RendererOptions, run_renderer
from petrichor.segment import Segment
from petrichor.slots import SLOTS
from petrichor.spool import Spool

SPARE = 4  # slots that are left alone for a while after their use, before any is used again


@dataclass(frozen=True)
class PoolOptions:
    """What renderers are started with.

    Attributes:
        rate: Hz.
        ahead: Frames each renderer keeps ready.
        realtime: Whether renderers want real-time priority.
    """

    rate: int
    ahead: int
    realtime: bool = False


class RendererPool:
    """All renderer processes.

    Args:
        options: See `PoolOptions`.
        segment: The shared memory.
        bells: For each slot the end that is rung and the renderer's end.
        audio: Bell that wakes the audio process.
        context: How processes are started.
        spool: Where copies of the files that play go.

    Attributes:
        renderers: Those whose process has not been reaped.
    """

    def __init__(
        self,
        options: PoolOptions,
        segment: Segment,
        bells: list[tuple[Bell, Bell]],
        audio: Bell,
        context: BaseContext,
        spool: Spool,
    ) -> None:
        """Start with no process."""
        self.renderers: list[Renderer] = []
        self._options = options
        self._segment = segment
        self._bells = bells
        self._audio = audio
        self._context = context
        self._spool = spool
        self._unused = list(range(SLOTS))
        self._free: list[int] = []  # used before; the one longest out of use first
        self._started = 0

    def start(self, voice: HostedVoice, path: Path, source: Path, reply: Reply = None) -> Renderer:
        """Start a renderer.

        Args:
            voice: Its voice.
            path: The voice file.
            source: What to read: `path`, or a copy of it in the spool.
            reply: Told when it is heard, or why it is not.

        Raises:
            PetrichorError: No slot is free, or no process can be started.
        """
        slot = self._take_slot()
        self._segment[slot].clear()
        self._started += 1
        copy = self._spool.path / f"{voice.name}-{self._started}{path.suffix}"
        try:
            process, report = self._process(voice.name, source, slot, copy)
        except (OSError, EOFError) as error:  # no memory, no file descriptor or no process to be had
            self._free.append(slot)
            raise PetrichorError(f"no renderer could be started ({error})") from error
        renderer = Renderer(voice, path, source, copy, slot, process, report, reply)
        self.renderers.append(renderer)
        return renderer

    def ring(self, renderer: Renderer) -> None:
        """Wake a renderer."""
        self._bells[renderer.slot][0].ring()

    def stop(self, renderer: Renderer) -> None:
        """Ask a renderer to end."""
        self._segment[renderer.slot].stop()
        if renderer.stopped is None:
            renderer.stopped = time.monotonic()
        self.ring(renderer)

    def reap(self, renderer: Renderer) -> None:
        """Let go of a renderer whose process has ended; its slot is kept while the mixer knows it."""
        renderer.process.join()
        renderer.report.close()
        self.renderers.remove(renderer)
        if not renderer.attached:
            self._free.append(renderer.slot)

    def release(self, slot: int) -> None:
        """Take back a slot that the mixer has let go of."""
        for renderer in self.renderers:
            if renderer.slot == slot:
                renderer.attached = False
                self.stop(renderer)
                return
        if slot not in self._free and slot not in self._unused:
            self._free.append(slot)

    def drop_copies(self, voices: list[HostedVoice]) -> None:
        """Remove the copies that nobody plays or would have to come back from."""
        used = [*self.renderers, *(voice.playing for voice in voices if voice.playing is not None)]
        self._spool.keep({each.source for each in used} | {each.copy for each in used})

    def close(self) -> None:
        """End every renderer and wait for it."""
        for renderer in self.renderers:
            self.stop(renderer)
        for renderer in self.renderers:
            renderer.process.join(1.0)
            if renderer.process.is_alive():
                renderer.process.kill()
                renderer.process.join()
            renderer.process.close()
            renderer.report.close()
        self.renderers.clear()

    def _take_slot(self) -> int:
        """Return a slot: one long out of use, but rather that than one whose memory was never touched."""
        if not self._unused and not self._free:
            raise PetrichorError(f"all {SLOTS} renderer slots are in use")
        return self._free.pop(0) if len(self._free) > SPARE or not self._unused else self._unused.pop(0)

    def _process(self, name: str, source: Path, slot: int, copy: Path) -> tuple[BaseProcess, Connection]:
        own = self._options
        options = RendererOptions(name, source, copy, self._segment.name, slot, own.rate, own.ahead, own.realtime)
        return start_process(self._context, name, run_renderer, options, self._bells[slot][1], self._audio)
