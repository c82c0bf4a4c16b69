"""Recording the mix into a file, from a thread of the audio process that follows the timeline.

The timeline keeps ten seconds, so a slow disk delays nobody. What is on the disk when an error comes is a valid
file; the error is told once.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from queue import SimpleQueue

import soundfile

from petrichor.bell import Bell
from petrichor.errors import OutputError
from petrichor.orders import Recording
from petrichor.timeline import Timeline

log = logging.getLogger(__name__)
FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}  # suffix → libsndfile format and subtype
PATIENCE = 0.05  # seconds between two looks at the timeline
CHUNK = 8192  # frames written at once


class Recorder:
    """Writes the timeline into a file until told to finish.

    Nothing here blocks its caller: the file is opened, written and closed on the recorder's own thread, which says
    what happened in `reports` and rings the bell.

    Args:
        path: Where to; `.wav` (32-bit float, exact) or `.flac` (24-bit).
        timeline: What to follow, from its present position.
        rate: Hz.
        token: Goes into the report of the start.
        reports: Where the start, an error and the end are put.
        bell: Rung after each report.
    """

    def __init__(
        self, path: Path, timeline: Timeline, rate: int, token: int, reports: SimpleQueue[Recording], bell: Bell
    ) -> None:
        """Start the thread."""
        self.path = path
        self._timeline = timeline
        self._rate = rate
        self._end_token = token
        self._reports = reports
        self._bell = bell
        self._position = timeline.position
        self._end: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(token,), name="recorder", daemon=True)
        self._thread.start()

    def finish(self, token: int = 0) -> None:
        """Let it write up to the present position and close the file; `token` goes into the report of the end."""
        self._end_token = token
        self._end = self._timeline.position
        self._stop.set()

    def join(self) -> None:
        """Wait until the file is closed."""
        self._thread.join()

    def _run(self, token: int) -> None:
        try:
            self._file = open_sound_file(self.path, self._rate)
        except OutputError as error:
            self._report(Recording(str(self.path), error=str(error), token=token))
            return
        self._report(Recording(str(self.path), token=token))
        problem = self._write()
        self._file.close()
        self._report(Recording(str(self.path), problem, self._file.frames / self._rate, self._end_token))

    def _write(self) -> str:
        """Follow the timeline to the end; return "" or why not."""
        try:
            while not self._stop.wait(PATIENCE):
                self._write_to(self._timeline.position)
            assert self._end is not None, "set before the event"
            self._write_to(self._end)
        except (OSError, RuntimeError) as error:  # soundfile's errors are RuntimeErrors
            return f"{self.path.name}: {error}; what was recorded so far is kept"
        return ""

    def _report(self, report: Recording) -> None:
        self._reports.put(report)
        self._bell.ring()

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
