"""Settings of `petrichor serve`, checked once, at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from petrichor.errors import OptionError
from petrichor.folders import default_voices

if TYPE_CHECKING:  # not needed where there is none, and other commands read this module too
    from petrichor.live_set import LiveSet


@dataclass(frozen=True)
class ServeOptions:
    """How the server runs.

    Attributes:
        host: Address it listens on; loopback unless told otherwise.
        port: UDP port of control messages; 0 lets the system choose.
        stream_port: UDP port of sound streams; None takes the next after `port`, 0 lets the system choose.
        query: Whether there is an OSCQuery server.
        query_port: TCP port of OSCQuery; None takes the second after `port`, 0 lets the system choose.
        voices: Folder of voice files, watched.
        recordings: Folder that `/record` writes into; made when it is first needed.
        presets: Folder of presets; made when it is first needed.
        device: PortAudio device, "default", or "none".
        rate: Hz of the mix.
        ahead: Frames that are ready before they are asked for, at most; a control is heard that much later.
        seed: Seed of the first latent vectors.
        realtime: Whether sound is made and mixed at real-time priority, where the system allows it.
        max_rate: Datagrams in a second that one source may send; what is more is not read. 0 for no limit.
        live_set: How voices begin, the scenes and what foreign addresses mean.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    stream_port: int | None = None
    query: bool = True
    query_port: int | None = None
    voices: Path = field(default_factory=default_voices)
    recordings: Path = Path("recordings")
    presets: Path = Path("presets")
    device: str = "default"
    rate: int = 48000
    ahead: int = 256
    seed: int = 1
    realtime: bool = True
    max_rate: int = 5000
    live_set: LiveSet | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            OptionError: With what was got and what was expected.
        """
        _check("--port", self.port, 0, 65535)
        if self.stream_port is not None:
            _check("--stream-port", self.stream_port, 0, 65535)
        if self.query_port is not None:
            _check("--query-port", self.query_port, 0, 65535)
        _check("--rate", self.rate, 8000, 192000)
        _check("--ahead", self.ahead, 128, 8192)
        _check("--max-rate", self.max_rate, 0, 1_000_000)
        if not self.voices.is_dir():
            raise OptionError(f"--voices: {self.voices} is not a folder")


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(f"{name}: got {value}, expected {low}…{high}")
