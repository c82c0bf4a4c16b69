"""Recordings: exact, continuous, valid up to the moment of an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.errors import OutputError
from petrichor.recording import Recorder
from petrichor.timeline import Timeline
from tests.live_server import wait_until


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.9, 0.9, (frames, 2)).astype(np.float32)


@pytest.mark.parametrize(("name", "error"), [("take.wav", 0.0), ("take.flac", 2**-22)])
def test_recording_holds_what_was_mixed_meanwhile(tmp_path: Path, name: str, error: float) -> None:
    timeline = Timeline()
    sound = noise(60000)
    timeline.append(sound[:1000])
    recorder = Recorder(tmp_path / name, timeline, 48000, pytest.fail)
    for start in range(1000, 50000, 100):
        timeline.append(sound[start : start + 100])
    assert recorder.close() == pytest.approx(49000 / 48000)
    written, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == 48000
    np.testing.assert_allclose(written, sound[1000:50000], atol=error)


@pytest.mark.parametrize("name", ["take.mp3", "take", "missing/take.wav"])
def test_impossible_files_are_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError):
        Recorder(tmp_path / name, Timeline(), 48000, pytest.fail)


def test_full_disk_is_told_once_and_what_was_written_stays_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeline = Timeline()
    reasons: list[str] = []
    sound = noise(50000)

    class FillingFile(soundfile.SoundFile):
        """A sound file on a disk that is full after the first chunk."""

        def write(self, data: np.ndarray) -> None:
            if self.frames:
                raise RuntimeError("No space left on device")
            super().write(data)

    monkeypatch.setattr(
        "petrichor.recording.open_sound_file", lambda path, rate: FillingFile(path, "w", rate, 2, "FLOAT")
    )
    recorder = Recorder(tmp_path / "take.wav", timeline, 48000, reasons.append)
    timeline.append(sound)
    wait_until(lambda: reasons, "the error to be told")
    recorder.close()
    assert len(reasons) == 1
    assert "No space left" in reasons[0]
    written, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    np.testing.assert_array_equal(written, sound[: len(written)])
    assert len(written) > 0
