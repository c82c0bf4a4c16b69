"""Takes: an endless sound with a beginning. A new seed begins a new take, and the old one fades under it.

So the same seed gives the same samples whatever was heard before, once the fade is over, live as well as offline.
Called by the block loop of one renderer process, or by `petrichor render`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from petrichor.controls import Controls
from petrichor.glide import Fade

FADE = 0.020  # seconds of the crossfade to a new take; one that is due sooner waits until it is over


class Take(Protocol):
    """Endless sound from a beginning."""

    @property
    def ready(self) -> bool:
        """Whether its first sound is made; before that it is not started."""

    @property
    def latent(self) -> np.ndarray:
        """Where the latent vector is. Shape [latent_size]"""

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """Make the next block. Shape [frames, 2], float32"""


@dataclass
class _Cast:
    """A take with what it is played by."""

    take: Take
    controls: Controls
    key: object
    wanted: bool = False  # its controls have come, so that it starts as soon as it can


class Takes:
    """The take that plays, the one that leaves, and the one that is to come.

    Args:
        begin: Makes a take that starts with the given controls.
        key: Says which take controls belong to: another key begins another take.
        rate: Hz.

    Attributes:
        late: Frames by which takes that were expected began too late, all together.
    """

    def __init__(self, begin: Callable[[Controls], Take], key: Callable[[Controls], object], rate: int) -> None:
        """Start with nothing."""
        self.late = 0
        self._expected: object = None
        self._begin, self._key = begin, key
        self._fade_frames = round(FADE * rate)
        self._playing: _Cast | None = None
        self._leaving: _Cast | None = None
        self._coming: _Cast | None = None
        self._rise, self._fall = Fade(1.0), Fade(0.0)
        self._left = 0  # frames of the crossfade

    @property
    def all(self) -> list[Take]:
        """Every take there is, the one that is to come first."""
        return [cast.take for cast in (self._coming, self._playing, self._leaving) if cast is not None]

    def held(self, controls: Controls) -> np.ndarray | None:
        """Return where a take that begins with such controls is held, if they do: where the newest wanted one is."""
        newest = self._coming if self._coming is not None and self._coming.wanted else self._playing
        return newest.take.latent if controls.freeze and newest is not None else None

    def expect(self, controls: Controls) -> None:
        """Prepare the take that such controls will begin, unless another is due before."""
        key = self._expected = self._key(controls)
        free = self._coming is None or not (self._coming.wanted or self._coming.key == key)
        if free and self._playing is not None and key != self._playing.key:
            self._coming = _Cast(self._begin(controls), controls, key)

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """Make the next block; see `petrichor.engine.Engine.render`."""
        pieces: list[np.ndarray] = []
        while frames > 0:
            playing = self._attend(controls)
            count = min(frames, self._left) if self._left else frames
            if self._waits(self._key(controls), playing):
                self.late += count
            sound = playing.take.render(playing.controls, count)
            pieces.append(self._crossfaded(sound, count) if self._left else sound)
            frames -= count
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _attend(self, controls: Controls) -> _Cast:
        """Return what plays now, with the controls it plays by."""
        key = self._key(controls)
        if self._playing is None:
            self._playing = _Cast(self._begin(controls), controls, key)
        if key != self._playing.key:
            playing = self._start_coming(self._playing)  # what was made is heard, even if it is not the newest wish
            if key != playing.key:
                self._want(controls, key)
                playing = self._start_coming(playing)
            self._playing = playing
        if key == self._playing.key:
            self._playing.controls = controls  # else it goes on by its last ones until the next take is ready
        return self._playing

    def _waits(self, key: object, playing: _Cast) -> bool:
        """Whether what was expected should play by now, and is not made."""
        made = self._coming is not None and self._coming.key == key and self._coming.take.ready
        return key == self._expected and key != playing.key and not made

    def _start_coming(self, playing: _Cast) -> _Cast:
        """Let the take that is to come play if it can; return what plays."""
        coming = self._coming
        if coming is None or self._left or not (coming.wanted and coming.take.ready):
            return playing
        self._leaving, self._coming = playing, None
        self._rise, self._fall, self._left = Fade(0.0), Fade(1.0), self._fade_frames
        self._rise.start(1.0, self._fade_frames)
        self._fall.start(0.0, self._fade_frames)
        return coming

    def _want(self, controls: Controls, key: object) -> None:
        """Let the take of these controls come; one that is being made is not given up for it, or none ever would."""
        coming = self._coming
        if coming is not None and coming.key == key:
            coming.wanted, coming.controls = True, controls
        elif coming is None or not coming.wanted or coming.take.ready:
            self._coming = _Cast(self._begin(controls), controls, key, wanted=True)

    def _crossfaded(self, sound: np.ndarray, frames: int) -> np.ndarray:
        assert self._leaving is not None, "there while frames of the crossfade are left"
        old = self._leaving.take.render(self._leaving.controls, frames)
        self._left -= frames
        if not self._left:
            self._leaving = None
        return np.asarray(sound * self._rise.next(frames) + old * self._fall.next(frames), np.float32)
