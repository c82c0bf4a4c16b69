"""The scenes of a live set: which comes next, and the way to it. Owned by the control process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from petrichor.errors import MessageError
from petrichor.live_set import Scene
from petrichor.presets import Presets

log = logging.getLogger(__name__)


class Scenes:
    """Loads scenes.

    Args:
        scenes: In their order.
        presets: Goes the way.
    """

    def __init__(self, scenes: Sequence[Scene], presets: Presets) -> None:
        """Begin before the first."""
        self._scenes, self._presets = tuple(scenes), presets
        self._place = -1

    @property
    def names(self) -> list[str]:
        """The names, in their order."""
        return [scene.name for scene in self._scenes]

    @property
    def current(self) -> str:
        """Name of the scene that was loaded last, or ""."""
        return self._scenes[self._place].name if self._place >= 0 else ""

    def find(self, address: str, wanted: object) -> Scene:
        """Return a scene by its name (str), or by its number (int or float), counted from 1.

        Raises:
            MessageError: There is none.
        """
        for number, scene in enumerate(self._scenes, 1):
            if scene.name == wanted or (isinstance(wanted, int | float) and number == wanted):
                return scene
        there = ", ".join(self.names) or "none; scenes are in the set that the server is started with"
        raise MessageError(address, f"there is no scene {wanted!r:.60}; there: {there:.400}")

    def following(self, address: str) -> Scene:
        """Return the scene after the current one.

        Raises:
            MessageError: That was the last: beginning anew by mistake would be heard.
        """
        if self._place + 1 < len(self._scenes):
            return self._scenes[self._place + 1]
        why = f"{self.current!r:.60} is the last; /scene/load 1 begins anew" if self._scenes else "there are no scenes"
        raise MessageError(address, f"there is no next scene: {why}")

    def load(self, scene: Scene, now: float, reply: Callable[[str], None]) -> None:
        """Set out for a scene; see `Presets.begin`."""
        self._place = self._scenes.index(scene)
        log.info("scene %d: %s", self._place + 1, scene.name)
        self._presets.begin(scene.preset, scene.seconds, now, reply)
