"""Recordings: exact, continuous, valid up to the moment of an error."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
import soundfile

from petrichor import recording
from petrichor.bell import Bell
from petrichor.orders import Recording
from petrichor.recording import Recorder
from petrichor.timeline import HISTORY, Timeline


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.9, 0.9, (frames, 2)).astype(np.float32)


@pytest.fixture
def reports() -> SimpleQueue[Recording]:
    return SimpleQueue()


@pytest.fixture
def record(reports: SimpleQueue[Recording]) -> Iterator[Callable[..., Recorder]]:
    """Start a recorder that reports into `reports`."""
    hear, ring = Bell.pair()
    yield lambda path, timeline, seconds=None: Recorder(path, timeline, 48000, 7, reports, ring, seconds=seconds)
    hear.close()
    ring.close()


Record = Callable[..., Recorder]


@pytest.mark.parametrize(("name", "error"), [("take.wav", 0.0), ("take.flac", 2**-22)])
def test_recording_holds_what_was_mixed_meanwhile(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], name: str, error: float
) -> None:
    timeline = Timeline()
    sound = noise(60000)
    timeline.append(sound[:1000])
    recorder = record(tmp_path / name, timeline)
    for start in range(1000, 50000, 100):
        timeline.append(sound[start : start + 100])
    recorder.finish()
    recorder.join()
    path = str(tmp_path / name)
    assert reports.get() == Recording(path, 7)
    assert reports.get() == Recording(path, 7, seconds=pytest.approx(49000 / 48000))
    written, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == 48000
    np.testing.assert_allclose(written, sound[1000:50000], atol=error)


@pytest.mark.parametrize(("stop", "frames"), [(None, 24000), (20000, 19000), (40000, 24000)])
def test_recording_of_a_length_ends_by_itself_or_earlier_where_told_to(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], stop: int | None, frames: int
) -> None:
    timeline = Timeline()
    sound = noise(60000)
    timeline.append(sound[:1000])
    recorder = record(tmp_path / "take.wav", timeline, 0.5)
    if stop is not None:
        recorder.finish(stop)
    for start in range(1000, 50000, 100):
        timeline.append(sound[start : start + 100])
    path = str(tmp_path / "take.wav")
    assert reports.get(timeout=10) == Recording(path, 7)
    assert reports.get(timeout=10) == Recording(path, 7, seconds=frames / 48000)
    recorder.join()  # it rings its bell after each report
    written, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    np.testing.assert_array_equal(written, sound[1000 : 1000 + frames])


@pytest.mark.parametrize("name", ["take.mp3", "take", "missing/take.wav"])
def test_impossible_files_are_refused_with_a_reason(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], name: str
) -> None:
    record(tmp_path / name, Timeline()).join()
    report = reports.get()
    assert report.take == 7
    assert report.error
    assert reports.empty()


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file of this process grow beyond so many bytes: what a full disk does, as the system does it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_full_disk_is_told_once_and_what_was_written_stays_valid(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], small_files: int
) -> None:
    timeline = Timeline()
    sound = noise(50000)
    recorder = record(tmp_path / "take.wav", timeline)
    timeline.append(sound)
    recorder.join()
    assert reports.get().error == ""
    assert "what was recorded so far is kept" in reports.get().error
    assert reports.empty()
    assert (tmp_path / "take.wav").stat().st_size <= small_files
    written, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    np.testing.assert_array_equal(written, sound[: len(written)])
    assert len(written) > 10_000


def test_wav_ends_in_time_before_its_sizes_overflow(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told once and kept, like one on a full disk; a FLAC goes on."""
    assert recording.WAV_FRAMES * 8 + 4096 <= 2**32
    monkeypatch.setattr(recording, "WAV_FRAMES", 20_000)
    sound = noise(50_000)
    for name, kept in (("take.wav", 20_000), ("take.flac", 50_000)):
        timeline = Timeline()
        recorder = record(tmp_path / name, timeline)
        timeline.append(sound)
        recorder.finish()
        recorder.join()
        assert reports.get().error == ""
        end = reports.get()
        assert end.seconds == pytest.approx(kept / 48000)
        assert ("cannot hold more" in end.error and "is kept" in end.error) == (name == "take.wav")
        assert reports.empty()
        written, _ = soundfile.read(tmp_path / name, dtype="float32")
        np.testing.assert_allclose(written, sound[:kept], atol=2**-22)


class Stalled(Timeline):
    """A timeline that goes on by more than it keeps while the first chunk is written, as on a disk that stalls."""

    stalled = False

    def read(self, start: int, frames: int) -> np.ndarray:
        """Return a stretch."""
        sound = super().read(start, frames)
        if not self.stalled:
            for _ in range(2):
                self.append(np.full((HISTORY // 2, 2), 0.25, np.float32))
            self.stalled = True
        return sound


def test_disk_that_stalls_leaves_a_gap_and_not_the_end(
    tmp_path: Path, record: Record, reports: SimpleQueue[Recording], caplog: pytest.LogCaptureFixture
) -> None:
    timeline, sound = Stalled(), noise(30_000)
    recorder = record(tmp_path / "take.wav", timeline)
    timeline.append(sound)
    while not timeline.stalled:
        recorder._thread.join(0.01)
    recorder.finish()
    recorder.join()
    assert [reports.get().error for _ in range(2)] == ["", ""]
    assert caplog.text.count("are left out") == 1
    written, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    np.testing.assert_array_equal(written[: recording.CHUNK], sound[: recording.CHUNK])
    assert len(written) == recording.CHUNK + timeline.position - timeline.oldest
    assert (written[recording.CHUNK :] == 0.25).all()
