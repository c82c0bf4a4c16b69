"""Excerpts of recordings and of what a voice plays, at one rate and one length, for the figures to be taken from.

What lies below the edge at which a cache's recordings were high-passed is taken from voices as well: figures are of
what both have, not of what no ear hears where one has nothing at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from petrichor_training.errors import DataError, EvaluationError
from petrichor_training.manifest import credit_of, read_manifest, source_of
from petrichor_training.quality.copying import loud_levels
from petrichor_training.quality.texture import RATE, SECONDS
from petrichor_training.recordings import Progress, find_recordings, high_pass, read_recording

FRAMES = round(SECONDS * RATE)
MOST = 12  # excerpts of one recording: a long one should not decide alone
SILENT = 1e-6  # RMS: of less no figure can be taken


@dataclass(frozen=True)
class Excerpt:
    """One stretch of sound.

    Attributes:
        sound: Shape [FRAMES], at `RATE`.
        origin: The recording's group, or the seed of the voice.
        name: For people.
    """

    sound: np.ndarray
    origin: str
    name: str


@dataclass
class Recordings:
    """Excerpts of real sound in two parts that share no source.

    Attributes:
        train: The recordings a voice may have learned from.
        validation: Those it never did.
        left_out: Reasons by file name.
        apart: Credits of those in `validation`.
        learned: All of the training recordings, as copies of them are looked for. Shape [frames, bands] each
        high_pass_hz: Below which nothing is left of them.
    """

    train: list[Excerpt] = field(default_factory=list)
    validation: list[Excerpt] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)
    learned: list[np.ndarray] = field(default_factory=list)
    high_pass_hz: float = 0.0


def cut(sound: np.ndarray, most: int = MOST) -> list[np.ndarray]:
    """Return at most so many excerpts, spread evenly over a sound; none where it is too short.

    Args:
        sound: Shape [frames], at `RATE`.
        most: Excerpts at most.
    """
    count = min(len(sound) // FRAMES, most)
    starts = np.linspace(0, max(len(sound) - FRAMES, 0), count).astype(int)
    return [sound[start : start + FRAMES] for start in starts]


def _prepared(cache: Path) -> tuple[dict[str, dict[str, Any]], float]:
    """Return the used recordings of a cache by name, and its high-pass in Hz."""
    try:
        summary = json.loads((cache / "prepared.json").read_text("utf-8"))
        return {entry["name"]: entry for entry in summary["used"]}, float(summary["prepare"]["high_pass_hz"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(cache, f"not a prepared cache ({error}); run petrichor-train prepare first") from error


def read_recordings(folder: Path, cache: Path, progress: Progress = lambda paths: paths) -> Recordings:
    """Cut the recordings of a cache into excerpts, its own split and high-pass kept.

    Args:
        folder: The recordings that it was prepared from.
        cache: A folder that ``prepare`` wrote.
        progress: Wraps the iteration over files.

    Raises:
        DataError: No cache, other recordings, or fewer than two excerpts on either side.
    """
    used, high_pass_hz = _prepared(cache)
    manifest, found = read_manifest(folder), Recordings(high_pass_hz=high_pass_hz)
    sources = {path: source_of(path, folder, manifest) for path in find_recordings(folder)}
    for path in progress([path for path, source in sources.items() if source.name in used]):
        name = sources[path].name
        try:
            whole = read_recording(path, RATE, high_pass_hz)
        except DataError as error:
            found.left_out[name] = error.reason
            continue
        if not used[name]["validation"]:
            found.learned.append(loud_levels(whole))
        sounds = cut(whole)
        heard = [sound for sound in sounds if not _silent(sound)]
        if not heard:
            found.left_out[name] = "silent" if sounds else f"shorter than {SECONDS:g} s"
        side = found.validation if used[name]["validation"] else found.train
        if heard and used[name]["validation"]:
            found.apart.append(credit_of(sources[path]))
        side += [Excerpt(sound, used[name]["group"], name) for sound in heard]
    for part, excerpts in (("training", found.train), ("validation", found.validation)):
        if len(excerpts) < 2:
            raise DataError(folder, f"gives {len(excerpts)} excerpts for {part}, expected two or more")
    return found


def _silent(sound: np.ndarray) -> bool:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) < SILENT


def render(voice: Path, seconds: float, seed: int, intensity: float) -> np.ndarray:
    """Return what the server would play of a voice, with the settings a performer finds.

    Args:
        voice: A voice file.
        seconds: Length; one more is rendered first and thrown away, while the voice begins.
        seed: Of latent and noise.
        intensity: 0…1.

    Returns:
        The mean of left and right, in which all places count alike. Shape [frames], at `RATE`.

    Raises:
        EvaluationError: The voice cannot be played.
    """
    with tempfile.TemporaryDirectory(prefix="petrichor-evaluate-") as name:
        out = Path(name) / "sound.wav"
        settings = {"seconds": seconds + 1, "seed": seed, "intensity": intensity, "rate": RATE}
        options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
        command = [sys.executable, "-m", "petrichor", "render", str(voice), str(out), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EvaluationError(f"{voice} cannot be rendered: {done.stderr.strip()[-500:]}")
        sound, _ = soundfile.read(out, dtype="float32", always_2d=True)
    return np.asarray(sound[RATE:].mean(axis=1))


def play(
    voice: Path, count: int, seeds: Sequence[int], intensities: Sequence[float], high_pass_hz: float
) -> list[Excerpt]:
    """Return excerpts of a voice: every seed, at intensities in turn.

    Args:
        voice: A voice file.
        count: Excerpts wanted, at least one of each seed.
        seeds: Of latent and noise.
        intensities: 0…1.
        high_pass_hz: That of the recordings it is held against; see `petrichor_training.recordings.high_pass`.

    Raises:
        EvaluationError: The voice cannot be played, or is silent.
    """
    each = -(-count // len(seeds))
    excerpts = []
    for index, seed in enumerate(seeds):
        sound = render(voice, each * SECONDS, seed, intensities[index % len(intensities)])
        sound = high_pass(sound, RATE, high_pass_hz)
        excerpts += [Excerpt(piece, f"seed {seed}", voice.stem) for piece in cut(sound, each) if not _silent(piece)]
    if len(excerpts) < 2:
        raise EvaluationError(f"{voice} is silent")
    return excerpts
