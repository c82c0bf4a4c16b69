"""All figures of one or more voices, as JSON and as a page that opens from disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from petrichor.voice_file import Voice, read_voice
from petrichor_training.errors import EvaluationError
from petrichor_training.quality.copying import Found, Learned, copying, loud_levels
from petrichor_training.quality.excerpts import Excerpt, Recordings, play, render
from petrichor_training.quality.figures import Reference, measure
from petrichor_training.quality.intensity import intensity_figures
from petrichor_training.quality.repetition import repetition
from petrichor_training.quality.report import Column, write_report
from petrichor_training.replacement import replacing

Say = Callable[[str], None]


@dataclass(frozen=True)
class EvaluateOptions:
    """How much of each voice is listened to.

    Attributes:
        seeds: Latents, each with its own noise.
        intensities: At which they play, in turn, 0…1.
        excerpts: Of four seconds, of each voice; 0 = as many as there are of the training recordings.
        repetition_seconds: Length in which repetition is looked for; 0 = it is not.
        intensity_seconds: Length at each of eleven intensities; 0 = at none.
        copying_seeds: Latents of which four seconds each are looked for in the training recordings: of a stream at
            `intensities`, of clips at none, where they stand alone; 0 = none is.
        telling_draws: Classifiers that try to tell the voice from recordings; 0 = none does.
    """

    seeds: int = 8
    intensities: tuple[float, ...] = (0.5,)
    excerpts: int = 0
    repetition_seconds: float = 120.0
    intensity_seconds: float = 10.0
    copying_seeds: int = 24
    telling_draws: int = 12

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.seeds < 2:
            raise EvaluationError(f"--seeds: got {self.seeds}, expected 2 or more")
        if self.excerpts < 0:
            raise EvaluationError(f"--excerpts: got {self.excerpts}, expected 0 or more")
        if not all(0 <= intensity <= 1 for intensity in self.intensities) or not self.intensities:
            raise EvaluationError(f"--intensities: got {self.intensities}, expected numbers from 0 to 1")
        if not (self.copying_seeds == 0 or 2 <= self.copying_seeds < 10_000):
            raise EvaluationError(f"--copying-seeds: got {self.copying_seeds}, expected 0 or 2 to 9999")
        if not (self.repetition_seconds == 0 or self.repetition_seconds >= 3):
            raise EvaluationError(f"--minutes: got {self.repetition_seconds / 60:g}, expected 0, or 0.05 or more")
        if not (self.intensity_seconds == 0 or self.intensity_seconds >= 1):
            raise EvaluationError(f"--intensity-seconds: got {self.intensity_seconds:g}, expected 0, or 1 or more")
        if self.telling_draws < 0:
            raise EvaluationError(f"--telling-draws: got {self.telling_draws}, expected 0 or more")


def evaluate(
    voices: Sequence[Path], recordings: Recordings, out: Path, options: EvaluateOptions, say: Say = lambda _: None
) -> dict[str, Any]:
    """Measure voices against recordings; write ``figures.json`` and ``report.html``.

    Args:
        voices: Voice files.
        recordings: From `read_recordings`.
        out: A folder, made if need be.
        options: How much is listened to.
        say: Told what is being done.

    Returns:
        What ``figures.json`` holds: `recordings` (the training recordings' own figures, which are what 1 means),
        `kept_apart` (how like them the others are) and `voices` by name.

    Raises:
        EvaluationError: A voice cannot be played, or two have one name.
        VoiceFileError: A file is no voice.
    """
    opened = _opened(voices, recordings, say)  # before an hour is spent on some of them
    say(f"recordings: {len(recordings.train)} excerpts for training, {len(recordings.validation)} kept apart")
    reference = Reference(recordings)
    count = options.excerpts or len(recordings.train)
    copies = Copies(recordings) if options.copying_seeds else None
    telling = Telling(recordings, options.telling_draws, say)
    of_recordings = reference.figures(reference.train) | telling.of("recordings", recordings.train)
    columns = [Column("recordings", of_recordings, _sounds(recordings.train))]
    apart = Column("kept apart", copies.of_apart() if copies else {}, _sounds(recordings.validation))
    for voice in opened:
        columns.append(_of_voice(voice, reference, telling, copies, count, options, say))
    figures = {
        "options": asdict(options),
        "left_out": recordings.left_out,
        "excerpts": {"train": len(recordings.train), "validation": len(recordings.validation)},
        "recordings": columns[0].figures,
        "kept_apart": apart.figures,
        "voices": {column.name: column.figures for column in columns[1:]},
    }
    _write(out, figures, [apart, *columns])
    return figures


def _write(out: Path, figures: dict[str, Any], columns: Sequence[Column]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "figures.json") as temporary:
        temporary.write_text(json.dumps(figures, indent=1), "utf-8")
    write_report(out / "report.html", columns)


def _opened(voices: Sequence[Path], recordings: Recordings, say: Say) -> list[Voice]:
    """Read the voices; see `evaluate`."""
    names = [path.stem for path in voices]
    if len(set(names)) < len(names):
        raise EvaluationError(f"voices need different names, got {', '.join(names)}")
    opened = [read_voice(path) for path in voices]
    for name, voice in zip(names, opened, strict=True):
        if known := [line for line in recordings.apart if line in voice.credits.splitlines()]:
            say(f"{name} has learned from what it is judged by: {'; '.join(known)}")
    return opened


class Copies:
    """Looks for what is played in what was learned from.

    Args:
        recordings: Both parts.
    """

    def __init__(self, recordings: Recordings) -> None:
        """Look for the recordings kept apart: so alike are sounds that were not copied."""
        self._learned = Learned(recordings.learned)
        self._apart = self._nearest(recordings.validation)

    def of(self, excerpts: Sequence[Excerpt]) -> dict[str, Any]:
        """Return the figure of excerpts by its name, `copying`; nothing where nothing happens in them."""
        return self._figures(self._nearest(excerpts))

    def of_apart(self) -> dict[str, Any]:
        """Return the same of the recordings kept apart."""
        return self._figures(self._apart)

    def _figures(self, found: Found) -> dict[str, Any]:
        copied = copying(found, self._apart)
        return {"copying": asdict(copied)} if copied else {}

    def _nearest(self, excerpts: Sequence[Excerpt]) -> Found:
        return self._learned.nearest(loud_levels(excerpt.sound) for excerpt in excerpts)


class Telling:
    """Tries to tell what is played from the recordings kept apart.

    Args:
        recordings: Both parts.
        draws: Classifiers that try; 0 = none does.
        say: Told what is being done.
    """

    def __init__(self, recordings: Recordings, draws: int, say: Say) -> None:
        """Ask for Keras, which nothing else here needs, where some do."""
        self._jury, self._say = None, say
        if draws:
            from petrichor_training.quality.telling import Jury  # noqa: PLC0415

            self._jury = Jury(recordings.validation, draws)

    def of(self, name: str, excerpts: Sequence[Excerpt]) -> dict[str, Any]:
        """Return the figure of excerpts by its name, `telling`; nothing, and it is said, where there are too few."""
        if self._jury is None:
            return {}
        self._say(f"{name}: told from the recordings kept apart")
        told = self._jury.told(excerpts)
        if told is None:
            self._say(f"{name}: too few to be told apart, {self._jury.LEAST} groups or seeds of both are wanted")
        return {"telling": asdict(told)} if told else {}


def _of_voice(
    voice: Voice,
    reference: Reference,
    telling: Telling,
    copies: Copies | None,
    count: int,
    options: EvaluateOptions,
    say: Say,
) -> Column:
    path, name = voice.path, voice.path.stem
    say(f"{name}: {count} excerpts")
    excerpts = play(path, count, range(1, options.seeds + 1), options.intensities, reference.high_pass_hz)
    figures = reference.figures(measure(excerpts)) | telling.of(name, excerpts)
    if options.repetition_seconds:
        say(f"{name}: {options.repetition_seconds:g} s for repetition")
        middle = options.intensities[len(options.intensities) // 2]
        figures["repetition"] = asdict(repetition(render(path, options.repetition_seconds, 1, middle)))
    if options.intensity_seconds:
        say(f"{name}: eleven intensities")
        figures["intensity"] = intensity_figures(path, options.intensity_seconds)
    if copies:
        say(f"{name}: copies")
        seeds = range(1, options.copying_seeds + 1)
        intensities = options.intensities if voice.info.kind == "stream" else (0.0,)
        figures |= copies.of(play(path, len(seeds), seeds, intensities, reference.high_pass_hz))
    return Column(name, figures, _sounds(excerpts))


def _sounds(excerpts: Sequence[Excerpt]) -> list[tuple[str, np.ndarray]]:
    """Return three excerpts to look at and to hear, of different origins where there are."""
    firsts: dict[str, Excerpt] = {}
    for excerpt in excerpts:
        firsts.setdefault(excerpt.origin, excerpt)
    several = list(firsts.values()) if len(firsts) >= 3 else list(excerpts)
    chosen = [several[index] for index in np.linspace(0, len(several) - 1, min(3, len(several))).astype(int)]
    return [(f"{excerpt.name}, {excerpt.origin}", excerpt.sound / _peak(excerpt.sound)) for excerpt in chosen]


def _peak(sound: np.ndarray) -> float:
    return max(float(np.abs(sound).max()) / 0.9, 1e-6)
