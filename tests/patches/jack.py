"""A private JACK server without a sound card."""

from __future__ import annotations

import itertools
import os
import subprocess

from tests.patches.process import Process, program

_numbers = itertools.count()


class Jack(Process):
    """A jackd of its own name on the dummy driver.

    Args:
        rate: Hz.
        period: Frames; long, as nothing here is about latency.
        name: Of the server, to follow one that has died; None for one of its own.
        realtime: Whether it and its clients run at real-time priority, where that is to be had.

    Attributes:
        environment: What a client needs in its environment to find this server and no other.
    """

    def __init__(self, rate: int = 48000, period: int = 1024, name: str | None = None, realtime: bool = True) -> None:
        self.name = name or f"petrichor-{os.getpid()}-{next(_numbers)}"
        self.environment = {
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_START_SERVER": "1",
            "SC_JACK_DEFAULT_INPUTS": "",
            "SC_JACK_DEFAULT_OUTPUTS": "",
        }
        command = [
            "jackd",
            "-R" if realtime else "-r",
            "-n",
            self.name,
            "-S",
            "-d",
            "dummy",
            "-r",
            str(rate),
            "-p",
            str(period),
        ]
        super().__init__(command, self.environment)
        try:
            wait = [program("jack_wait"), "-s", self.name, "-w", "-t", "20"]
            subprocess.run(wait, check=True, capture_output=True, env=os.environ | self.environment)
        except BaseException:
            self.close()
            raise
