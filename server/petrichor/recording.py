"""Recording the mix into a file, from a thread of the audio process that follows the timeline.

The timeline keeps ten seconds, so a slow disk delays nobody; what one that stalls for longer misses is left out. What
is on the disk when an error comes, or when the process is killed, is a valid file (a WAV at least); an error is told
once. A WAV that has become as long as its sizes can count ends like one on a full disk.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import soundfile

from petrichor.bell import Bell
from petrichor.errors import MessageError, OutputError
from petrichor.orders import Recording
from petrichor.timeline import Timeline

log = logging.getLogger(__name__)
FORMATS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}  # suffix → libsndfile format and subtype
WAV_FRAMES = (2**32 - 4096) // 8  # stereo float32 that the 32-bit sizes of a WAV file can count: 3.1 h at 48 kHz
PATIENCE = 0.05  # seconds between two looks at the timeline
CHUNK = 8192  # frames written at once
LAG = 0.25  # seconds that the file stays behind the mix, so that it can end at a frame that is past


class Recorder:
    """Writes the timeline into a file until told to finish, or up to a length of it.

    Nothing here blocks its caller: the file is opened, written and closed on the recorder's own thread, which says
    what happened in `reports` and rings the bell.

    Args:
        path: Where to; `.wav` (32-bit float, exact) or `.flac` (24-bit).
        timeline: What to follow.
        rate: Hz.
        take: Names it in every report.
        reports: Where the start, an error and the end are put.
        bell: Rung after each report.
        position: Frame of the mix to start at, a little past or to come; None for the next one.
        seconds: Length after which it ends by itself; None for no such end.
    """

    def __init__(
        self,
        path: Path,
        timeline: Timeline,
        rate: int,
        take: int,
        reports: SimpleQueue[Recording],
        bell: Bell,
        position: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Start the thread."""
        self.path = path
        self._timeline = timeline
        self._rate = rate
        self._take = take
        self._reports = reports
        self._bell = bell
        self._position = timeline.position if position is None else max(position, timeline.oldest)
        self._written = 0
        self._most = WAV_FRAMES if path.suffix.lower() == ".wav" else None  # a FLAC counts 36 bits of frames
        self._end: int | None = None if seconds is None else self._position + round(seconds * rate)
        self._closing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def finish(self, position: int | None = None) -> None:
        """Let it write up to a frame of the mix, or the present one, and close the file.

        Args:
            position: First frame that is left out, a little past or to come.
        """
        present = self._timeline.position
        end = present if position is None else min(position, present + self._rate)
        self._end = end if self._end is None else min(end, self._end)
        self._stop.set()

    def join(self) -> None:
        """Wait until the file is closed; the mix does not go on meanwhile."""
        self._closing = True
        self._thread.join()

    def _run(self) -> None:
        path, take = str(self.path), self._take
        try:
            file = open_unbreakable(self.path, self._rate)
        except OutputError as error:
            self._report(Recording(path, take, str(error)))
            return
        self._report(Recording(path, take))
        problem = ""
        try:
            with file:
                self._write(file)
        except Exception as error:  # soundfile raises RuntimeError, OSError and, where the disk is full, AssertionError
            log.error("recording %s: %s", path, error)
            reason = str(error) or "the disk is full or cannot be written"
            problem = f"{self.path.name}: {reason}; what was recorded so far is kept"
        self._report(Recording(path, take, problem, self._written / self._rate))

    def _write(self, file: soundfile.SoundFile) -> None:
        """Follow the timeline until told to finish, or to the end that it has from the start."""
        lag = round(LAG * self._rate)
        while not self._stop.wait(PATIENCE):
            position = self._timeline.position
            if self._end is not None and position >= self._end:
                break
            self._write_to(file, position - lag)
        end = self._end
        assert end is not None, "set before the event"
        while self._timeline.position < end and not self._closing:  # a stop at a sample may come just before it
            time.sleep(PATIENCE / 10)
        self._write_to(file, min(end, self._timeline.position))

    def _report(self, report: Recording) -> None:
        self._reports.put(report)
        self._bell.ring()

    def _write_to(self, file: soundfile.SoundFile, end: int) -> None:
        while self._position < end:
            frames = min(CHUNK, end - self._position)
            if self._most is not None:
                frames = min(frames, self._most - self._written)
            if not frames:
                hours = self._written / self._rate / 3600
                raise OutputError(f"a .wav file cannot hold more than these {hours:.1f} h, a .flac file can")
            try:
                sound = self._timeline.read(self._position, frames)
            except IndexError:  # looked for at each chunk: each one before may have taken the disk long
                self._skip()
                continue
            file.write(sound)
            self._position += frames
            self._written += frames

    def _skip(self) -> None:
        """Go on with the oldest sound that is still there."""
        oldest = self._timeline.oldest
        log.warning("recording %s fell behind: %.1f s are left out", self.path, (oldest - self._position) / self._rate)
        self._position = oldest


def reserve_recording(address: str, folder: Path, name: str) -> Path:
    """Return where a recording of that name goes; makes the folder and an empty file, so that the name is taken.

    Args:
        address: The OSC address that asks, for the error.
        folder: The recordings folder.
        name: File name; without a suffix it gets `.wav`.

    Raises:
        MessageError: The name leaves the folder, is taken, has another suffix, or cannot be written.
    """
    if not name or name != Path(name).name or name.startswith("."):
        raise MessageError(address, f"got {name!r:.60}, expected a file name without folders")
    path = folder.absolute() / (name if Path(name).suffix else f"{name}.wav")
    if path.suffix.lower() not in FORMATS:
        raise MessageError(address, f"got {name!r:.60}, expected a name that ends in one of {', '.join(FORMATS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    except FileExistsError:
        raise MessageError(address, f"{path.name} exists already; nothing is overwritten") from None
    except OSError as error:
        raise MessageError(address, f"{name!r:.60} cannot be written in {folder}: {error.strerror}") from error
    return path


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


def open_unbreakable(path: Path, rate: int) -> soundfile.SoundFile:
    """Open a stereo sound file whose header counts what was written so far after every write, in WAV at least.

    Raises:
        OutputError: Unknown suffix, or the file cannot be opened.
    """
    file = open_sound_file(path, rate)
    soundfile._snd.sf_command(file._file, 0x1061, soundfile._ffi.NULL, 1)  # SFC_SET_UPDATE_HEADER_AUTO, from sndfile.h
    return file
