"""An endless sound from separate clips: layers of overlapping clips, more of them as intensity grows.

`ClipEngine.render` belongs to the block loop of one renderer process. With `background=True` the thread "clips"
makes clips ahead; where it is late, recent clips go on sounding. Without it, clips are made when they are needed and
the same controls always give the same samples, whatever the block sizes.
"""

from __future__ import annotations

import numpy as np

from petrichor.clip_layer import QUANTUM
from petrichor.clip_take import ClipTake
from petrichor.clip_worker import ClipWorker
from petrichor.clips import ClipMaker, ClipOrder
from petrichor.controls import Controls
from petrichor.takes import Takes
from petrichor.voice_file import Voice


class ClipEngine:
    """Engine of `clip` voices."""

    def __init__(self, voice: Voice, rate: int, background: bool) -> None:
        """Open the voice; the thread starts with the first block.

        Raises:
            VoiceFileError: The network is not what the voice file says, or does not work.
        """
        self.quantum = QUANTUM
        self._maker = ClipMaker(voice, rate)
        self._rate = rate
        self._background = background
        self._worker: ClipWorker | None = None
        self._posted: tuple[ClipOrder, ...] = ()
        self._takes = Takes(self._begin, lambda now: (now.draw, now.seed), rate)

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Engine.render`."""
        self._receive()
        sound = self._takes.render(controls, frames)
        self._order()
        return sound

    @property
    def late(self) -> int:
        """See `Engine.late`: clips that are not made in time."""
        return self._takes.late

    def expect(self, controls: Controls) -> None:
        """See `Engine.expect`: the first clips are made ahead."""
        if self._worker is not None:
            self._takes.expect(controls)
            self._order()

    def close(self) -> None:
        """See `Engine.close`."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _begin(self, controls: Controls) -> ClipTake:
        """Begin a take. The very first has its clips made here; later ones wait for the thread."""
        take = ClipTake(self._maker, self._rate, controls, self._background, self._takes.held(controls))
        if self._background and self._worker is None:
            for order in take.orders():
                take.offer(self._maker.make(order))
            self._worker = ClipWorker(self._maker)
        return take

    def _receive(self) -> None:
        while self._worker is not None and (clip := self._worker.take()) is not None:
            for take in self._takes.all:
                if isinstance(take, ClipTake) and take.offer(clip):
                    break

    def _order(self) -> None:
        """Tell the thread what is wanted: what a take that is to come needs first."""
        if self._worker is None:
            return
        wanted = tuple(order for take in self._takes.all if isinstance(take, ClipTake) for order in take.orders())
        if wanted != self._posted:
            self._posted = wanted
            self._worker.post(wanted)
