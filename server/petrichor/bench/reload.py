"""Reloads and accidents, by the sound: how soon a new file is heard or a killed voice lives, and what lies between."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure, percentiles
from petrichor.bench.listening import QUIET, largest_step, longest_silence, onset
from petrichor.bench.rig import PITCHES, PROBES, Rig
from petrichor.errors import PetrichorError

FILL = 2048  # frames that the listener holds, unless told
HEARD = 0.05  # of full scale, a fifth of a probe's tone: it has come in
OTHER = math.log2(1.4)  # octaves: 400 Hz above 1000, so that 5 ms tell them apart
LONGEST = 5.0  # seconds to wait for a sound
CALM = 5.5  # seconds of playing after which a renderer that dies is replaced without a pause
SILENT = 16  # frames; two tones that cross may cancel for so many
SILENCE_NOTE = f"a crossfade of two tones passes through zero: up to {SILENT} frames are none"
CLICK = 0.004  # of full scale: steps from which a sound is broken; gains and levels that glide stay far below


@dataclass
class _Heard:
    """What was heard of several accidents, each of which ends with another tone."""

    delays: list[float]
    silence: int
    step: float
    missed: float = 0.0  # blocks that were not there when they were to be played


def measure_reload(times: int, fill: int) -> list[Figure]:
    """Replace a voice's file, again and again, by one of another pitch.

    Args:
        times: How often.
        fill: Frames that the listener holds.
    """

    def replace(rig: Rig, index: int) -> tuple[float, float]:
        """Replace the file by that of the other pitch."""
        name = ("probe-2", "probe-1")[index % 2]
        return rig.replace("a", PROBES[name]), PITCHES[name]

    heard = _listen(times, fill, replace)
    silence = {"max": float(heard.silence)}
    return [
        Figure("reload: complete file → heard", percentiles(heard.delays), "ms", "≤ 500 ms", 500, "max"),
        Figure("reload: longest silence", silence, "frames", f"≤ {SILENT}: none", SILENT, "max", notes=(SILENCE_NOTE,)),
        Figure("reload: largest step", {"max": heard.step}, "of full scale", f"< {CLICK}: no click", CLICK, "max"),
        _missed("reload", heard, fill),
    ]


def measure_recovery(times: int, fill: int) -> list[Figure]:
    """Kill a renderer, again and again, and change its voice's pitch: when that is heard, the voice lives.

    Args:
        times: How often.
        fill: Frames that the listener holds.
    """

    def kill(rig: Rig, index: int) -> tuple[float, float]:
        """Kill the renderer, and ask for the other pitch."""
        time.sleep(CALM)
        octave = OTHER * (index % 2 == 0)
        killed = time.monotonic()
        os.kill(rig.renderer("a"), signal.SIGKILL)
        rig.client.send("/a/latent/0", octave)
        return killed, PITCHES["probe-1"] * 2**octave

    heard = _listen(times, fill, kill)
    what, delays, silence = "kill -9 of a renderer → its voice is live again", heard.delays, float(heard.silence)
    return [
        Figure(what, percentiles(delays), "ms", "≤ 1000 ms", 1000, "max"),
        Figure("kill -9: longest silence", {"max": silence}, "frames", "continuous", SILENT, "max"),
        Figure("kill -9: largest step", {"max": heard.step}, "of full scale", f"< {CLICK}: no click", CLICK, "max"),
        _missed("kill -9", heard, fill),
    ]


def measure_audio_recovery(times: int, fill: int) -> list[Figure]:
    """Kill the audio process, which nothing can conceal, and look how much of the sound is missing.

    Args:
        times: How often.
        fill: Frames that the listener holds.
    """
    gaps = []
    with Rig({"a": PROBES["probe-1"]}) as rig, Ears(EarsOptions(rig.stream_port, fill=fill)) as ears:
        _sound(rig, ears)
        for _ in range(times):
            rig.client.heard.clear()
            start = ears.played
            os.kill(rig.named("audio")[-1], signal.SIGKILL)
            rig.client.wait("/fail", lambda message: message.args[0] == "/audio")
            ears.wait_played(start + 2 * ears.options.rate)
            silent = np.abs(ears.heard(start, ears.played)).max(1) < QUIET
            gaps.append(int(silent.sum()) / ears.options.rate)
    notes = ("all that is missing, at a listener that holds its fill and subscribes again as a patch does",)
    return [Figure("kill -9 of the audio process: gap in the sound", percentiles(gaps), "ms", "", None, notes=notes)]


def _missed(what: str, heard: _Heard, fill: int) -> Figure:
    notes = (f"that a listener which holds {fill} frames had to leave silent, all trials together",)
    return Figure(f"{what}: blocks missed", {"all": heard.missed}, "", "0", 0, "all", notes=notes)


def _listen(times: int, fill: int, act: Callable[[Rig, int], tuple[float, float]]) -> _Heard:
    """Let something happen to a sounding voice, again and again.

    Args:
        times: How often.
        fill: Frames that the listener holds.
        act: Does it; returns the steady clock when it was done, and the pitch in Hz that is to be heard then.
    """
    heard = _Heard([], 0, 0.0)
    with Rig({"a": PROBES["probe-1"]}) as rig, Ears(EarsOptions(rig.stream_port, fill=fill)) as ears:
        _sound(rig, ears)
        for index in range(times):
            before, underruns = ears.received, ears.figure("underruns")
            done, hz = act(rig, index)
            frame = _heard(ears, max(before, ears.received - ears.options.rate), hz, done)
            heard.delays.append(ears.arrival(frame) - done)
            ears.wait_for(frame + ears.options.rate // 4)
            between = ears.came(max(before, frame - 2 * ears.options.rate), ears.received)
            heard.silence = max(heard.silence, longest_silence(between))
            heard.step = max(heard.step, largest_step(between)[0])
            ears.wait_played(ears.played + fill)  # what has come is played
            heard.missed += ears.figure("underruns") - underruns
    return heard


def _sound(rig: Rig, ears: Ears) -> None:
    """Let the voice sound at pitch 0, and wait until it does."""
    rig.client.send("/a/intensity", 1.0)
    rig.client.send("/a/latent", *([0.0] * 8))
    _heard(ears, ears.received, PITCHES["probe-1"], time.monotonic())
    ears.wait_for(ears.received + ears.options.rate)


def _heard(ears: Ears, start: int, hz: float, since: float) -> int:
    """Return the first frame received from `start` on in which a tone is heard."""
    while time.monotonic() - since < LONGEST:
        found = onset(ears.came(start, ears.received), hz, HEARD)
        if found is not None:
            return start + found
        time.sleep(0.01)
    raise PetrichorError(f"no tone of {hz:.0f} Hz was heard in {LONGEST:.0f} s")
