"""Sources that the system throws away the datagrams of, before they fill a socket's queue. Linux; nothing elsewhere.

A socket's queue is shared: whoever fills it faster than it is read has everybody's datagrams dropped, and refusing them
one by one after reading costs the reader a core. A filter on the socket (classic BPF, `man 7 socket`,
SO_ATTACH_FILTER; no privilege needed) drops the ones of named sources where they arrive.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import socket
import struct
import sys

from petrichor.guard import Guard
from petrichor.osc import Address

log = logging.getLogger(__name__)
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h; Python has no names for them
MAX_SOURCES = 64  # at once; a filter holds 4096 instructions
LOAD_WORD, LOAD_HALF, JUMP_IF_EQUAL, RETURN = 0x20, 0x28, 0x15, 0x06  # linux/bpf_common.h
SOURCE_HOST = 0x1_0000_0000 - 0x100000 + 12  # SKF_NET_OFF, then the offset in an IPv4 header
SOURCE_PORT = 0  # offset in a UDP header, where the filter of a UDP socket begins
EVERYTHING = 0xFFFFFFFF  # bytes to keep


class Deafness:
    """Keeps a UDP socket from hearing some sources for a while.

    Args:
        sock: An IPv4 socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Hear everybody: a socket may have an older filter, of a process that died."""
        self._socket = sock
        self._until: dict[Address, float] = {}
        self._works = sys.platform == "linux"
        self._detach()

    def __contains__(self, source: Address) -> bool:
        """Whether a source is not heard."""
        return source in self._until

    def add(self, source: Address, until: float) -> bool:
        """Do not hear a source until a time; False where this cannot be done."""
        if not self._works or (source not in self._until and len(self._until) >= MAX_SOURCES):
            return False
        self._until[source] = until
        return self._attach()

    def turn_from_flood(self, guard: Guard, now: float) -> tuple[Address, float] | None:
        """Do not hear whoever sends more than can be read.

        Args:
            guard: Has seen every datagram that was read.
            now: Seconds, of the guard's clock.

        Returns:
            Who that is and for how many seconds; None where nobody does, or nothing can be done.
        """
        flooder = guard.flooder(now)
        return flooder if flooder is not None and self.add(flooder[0], now + flooder[1]) else None

    def lift(self, now: float) -> None:
        """Hear the sources again whose time is over."""
        over = [source for source, until in self._until.items() if until <= now]
        for source in over:
            del self._until[source]
        if over:
            self._attach()

    def _attach(self) -> bool:
        """Replace the socket's filter."""
        try:
            if not self._until:
                self._detach()
                return True
            code = program(list(self._until))
            kept = ctypes.create_string_buffer(code, len(code))  # the system copies it during the call
            described = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
            return True
        except OSError as error:
            log.info("the system takes no socket filter (%s): floods are read", error.strerror)
            self._works = False
            self._until.clear()
            self._detach()
            return False

    def _detach(self) -> None:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # there is none
                self._socket.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def program(sources: list[Address]) -> bytes:
    """Return the instructions (8 bytes each) that drop the datagrams of some sources and keep all others."""
    steps: list[tuple[int, int, int, int]] = []
    for host, port in sources:
        (number,) = struct.unpack("!I", socket.inet_aton(host))
        steps += [
            (LOAD_WORD, 0, 0, SOURCE_HOST),
            (JUMP_IF_EQUAL, 0, 3, number),
            (LOAD_HALF, 0, 0, SOURCE_PORT),
            (JUMP_IF_EQUAL, 0, 1, port),
            (RETURN, 0, 0, 0),
        ]
    steps.append((RETURN, 0, 0, EVERYTHING))
    return b"".join(struct.pack("HBBI", *step) for step in steps)
