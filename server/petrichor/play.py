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
from petrichor.errors import PetrichorError
from petrichor.osc import Message, encode, parse_datagram
from petrichor.score import read_score
from petrichor.server import Server
from petrichor.status import FIGURES

log = logging.getLogger(__name__)
SCORE = Path(__file__).with_name("demonstration.toml")
SECONDS = 20.0
PATIENCE = 60.0  # seconds for the voices to be loaded on a slow machine


class Demonstration:
    """Plays a score to a server over OSC.

    Args:
        address: Host and control port of the server.
        score: Messages with times in seconds.
        record: File name for `/record`, or None to record nothing.
    """

    def __init__(self, address: tuple[str, int], score: list[Message], record: str | None) -> None:
        """Open the socket."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._score = score
        self._record = record

    def perform(self) -> None:
        """Wait for the voices, send every message at its time, and close the recording.

        Raises:
            PetrichorError: A voice does not play, or a message was refused.
            OSError: The server cannot be reached.
        """
        with self._socket:
            self._ask("/synced", "/sync", 1)  # answered when every voice is loaded
            self._check_voices()
            for message in self._score:  # the opening scene is set before the sound is kept
                if not message.time:
                    self._socket.send(encode(message.address, *message.args))
            if self._record is not None:
                self._ask("/done", "/record", self._record, SECONDS)
            start = time.monotonic()
            for message in self._score:
                time.sleep(max(0.0, start + (message.time or 0.0) - time.monotonic()))
                log.info(
                    "%5.1f s  %s %s",
                    message.time,
                    message.address,
                    " ".join(f"{arg:g}" if isinstance(arg, float) else str(arg) for arg in message.args),
                )
                self._socket.send(encode(message.address, *message.args))
            time.sleep(max(0.0, start + SECONDS - time.monotonic()))
            if self._record is not None:
                self._hear("/done", "/record")  # its end: a machine that stood still takes longer for as much sound
            self._ask("/pong", "/ping")  # whatever was refused has been heard by now

    def _check_voices(self) -> None:
        voices = self._ask("/status.reply", "/status").args[len(FIGURES) + 1 :]
        playing = {name for name, state in zip(voices[::3], voices[1::3], strict=True) if state == "playing"}
        wanted = {message.address.split("/")[1] for message in self._score} - {"master"}
        if missing := sorted(wanted - playing):
            raise PetrichorError(f"not playing: {', '.join(missing)}; see the messages above")

    def _ask(self, answer: str, address: str, *args: object) -> Message:
        self._socket.send(encode(address, *args))
        return self._hear(answer, address)

    def _hear(self, answer: str, address: str) -> Message:
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                (message,) = parse_datagram(self._socket.recv(65536))
            except TimeoutError:
                break
            if message.address == answer:
                return message
            if message.address == "/fail":
                raise PetrichorError(" ".join(map(str, message.args)))
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
    output = output.absolute()
    settings = dataclasses.replace(options, port=0, stream_port=None, query=False, recordings=output.parent)
    errors: list[Exception] = []
    finished: list[str] = []
    with Server(settings) as server:
        device = server.wait_for_device()
        if not device:
            output.unlink(missing_ok=True)

        def perform() -> None:
            """Play the score, beside the server."""
            try:
                record = None if device else output.name
                Demonstration((settings.host, server.port), read_score(SCORE), record).perform()
                finished.append(f"played on the sound device {device!r}" if device else f"the sound is in {output}")
            except (PetrichorError, OSError) as error:
                errors.append(error)
            finally:
                server.stop()

        threading.Thread(target=perform, name="demonstration", daemon=True).start()
        server.run()
    if errors:
        raise PetrichorError(f"the demonstration failed: {errors[0]}")
    if not finished:
        raise KeyboardInterrupt
    return finished[0]
