"""The shared memory of one server: a slot for each renderer (controls in, sound out) and the audio process's meters.

One segment is made by the control process at the start and removed at its end; renderers and the audio process
attach to it. A slot's controls are guarded by a sequence number (odd while being written): the reader retries,
the writer never waits.
"""

from __future__ import annotations

import os
import time
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np

from petrichor.controls import Controls
from petrichor.ring import FRAMES, Ring
from petrichor.voice_file import MAX_LATENT

SLOTS = 32  # renderers at once, those being crossfaded included
PREFIX = "petrichor-"
SLOT = np.dtype(
    [
        ("positions", np.int64, (2,)),
        ("stop", np.int64),
        ("sequence", np.int64),
        ("numbers", np.float64, (6,)),  # latent size, truncation, intensity, spread, seed, draw
        ("latent", np.float32, (MAX_LATENT,)),
        ("ring", np.float32, (FRAMES, 2)),
    ],
    align=True,
)
METERS = np.dtype(
    [
        ("position", np.int64),  # frames mixed since the start
        ("subscribers", np.int64),
        ("underruns", np.int64),  # reported by subscribers and the sound card
        ("concealed", np.int64),  # frames mixed from history because a renderer was late
        ("peak", np.float64),  # of the last second, linear
    ],
    align=True,
)
METERS_BYTES = 4096


class Slot:
    """One renderer's part of the segment.

    Args:
        record: The slot's fields, a zero-dimensional structured view.
    """

    def __init__(self, record: np.ndarray) -> None:
        """View the memory; changes nothing in it."""
        self._record = record
        self.ring = Ring(record["positions"], record["ring"])

    def clear(self) -> None:
        """Make the slot ready for a new renderer. Only while no process uses it."""
        self._record["stop"][...] = 0
        self._record["sequence"][...] = 0
        self.ring.clear()

    @property
    def stopping(self) -> bool:
        """Whether the renderer was asked to end."""
        return bool(self._record["stop"])

    def stop(self) -> None:
        """Ask the renderer to end."""
        self._record["stop"][...] = 1

    def write_controls(self, controls: Controls) -> None:
        """Publish the latest controls (control process)."""
        record = self._record
        sequence = int(record["sequence"])
        record["sequence"][...] = sequence + 1
        size = len(controls.latent)
        record["numbers"][:] = (
            size,
            controls.truncation,
            controls.intensity,
            controls.spread,
            controls.seed,
            controls.draw,
        )
        record["latent"][:size] = controls.latent
        record["sequence"][...] = sequence + 2

    def read_controls(self, known: int = 0) -> tuple[int, Controls | None]:
        """Return the latest controls (renderer process).

        Args:
            known: The sequence number this reader has already seen.

        Returns:
            The sequence number, and the controls, or None where nothing newer than `known` is whole yet.
        """
        record = self._record
        for _ in range(3):
            before = int(record["sequence"])
            if before == known or before % 2:
                continue
            numbers = record["numbers"].tolist()
            latent = record["latent"][: int(numbers[0])].copy()
            if int(record["sequence"]) == before:
                _, truncation, intensity, spread, seed, draw = numbers
                return before, Controls(latent, truncation, intensity, spread, int(seed), int(draw))
        return known, None


class SharedSlots:
    """The whole segment: `SLOTS` slots and the meters.

    Args:
        name: Segment to attach to; None makes a new one, which this object then owns and removes on `close`.
    """

    def __init__(self, name: str | None = None) -> None:
        """Make or attach the segment."""
        self._owner = name is None
        size = METERS_BYTES + SLOTS * SLOT.itemsize
        if self._owner:
            name = f"{PREFIX}{os.getpid()}-{time.time_ns() & 0xFFFFFF:x}"
            self._memory = shared_memory.SharedMemory(name, create=True, size=size)
        else:
            self._memory = shared_memory.SharedMemory(name)
        self.name = self._memory.name
        self._meters: np.ndarray | None = np.ndarray((), METERS, self._memory.buf)
        records: np.ndarray = np.ndarray((SLOTS,), SLOT, self._memory.buf, METERS_BYTES)
        self._slots = [Slot(records[i : i + 1].reshape(())) for i in range(SLOTS)]

    def __enter__(self) -> SharedSlots:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __getitem__(self, index: int) -> Slot:
        """Return one slot."""
        return self._slots[index]

    @property
    def meters(self) -> np.ndarray:
        """The audio process's figures: a record with the fields of `METERS`."""
        assert self._meters is not None, "closed"
        return self._meters

    def close(self) -> None:
        """Let go of the segment, and remove it where this object made it."""
        self._slots.clear()
        self._meters = None
        try:
            self._memory.close()
        except BufferError:  # a view is still alive in some frame; the process's end releases it
            pass
        if self._owner:
            self._memory.unlink()


def remove_stale_segments(folder: Path = Path("/dev/shm")) -> list[str]:
    """Remove segments whose server is gone, as after `kill -9`. Does nothing where `folder` does not exist.

    Returns:
        The names that were removed.
    """
    removed = []
    for path in folder.glob(f"{PREFIX}*") if folder.is_dir() else ():
        process = path.name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not _alive(int(process)):
            try:
                path.unlink()
            except OSError:  # another user's, or just removed by another start
                continue
            removed.append(path.name)
    return removed


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
