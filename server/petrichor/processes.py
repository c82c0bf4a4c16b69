"""How the server's processes are started, what they are called, and who hears their signals."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

# What every process needs. Imported once, in the process that the others are forked from: a renderer then starts in a
# few milliseconds instead of a sixth of a second, and shares the libraries' memory with the others.
SHARED = ["numpy", "soxr", "ai_edge_litert.interpreter", "petrichor.audio", "petrichor.renderer"]
SHARED += ["petrichor.clip_engine", "petrichor.stream_engine", "petrichor.card"]

# Seconds after which a thread yields Python's lock to one that waits for it: where a block loop shares a process with a
# thread that makes clips or writes files, the usual 5 ms let it fall behind by up to 0.1 s (measured, a tiny bird).
SWITCH_INTERVAL = 0.0002
SOONEST, LATEST = 0.5, 8.0  # seconds before a process that could not be started, or died at once, is started again


def backoff(failures: int, soonest: float = SOONEST, latest: float = LATEST) -> float:
    """Return the seconds to wait before a process is started, after so many failures in a row.

    Args:
        failures: How many; 0 for none.
        soonest: Seconds after the first; they double with each one.
        latest: Seconds at most.
    """
    return min(soonest * 2.0 ** min(failures - 1, 10), latest) if failures else 0.0


def process_context() -> BaseContext:
    """Return how to start processes: from a fork server on Linux, else anew (macOS's own libraries dislike a fork)."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see petrichor.__main__
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(SHARED)
    return context


def start_process(
    context: BaseContext, name: str, run: Callable[..., None], *args: object
) -> tuple[BaseProcess, Connection]:
    """Start a process that reports.

    Args:
        context: See `process_context`.
        name: What is run in it, for messages.
        run: Called in it with `args`, and after them its end of the reports' connection.
        *args: For `run`.

    Returns:
        The process and where it reports; its end shows there as end of file.

    Raises:
        OSError: There is no memory, no process or no file descriptor to be had.
        EOFError: As well: the process that they are forked from is gone.
    """
    ours, theirs = context.Pipe(duplex=False)
    try:
        process: BaseProcess = context.Process(  # type: ignore[attr-defined]  # typeshed has it in each kind only
            target=run, args=(*args, theirs), name=f"petrichor-{name}", daemon=True
        )
        process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def end_process(process: BaseProcess, reports: Connection, patience: float) -> bool:
    """Wait for a process that was asked to end, kill it if it does not, and let go of it.

    Args:
        process: From `start_process`, with its reports.
        reports: Where it reported.
        patience: Seconds.

    Returns:
        Whether it ended by itself.
    """
    process.join(patience)
    ended = not process.is_alive()
    if not ended:
        process.kill()
    collect_process(process, reports)
    return ended


def collect_process(process: BaseProcess, reports: Connection) -> None:
    """Let go of a process that has ended."""
    process.join()
    process.close()
    reports.close()


def name_process(name: str) -> None:
    """Call this process petrichor-NAME in the system's lists of processes, where it can be done (15 letters)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"petrichor-{name}")


@contextlib.contextmanager
def signals_heard(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function hear SIGINT and SIGTERM for the length of a `with`, in the main thread, which alone may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
