"""A real server that Python asks and hears while another program plays it.

Its voices are easy to judge: the `probe` is a tone whose pitch is its latent's first coordinate, in octaves over
1000 Hz, and whose level is its intensity; the `stream` is noise; the `bird` has one layer of clips without a rest.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from petrichor.bench.client import Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.rig import PITCHES, PROBES
from petrichor.parameters import VOICE_PARAMETERS
from petrichor.voice_file import Voice, read_voice, write_voice
from tests.live_server import LiveServer, live_server
from tests.patches.process import wait_for
from tests.sound import level
from tests.tiny_voices import BIRD, make_voice

RATE = 48000
PIECE = RATE // 40  # frames that a pitch is read from
PATIENCE = 20.0  # seconds
LATENT = 8  # coordinates of the probe
GUEST = "creek"  # a name that no file has
SET = """
[[scene]]
name = "calm"
[scene.voice.probe]
gain = -6

[[scene]]
name = "storm"
seconds = 0.2
[scene.voice.probe]
gain = -12
pan = 0.5
"""


class Stage:
    """A server, somebody who asks it, and somebody who listens.

    Args:
        server: The server.
        client: Not notified, so that whatever it hears is an answer.
        ears: Listen to the mix.

    Attributes:
        told: A client that is notified.
    """

    def __init__(self, server: LiveServer, client: Client, ears: Ears) -> None:
        self.server, self.client, self._ears = server, client, ears
        self.told = server.client

    @property
    def presets(self) -> Path:
        """The presets folder."""
        return self.server.recordings.parent / "presets"

    def reset(self) -> None:
        """Set everything to where it begins, with the probe alone, at latent 0."""
        if GUEST in self.voices():
            self.client.ask(f"/{GUEST}/unload", reply="/done")
        self.client.send("/*/glide", 0.0)
        for row in VOICE_PARAMETERS.values():
            if row.default is not None:
                self.client.send(f"/*/{row.name}", row.default)
        self.client.send("/*/truncation", 3.0)
        self.client.send("/master/gain", 0.0)
        self.client.send("/probe/latent", *[0.0] * LATENT)
        self.client.send("/probe/direction/high", 0.0)
        self.solo("probe")
        self.sings(0.0)
        for client in (self.told, self.client):
            client.read()
            client.heard.clear()

    def solo(self, voice: str) -> None:
        """Mute every voice but one."""
        self.client.send("/*/mute", 1)
        self.client.send(f"/{voice}/mute", 0)
        self.client.settle()

    def voices(self) -> dict[str, tuple[str, int]]:
        """Return state and latent size of every voice, by name."""
        return {name: (state, size) for name, state, size in self.server.status()["voices"]}  # type: ignore[attr-defined]

    def value(self, address: str) -> tuple[object, ...]:
        """Return what the server answers to a question for a value."""
        return self.client.ask(address, "?", reply=address).args

    def has(self, address: str, *args: float) -> None:
        """Return once a value is as it should be."""
        wait_for(
            lambda: self.value(address) == pytest.approx(args, abs=1e-6),
            PATIENCE,
            lambda: f"{address} is {self.value(address)}, expected {args}",
        )

    @property
    def heard(self) -> int:
        """Frames of the mix that were heard so far."""
        return self._ears.received

    def between(self, start: int, end: int) -> np.ndarray:
        """Return what was heard from one frame to another. Shape [frames, 2]"""
        return self._ears.came(start, end)

    def sound(self, seconds: float) -> np.ndarray:
        """Return what comes of the mix from now on, without a gap. Shape [frames, 2]"""
        start = self.heard
        end = start + round(seconds * RATE)
        wait_for(lambda: self.heard >= end, PATIENCE + seconds, "sound")
        return self.between(start, end)

    def sounds(self, right: Callable[[np.ndarray], object], what: str, seconds: float = 0.06) -> None:
        """Return once some seconds of the mix are as they should be."""
        wait_for(lambda: right(self.sound(seconds)), PATIENCE, lambda: f"{what}; {describe(self.sound(seconds))}")

    def sings(self, octave: float) -> None:
        """Return once the probe sings at a pitch, and stays there."""
        self.sounds(lambda sound: np.abs(octaves(sound) - octave).max() < 0.02, f"expected {octave} octaves")

    def is_silent(self) -> None:
        """Return once nothing is heard."""
        self.sounds(lambda sound: np.abs(sound).max() < 1e-5, "expected silence")

    def is_at(self, loudness: float) -> None:
        """Return once the RMS of what is heard is as it should be, within 2 %."""
        self.sounds(lambda sound: level(sound) == pytest.approx(loudness, rel=0.02), f"expected {loudness}")


def octaves(sound: np.ndarray) -> np.ndarray:
    """Return the probe's pitch in octaves over its usual one, forty times a second; NaN where it does not sound."""
    found = []
    for start in range(0, len(sound) - PIECE + 1, PIECE):
        rises = np.flatnonzero(np.diff(np.signbit(sound[start : start + PIECE, 0]).astype(int)) == -1)
        period = (rises[-1] - rises[0]) / (len(rises) - 1) if len(rises) > 2 else np.nan
        found.append(np.log2(RATE / period / PITCHES["probe-1"]))
    return np.array(found)


def describe(sound: np.ndarray) -> str:
    """Return what a failure should tell of a sound."""
    return f"heard level {level(sound[:, :1]):.5f} and {level(sound[:, 1:]):.5f}, octaves {octaves(sound).round(3)}"


@contextmanager
def staged(voices: Mapping[str, Voice], folder: Path, *options: str) -> Iterator[Stage]:
    """A server with the three voices and two scenes, which keeps everything in `folder`, for the length of a `with`."""
    place = folder / "voices"
    place.mkdir()
    probe = read_voice(PROBES["probe-1"])
    axis = {"direction/high": np.eye(1, LATENT, dtype=np.float32)[0]}  # an octave of pitch
    info = dataclasses.replace(probe.info, directions=("high",))
    write_voice(place / "probe.voice", info, probe.generator, axis, probe.credits, probe.hops)
    alone = dataclasses.replace(BIRD, intensity={"mode": "layers", "layers": 1, "rest_seconds": 0.0})
    make_voice(place / "bird.voice", alone, voices["bird"].generator)
    shutil.copy(voices["stream"].path, place / "stream.voice")
    (folder / "set.toml").write_text(SET)
    with (
        live_server(place, folder / "recordings", "none", str(folder / "set.toml"), *options) as server,
        closing(Client(server.port)) as client,
        Ears(EarsOptions(server.stream_port, fill=2048)) as ears,
    ):
        stage = Stage(server, client, ears)
        wait_for(lambda: {state for state, _ in stage.voices().values()} == {"playing"}, PATIENCE, lambda: server.log)
        yield stage
