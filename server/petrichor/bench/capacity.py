"""How much a machine carries: how fast each voice is made, and how many stream voices sound at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure
from petrichor.bench.listening import largest_step, longest_silence
from petrichor.bench.reload import CLICK
from petrichor.bench.rig import PITCHES, PROBES, Rig
from petrichor.voice_file import read_voice

REACH = {"stream": 100.0, "clip bird": 50.0, "clip rain": 10.0}  # times real time
SHORT = 5.0  # seconds of sound
FILL = 4096
AHEAD = 2048  # frames, 43 ms: each wake-up of so many processes finds cold caches, and makes up to 4 hops for it
TRIES = 2  # at each number: other work of a shared machine may spoil one
SECONDS = 10.0  # that a number of voices has to hold out
LOWEST, HIGHEST = -2.0, 1.0  # octaves of the lowest and the highest voice


def measure_speed(voices: Sequence[Path], repeats: int, work: float) -> list[Figure]:
    """Render each voice offline, a short and a long piece: the difference is free of loading and opening.

    Args:
        voices: Voice files.
        repeats: How often; medians count.
        work: Seconds by which a long piece would take longer than a short one at the speed that is to be reached.
    """
    figures = []
    for path in voices:
        info = read_voice(path).info
        kind = "stream" if info.kind == "stream" else "clip rain" if info.inversion is not None else "clip bird"
        reach = REACH[kind]
        took = np.array([_render(path, SHORT + work * reach) - _render(path, SHORT) for _ in range(repeats)])
        took[took <= 0] = np.nan  # too noisy a machine
        times = work * reach / took
        values = {"times": np.nanmedian(times), "least": np.nanmin(times), "most": np.nanmax(times)}
        figures.append(
            Figure(
                f"{path.stem} ({info.kind}) offline, one core",
                {name: float(value) for name, value in values.items()},
                f"× real time, {repeats} times {work * reach:.0f} s",
                f"≥ {reach:.0f}",
                reach,
                "times",
                least=True,
            )
        )
    return figures


def measure_voices(counts: Sequence[int], path: Path = PROBES["probe-1"]) -> list[Figure]:
    """Let more and more voices of one file sound at once; probes have a pitch each, and all of them have to be there.

    Args:
        counts: Numbers of voices to try, rising; the first that fails ends it.
        path: The file. Of one that is no probe it is judged whether anything was late, silent or left out.
    """
    best, notes = 0, []
    for count in counts:
        for _ in range(TRIES):
            held, note = _hold(count, path)
            notes.append(note)
            if held:
                break
        if not held:
            break
        best = count
    reach = "≥ 32"
    what = f"{path.stem}: stream voices at once"
    return [Figure(what, {"voices": best}, "", reach, 32, "voices", least=True, notes=tuple(notes))]


def _render(path: Path, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "petrichor", "render", str(path), f"{folder}/out.wav"]
        start = time.monotonic()
        subprocess.run([*command, "--seconds", str(seconds)], check=True, capture_output=True)
        return time.monotonic() - start


def _hold(count: int, path: Path) -> tuple[bool, str]:
    probes = path == PROBES["probe-1"]
    octaves = np.linspace(LOWEST, HIGHEST, count)
    hertz = PITCHES["probe-1"] * 2.0**octaves
    voices = {f"v{number}": path for number in range(count)}
    options = ["--ahead", str(AHEAD)]
    with Rig(voices, options) as rig, Ears(EarsOptions(rig.stream_port, fill=FILL)) as ears:
        for number, octave in enumerate(octaves):
            if probes:
                rig.client.send(f"/v{number}/latent/0", float(octave))
            rig.client.send(f"/v{number}/intensity", 1.0)
            rig.client.send(f"/v{number}/gain", -24.0)  # together they stay below the limiter
        rate = ears.options.rate
        rig.check()
        ears.wait_played(ears.played + 2 * rate)  # glides are over
        underruns, start, began = ears.figure("underruns"), ears.played, time.monotonic()
        before, concealed = rig.processor_time(), rig.status()["concealed"]
        ears.wait_played(start + round(SECONDS * rate))
        took = time.monotonic() - began
        cores = sum(after - before.get(process, 0.0) for process, after in rig.processor_time().items()) / took
        late = int(str(rig.status()["concealed"])) - int(str(concealed))
        sound = ears.heard(start, start + round(SECONDS * rate))
        missing = [number for number, level in enumerate(_levels(sound, hertz, rate)) if probes and level < 0.5]
        underruns = ears.figure("underruns") - underruns
        rig.check()
    step, silence = largest_step(sound)[0] if probes else 0.0, longest_silence(sound)
    note = (
        f"{count}: {len(missing)} missing, {underruns:.0f} blocks missed, {late} ms concealed, longest silence "
        f"{silence} frames, largest step {step:.4f}; {cores:.2f} cores, ahead {AHEAD}, fill {FILL}"
    )
    return not missing and not underruns and not late and step < CLICK and silence < rate // 100, note


def _levels(sound: np.ndarray, hertz: np.ndarray, rate: int) -> list[float]:
    """Return each tone's level over the whole of a sound, against the loudest."""
    window = np.hanning(len(sound))
    turns = np.arange(len(sound)) / rate
    levels = [abs(np.vdot(np.exp(2j * np.pi * hz * turns), sound[:, 0] * window)) for hz in hertz]
    return [float(level) / max(levels) for level in levels]
