"""What the query process is told and says, and how it begins. HTTP and WebSocket are imported in that process only."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection

from petrichor.processes import name_process

NICE = 10  # below everything that sounds


@dataclass(frozen=True)
class QueryOptions:
    """What the query process needs to start.

    Attributes:
        host: Address to listen on; the server's.
        port: TCP port; 0 lets the system choose.
        osc_port: UDP port of control messages.
    """

    host: str
    port: int
    osc_port: int


@dataclass(frozen=True)
class Listening:
    """Report: clients may come.

    Attributes:
        port: TCP port, as bound.
        advertised: Whether zeroconf tells of it.
    """

    port: int
    advertised: bool


@dataclass(frozen=True)
class Refused:
    """Report: the port cannot be bound."""

    reason: str


def run_query(options: QueryOptions, report: Connection) -> None:
    """Be the query process until the server is gone.

    Args:
        options: See `QueryOptions`.
        report: Where `Listening` or `Refused` is sent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    name_process("query")
    with contextlib.suppress(OSError):
        os.nice(NICE)
    import asyncio  # noqa: PLC0415  (see above)

    from petrichor.query.query_server import serve_queries  # noqa: PLC0415

    asyncio.run(serve_queries(options, report))
