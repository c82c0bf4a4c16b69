"""A renderer's part of the shared memory: controls and cues in, sound out.

The controls are guarded by a sequence number (odd while being written): the reader retries, the writer never waits.
"""

from __future__ import annotations

import time

import numpy as np

from petrichor.cues import Cue, Fields
from petrichor.mailbox import Mailbox
from petrichor.ring import FRAMES, Ring
from petrichor.voice_info import MAX_DIRECTIONS, MAX_LATENT

SLOTS = 64  # renderers at once, those being crossfaded included
CUES = 1 << 16  # bytes of cues that may wait; those that find no room are sent later
# Of the controls, besides the two vectors.
NUMBERS = ("truncation", "intensity", "spread", "glide", "drift", "freeze", "seed", "draw", "restart")
WHOLE = ("freeze", "seed", "draw", "restart")
VECTORS = ("latent", "direction")
SLOT = np.dtype(
    [
        ("positions", np.int64, (3,)),
        ("stop", np.int64),
        ("beat", np.float64),  # steady clock at the renderer's last sign of life
        ("low", np.int64),  # frames in the ring below which the renderer wants to be rung
        ("awaited", np.int64),  # frames in the ring from which the audio process wants to be rung, or 0
        ("cleared", np.int64),  # sequence number of the last cue that is to be forgotten if it is still to come
        ("sequence", np.int64),
        ("included", np.int64),  # position up to which the controls include every cue
        ("numbers", np.float64, (2 + len(NUMBERS),)),  # after the sizes of the vectors
        ("latent", np.float32, (MAX_LATENT,)),
        ("direction", np.float32, (MAX_DIRECTIONS,)),
        ("late", np.int64),  # frames by which beginnings came too late (see `Engine.late`); written by the renderer
        ("concealed", np.int64),  # frames that the mixer had to fill from its past; like the next written by audio
        ("peak", np.float64),  # of the channel in the last interval, linear
        ("rms", np.float64),
        ("mail", np.int64, (2,)),
        ("cues", np.uint8, (CUES,)),
        ("ring", np.float32, (FRAMES, 2)),
    ],
    align=True,
)


class _Count:
    """A whole number in a slot's record, of the attribute's name."""

    def __set_name__(self, owner: type[Slot], name: str) -> None:
        self._name = name

    def __get__(self, slot: Slot, owner: type[Slot]) -> int:
        return int(slot.record[self._name])

    def __set__(self, slot: Slot, value: int) -> None:
        slot.record[self._name][...] = value


class Slot:
    """One renderer's part of the segment.

    Args:
        record: The slot's fields, a zero-dimensional structured view.

    Attributes:
        record: As given.
        ring: The renderer's sound.
        cues: From the control process to the renderer.
        low: Frames in the ring below which the renderer wants to be rung.
        awaited: Frames in the ring from which the audio process, which waits for them, wants to be rung; or 0.
        late: Frames by which beginnings that were expected came too late, all together.
        concealed: Frames that the mixer had to fill from the ring's past.
    """

    low, awaited, late, concealed = _Count(), _Count(), _Count(), _Count()

    def __init__(self, record: np.ndarray) -> None:
        """View the memory; changes nothing in it."""
        self.record = record
        self.ring = Ring(record["positions"], record["ring"])
        self.cues = Mailbox(record["mail"], record["cues"])

    def clear(self) -> None:
        """Make the slot ready for a new renderer. Only while no process uses it."""
        for name in ("stop", "sequence", "low", "awaited", "late", "concealed", "peak", "rms"):
            self.record[name][...] = 0
        self.record["cleared"][...] = -1
        self.cues.clear()
        self.ring.clear()
        self.beat()

    @property
    def stopping(self) -> bool:
        """Whether the renderer was asked to end."""
        return bool(self.record["stop"])

    def stop(self) -> None:
        """Ask the renderer to end."""
        self.record["stop"][...] = 1

    def beat(self) -> None:
        """Give a sign of life (renderer process)."""
        self.record["beat"][...] = time.monotonic()

    @property
    def last_beat(self) -> float:
        """Steady clock at the last sign of life."""
        return float(self.record["beat"])

    @property
    def levels(self) -> tuple[float, float]:
        """Peak and RMS of the channel in the last interval, linear."""
        return float(self.record["peak"]), float(self.record["rms"])

    @levels.setter
    def levels(self, values: tuple[float, float]) -> None:
        """Tell them."""
        self.record["peak"][...], self.record["rms"][...] = values

    def write_controls(self, fields: Fields, included: int) -> None:
        """Publish the latest controls, which include every cue up to that position (control process)."""
        record = self.record
        sequence = int(record["sequence"])
        record["sequence"][...] = sequence + 1
        vectors = [fields[name] for name in VECTORS]
        record["included"][...] = included
        record["numbers"][:] = (*map(len, vectors), *(fields[name] for name in NUMBERS))
        for name, vector in zip(VECTORS, vectors, strict=True):
            record[name][: len(vector)] = vector
        record["sequence"][...] = sequence + 2

    def read_controls(self, known: int = 0) -> tuple[int, Fields | None, int]:
        """Return the latest controls (renderer process).

        Args:
            known: The sequence number this reader has already seen.

        Returns:
            The sequence number, the fields, or None where nothing newer than `known` is whole yet, and the position
            up to which they include every cue.
        """
        record = self.record
        for _ in range(3):
            before = int(record["sequence"])
            if before == known or before % 2:
                continue
            numbers = record["numbers"].tolist()
            fields: Fields = dict(zip(NUMBERS, numbers[len(VECTORS) :], strict=True))
            for name, size in zip(VECTORS, numbers, strict=False):
                fields[name] = record[name][: int(size)].copy()
            included = int(record["included"])
            if int(record["sequence"]) == before:
                for name in WHOLE:
                    fields[name] = int(fields[name])
                return before, fields, included
        return known, None, -1

    def send_cues(self, cues: list[Cue]) -> bool:
        """Let cues go to the renderer, all at once; False where there is no room for them (control process)."""
        try:
            return self.cues.put(cues)
        except ValueError:  # there never is for so many: fewer go
            return False

    def clear_cues(self, through: int) -> None:
        """Let the renderer forget the cues to come, up to that sequence number (control process)."""
        self.record["cleared"][...] = through

    @property
    def cleared(self) -> int:
        """Sequence number of the last cue that is to be forgotten if it is still to come."""
        return int(self.record["cleared"])
