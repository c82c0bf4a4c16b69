"""The shared memory of one server: the timeline, a slot for each renderer, orders, meters.

One segment is made by the control process at the start and removed at its end; renderers, the audio process and the
sound card's process attach to it. Every field has one writer.
"""

from __future__ import annotations

import os
import re
import time
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np

from petrichor.mailbox import Mailbox
from petrichor.slots import SLOT, SLOTS, Slot
from petrichor.timeline import HISTORY, Timeline

PREFIX = "petrichor-"
ORDERS = 1 << 18  # bytes of orders to the audio process that may wait
METERS = np.dtype(  # written by the audio process
    [
        ("position", np.int64, (1,)),  # frames mixed since the server started
        ("line", np.float64, (1,)),  # see `petrichor.clock`
        ("beat", np.float64),  # steady clock at the last turn of its loop
        ("subscribers", np.int64),
        ("underruns", np.int64),  # reported by subscribers and the sound card
        ("jumps", np.int64),  # how often an output was moved up to the head of the mix
        ("concealed", np.int64),  # frames mixed from history because a renderer was late
        ("peak", np.float64),  # of the mix in the last interval, linear
        ("rms", np.float64),
        ("reduction", np.float64),  # lowest gain of the limiter in the last interval, linear
    ],
    align=True,
)
LISTENERS = np.dtype(  # written by the audio process: who they are; as many as `subscribers` says, as far as they fit
    [
        ("host", np.uint32),  # IPv4
        ("port", np.int32),
        ("fill", np.int32),  # frames
        ("rate", np.int32),  # Hz
        ("underruns", np.int64),
    ],
    align=True,
)
MOST_LISTENERS = 32
CARD = np.dtype(  # written by the sound card's process
    [
        ("active", np.int64),
        ("position", np.int64),  # of the timeline: next frame to be played
        ("lead", np.int64),  # frames it wants mixed beyond that
        ("rate", np.int64),  # Hz, of the device
        ("underruns", np.int64),
        ("jumps", np.int64),
        ("beat", np.float64),  # steady clock at the last callback
    ],
    align=True,
)
MAIL = np.dtype([("positions", np.int64, (2,)), ("data", np.uint8, (ORDERS,))], align=True)
SOUND = np.dtype([("samples", np.float32, (HISTORY, 2))])
SEGMENT = np.dtype(
    [
        ("meters", METERS),
        ("listeners", LISTENERS, (MOST_LISTENERS,)),
        ("card", CARD),
        ("orders", MAIL),
        ("timeline", SOUND),
    ],
    align=True,
)


class Segment:
    """The whole segment.

    Args:
        name: Segment to attach to; None makes a new one, which this object then owns and removes on `close`.

    Attributes:
        name: Its name.
        timeline: The mix.
        orders: From the control process to the audio process.
    """

    def __init__(self, name: str | None = None) -> None:
        """Make or attach the segment."""
        self._owner = name is None
        size = SEGMENT.itemsize + SLOTS * SLOT.itemsize
        if self._owner:
            name = f"{PREFIX}{os.getpid()}-{time.time_ns() & 0xFFFFFF:x}"
            self._memory = shared_memory.SharedMemory(name, create=True, size=size)
        else:
            self._memory = shared_memory.SharedMemory(name)
        self.name = self._memory.name
        head: np.ndarray = np.ndarray((1,), SEGMENT, self._memory.buf)
        if self._owner:
            head["meters"]["line"] = np.nan
        self._meters: np.ndarray | None = head["meters"].reshape(())
        self._listeners: np.ndarray | None = head["listeners"][0]
        self._card: np.ndarray | None = head["card"].reshape(())
        self.timeline = Timeline(head["timeline"]["samples"][0], self._meters["position"])
        self.orders = Mailbox(head["orders"]["positions"][0], head["orders"]["data"][0])
        records: np.ndarray = np.ndarray((SLOTS,), SLOT, self._memory.buf, SEGMENT.itemsize)
        self._slots = [Slot(records[i : i + 1].reshape(())) for i in range(SLOTS)]

    def __enter__(self) -> Segment:
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

    @property
    def listeners(self) -> np.ndarray:
        """The subscribers of the stream: records with the fields of `LISTENERS`. Shape [32]"""
        assert self._listeners is not None, "closed"
        return self._listeners

    @property
    def card(self) -> np.ndarray:
        """The sound card's figures: a record with the fields of `CARD`."""
        assert self._card is not None, "closed"
        return self._card

    def close(self) -> None:
        """Let go of the segment, and remove it where this object made it."""
        self._slots.clear()
        self._meters = self._listeners = self._card = None
        del self.timeline, self.orders
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
        if is_left_behind(path):
            try:
                path.unlink()
            except OSError:  # another user's, or just removed by another start
                continue
            removed.append(path.name)
    return removed


def is_left_behind(path: Path) -> bool:
    """Return whether a path is named as this user's servers name theirs, and the server of that name is gone."""
    match = re.fullmatch(rf"{PREFIX}([1-9][0-9]{{0,8}})-.+", path.name)  # no process has a longer number
    if match is None or alive(int(match[1])):
        return False
    try:
        return is_ours(path.lstat())
    except OSError:
        return False


def is_ours(status: os.stat_result) -> bool:
    """Return whether a file or folder belongs to the user of this process."""
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def alive(process: int) -> bool:
    """Return whether a process of that number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
