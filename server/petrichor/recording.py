"""Recording the mix into a file, from a thread of the audio process that follows the timeline.

The timeline keeps ten seconds, so a slow disk delays nobody. What is on the disk when an error comes is a valid
file; the error is told once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import soundfile

from petrichor.errors import OutputError
from petrichor.timeline import Timeline

log = logging.getLogger(__name__)
FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}  # suffix → libsndfile format and subtype
PATIENCE = 0.05  # seconds between two looks at the timeline
CHUNK = 8192  # frames written at once


class Recorder:
    """Writes the timeline into a file until closed.

    Args:
        path: Where to; `.wav` (32-bit float, exact) or `.flac` (24-bit).
        timeline: What to follow, from its present position.
        rate: Hz.
        failed: Called from the recorder's thread with a reason, once, if writing fails.

    Raises:
        OutputError: Unknown suffix, or the file cannot be opened.
    """

    def __init__(self, path: Path, timeline: Timeline, rate: int, failed: Callable[[str], None]) -> None:
        """Open the file and start the thread."""
        self.path = path
        self._timeline = timeline
        self._failed = failed
        self._position = timeline.position
        self._end: int | None = None
        self._stop = threading.Event()
        self._file = open_sound_file(path, rate)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self) -> float:
        """Write up to the present position, close the file and return its length in seconds."""
        self._end = self._timeline.position
        self._stop.set()
        self._thread.join()
        return self._file.frames / self._file.samplerate

    def _run(self) -> None:
        try:
            while not self._stop.wait(PATIENCE):
                self._write_to(self._timeline.position)
            assert self._end is not None, "set before the event"
            self._write_to(self._end)
        except (OSError, RuntimeError) as error:  # soundfile's errors are RuntimeErrors
            log.error("recording %s: %s", self.path, error)
            self._failed(f"{self.path.name}: {error}; what was recorded so far is kept")
        finally:
            self._file.close()

    def _write_to(self, end: int) -> None:
        if self._position < self._timeline.oldest:
            log.warning("recording %s fell behind by more than the timeline holds", self.path)
            self._position = self._timeline.oldest
        while self._position < end:
            frames = min(CHUNK, end - self._position)
            self._file.write(self._timeline.read(self._position, frames))
            self._position += frames


def open_sound_file(path: Path, rate: int) -> soundfile.SoundFile:
    """Open a stereo sound file for writing.

    Args:
        path: `.wav` gives 32-bit float, `.flac` 24 bit.
        rate: Hz.

    Raises:
        OutputError: Unknown suffix, or the file cannot be opened.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path.name}: got the suffix {path.suffix!r}, expected one of {', '.join(FORMATS)}")
    container, subtype = FORMATS[path.suffix.lower()]
    try:
        return soundfile.SoundFile(path, "w", rate, 2, subtype, format=container)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: {error}") from error
