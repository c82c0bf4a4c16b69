"""Bells: wake another process without a lock, a queue or polling.

A bell is one end of a socket pair. Ringing never blocks (a full pipe already means "ringing"); waiting is a
`select`, so a process can wait for bells and network sockets at once.
"""

from __future__ import annotations

import select
import socket


class Bell:
    """One end of a pair; both ends ring and hear.

    Args:
        end: The socket; pickles to a child process while it is being started.

    Attributes:
        gone: Whether the other end was found closed everywhere; this end then "rings" for ever.
    """

    def __init__(self, end: socket.socket) -> None:
        """Make the socket non-blocking."""
        self._end = end
        self.gone = False
        end.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[Bell, Bell]:
        """Make two ends that wake each other."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        """Return the file descriptor, for `select`."""
        return self._end.fileno()

    def ring(self) -> None:
        """Wake the other end."""
        try:
            self._end.send(b"!")
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass  # already ringing, or nobody is left to hear

    def hush(self) -> None:
        """Take everything that has rung."""
        try:
            while (count := len(self._end.recv(4096))) == 4096:
                pass
            self.gone = count == 0
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.gone = True

    def wait(self, seconds: float) -> bool:
        """Sleep until the other end rings, `seconds` at most; say whether it did."""
        heard = bool(select.select([self._end], [], [], seconds)[0])
        if heard:
            self.hush()
        return heard

    def close(self) -> None:
        """Close this end."""
        self._end.close()
