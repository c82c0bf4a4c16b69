"""What every engine is: controls in, endless sound out. Used by renderer processes and by `petrichor render`."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from petrichor.controls import Controls
from petrichor.voice_file import Voice


class Engine(Protocol):
    """Endless sound of one voice. One thread calls `render`, block after block.

    Attributes:
        quantum: Frames that it makes at once, at the engine's rate: the best size of a block.
    """

    quantum: int

    @property
    def late(self) -> int:
        """Frames by which beginnings that it was told to `expect` were too late, all together."""
        ...

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """Make the next block.

        The first call may take the time that the first sound needs; with a background engine no later call waits.

        Args:
            controls: What the sound should be now; changes glide.
            frames: Frames to make, at the engine's rate. Blocks of any sizes join to the same samples.

        Returns:
            float32, finite, within ±1. Shape [frames, 2]
        """
        ...

    def expect(self, controls: Controls) -> None:
        """Prepare for controls that are to come soon, so that a new beginning is ready at its sample."""
        ...

    def close(self) -> None:
        """End the engine's thread, if it has one. May be called twice."""
        ...


def open_engine(voice: Voice, rate: int, background: bool) -> Engine:
    """Open and verify the network of `voice`, and return the engine for its kind.

    Args:
        voice: A voice that was read.
        rate: Hz, of the sound that the engine makes.
        background: Clip voices: make clips ahead on a thread, so that `render` never waits. Without it everything
            happens inside `render`, and the same controls always give the same samples.

    Raises:
        VoiceFileError: The network is not what the voice file says, or does not work.
    """
    if voice.info.kind == "stream":
        from petrichor.stream_engine import StreamEngine  # noqa: PLC0415 (each kind loads only what it needs)

        return StreamEngine(voice, rate)
    from petrichor.clip_engine import ClipEngine  # noqa: PLC0415

    return ClipEngine(voice, rate, background)
