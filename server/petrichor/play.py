"""`petrichor play`: a server of its own and a 20-s demonstration, every event a real OSC message over UDP.

The demonstration runs on a thread that knows nothing of the server but its port, as any patch does.
"""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
import time
from pathlib import Path

from petrichor.config import ServeOptions
from petrichor.device import find_default_device
from petrichor.errors import PetrichorError
from petrichor.osc import Message, encode, parse_datagram
from petrichor.score import read_score
from petrichor.server import Server

log = logging.getLogger(__name__)
SCORE = Path(__file__).with_name("demonstration.toml")
SECONDS = 20.0
PATIENCE = 60.0  # seconds for the voices to be loaded on a slow machine


class Demonstration:
    """Plays a score to a server over OSC.

    Args:
        port: The server's control port on this machine.
        score: Messages with times in seconds.
        record: File name for `/record`, or None to record nothing.
    """

    def __init__(self, port: int, score: list[Message], record: str | None) -> None:
        """Open the socket."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._score = score
        self._record = record
        self.failures: list[str] = []

    def perform(self) -> None:
        """Wait for the voices, send every message at its time, and close the recording."""
        with self._socket:
            self._ask("/synced", "/sync", 1)  # answered when every voice is loaded
            for message in self._score:  # the opening scene is set before the sound is kept
                if not message.time:
                    self._socket.send(encode(message.address, *message.args))
            if self._record is not None:
                self._ask("/done", "/record", self._record)
            start = time.monotonic()
            for message in self._score:
                time.sleep(max(0.0, start + (message.time or 0.0) - time.monotonic()))
                log.info("%5.1f s  %s %s", message.time, message.address, " ".join(map(str, message.args)))
                self._socket.send(encode(message.address, *message.args))
            time.sleep(max(0.0, start + SECONDS - time.monotonic()))
            if self._record is not None:
                self._ask("/done", "/record")

    def _ask(self, answer: str, address: str, *args: object) -> None:
        self._socket.send(encode(address, *args))
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                (message,) = parse_datagram(self._socket.recv(65536))
            except TimeoutError:
                break
            if message.address == answer:
                return
            if message.address == "/fail":
                self.failures.append(" ".join(map(str, message.args)))
                if message.args[0] == address:
                    raise PetrichorError(self.failures[-1])
        raise PetrichorError(f"no {answer} to {address} in {PATIENCE:.0f} s")


def play_demonstration(options: ServeOptions, output: Path) -> str:
    """Perform the demonstration.

    Args:
        options: How the server runs; port and recordings are chosen here.
        output: Where the sound goes where there is no sound card. An older one is replaced.

    Returns:
        Where the sound went, for the performer.

    Raises:
        PetrichorError: There is no voice, or something failed on the way.
    """
    device = find_default_device() if options.device == "default" else options.device
    record = None if device not in (None, "none") else output.name
    output = output.absolute()
    if record is not None:
        output.unlink(missing_ok=True)
    settings = dataclasses.replace(options, port=0, stream_port=None, recordings=output.parent, device=device or "none")
    errors: list[PetrichorError] = []
    with Server(settings) as server:
        if not list(server.names()):
            raise PetrichorError(f"there is no voice in {options.voices}")
        demonstration = Demonstration(server.port, read_score(SCORE), record)

        def perform() -> None:
            try:
                demonstration.perform()
            except PetrichorError as error:
                errors.append(error)
            finally:
                server.stop()

        thread = threading.Thread(target=perform, name="demonstration", daemon=True)
        thread.start()
        server.run()
    if errors:
        raise errors[0]
    return f"the sound is in {output}" if record else f"played on the sound device {device!r}"
