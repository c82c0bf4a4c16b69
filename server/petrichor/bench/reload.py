"""Reloads and accidents, by the sound: how soon a new file is heard or a killed voice lives, and what lies between."""

from __future__ import annotations

import math
import os
import signal
import time

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure, percentiles
from petrichor.bench.listening import largest_step, longest_silence, onset
from petrichor.bench.rig import PITCHES, PROBES, Rig
from petrichor.errors import PetrichorError

FILL = 2048
HEARD = 0.05  # of full scale, a fifth of a probe's tone: it has come in
OTHER = math.log2(1.4)  # octaves: 400 Hz above 1000, so that 5 ms tell them apart
LONGEST = 5.0  # seconds to wait for a sound
CALM = 5.5  # seconds of playing after which a renderer that dies is replaced without a pause
CLICK = 0.004  # of full scale: steps from which a sound is broken; gains and levels that glide stay far below


def measure_reload(times: int) -> list[Figure]:
    """Replace a voice's file, again and again, by one of another pitch.

    Args:
        times: How often.
    """
    delays, silences, steps = [], [], []
    with Rig({"a": PROBES["probe-1"]}) as rig, Ears(EarsOptions(rig.stream_port, fill=FILL)) as ears:
        _sound(rig, ears)
        for index in range(times):
            name = ("probe-2", "probe-1")[index % 2]
            before = ears.received
            complete = rig.replace("a", PROBES[name])
            frame = _heard(ears, before, PITCHES[name], complete)
            delays.append(ears.arrival(frame) - complete)
            ears.wait_for(frame + ears.options.rate // 4)
            between = ears.came(before, ears.received)
            silences.append(longest_silence(between))
            steps.append(largest_step(between)[0])
    return [
        Figure("reload: complete file → heard", percentiles(delays), "ms", "≤ 500 ms", 500, "max"),
        Figure("reload: longest silence", {"max": max(silences)}, "frames", "0", 16, "max", notes=(SILENCE_NOTE,)),
        Figure("reload: largest step", {"max": max(steps)}, "of full scale", f"< {CLICK}: no click", CLICK, "max"),
    ]


SILENCE_NOTE = "a crossfade of two tones passes through zero: up to 16 frames are none"


def measure_recovery(times: int) -> list[Figure]:
    """Kill a renderer, again and again, and change its voice's pitch: when that is heard, the voice lives.

    Args:
        times: How often.
    """
    delays, silences, steps = [], [], []
    with Rig({"a": PROBES["probe-1"]}) as rig, Ears(EarsOptions(rig.stream_port, fill=FILL)) as ears:
        _sound(rig, ears)
        for index in range(times):
            time.sleep(CALM)
            octave = OTHER * (index % 2 == 0)
            before = ears.received
            killed = time.monotonic()
            os.kill(rig.renderer("a"), signal.SIGKILL)
            rig.client.send("/a/latent/0", octave)
            frame = _heard(ears, before, PITCHES["probe-1"] * 2**octave, killed)
            delays.append(ears.arrival(frame) - killed)
            ears.wait_for(frame + ears.options.rate // 4)
            between = ears.came(before, ears.received)
            silences.append(longest_silence(between))
            steps.append(largest_step(between)[0])
    return [
        Figure("kill -9 of a renderer → its voice is live again", percentiles(delays), "ms", "≤ 1000 ms", 1000, "max"),
        Figure("kill -9: longest silence meanwhile", {"max": max(silences)}, "frames", "continuous", 16, "max"),
        Figure("kill -9: largest step meanwhile", {"max": max(steps)}, "of full scale", "", notes=(STEP_NOTE,)),
    ]


STEP_NOTE = "the past is played back and forth: at each turn the tone has a kink, which counts as a step of a twentieth"


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
