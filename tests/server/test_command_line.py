"""The commands as they are typed: `petrichor play`, `render` and `voices`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor import play
from petrichor.command_line import main
from tests.sound import level

Printed = pytest.CaptureFixture[str]
RATE = 48000
DEMONSTRATION = """
[[event]]
at = 0.0
address = "/rain/intensity"
args = [1.0]
[[event]]
at = 0.5
address = "/bird/intensity"
args = [1.0]
"""


@pytest.fixture
def folder(voice_paths: dict[str, Path], tmp_path: Path) -> Path:
    """A voice folder with the tiny bird and rain."""
    folder = tmp_path / "voices"
    folder.mkdir()
    for name in ("bird", "rain"):
        shutil.copy(voice_paths[name], folder)
    return folder


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demonstration of a second and a half."""
    score = tmp_path / "demonstration.toml"
    score.write_text(DEMONSTRATION)
    monkeypatch.setattr(play, "SCORE", score)
    monkeypatch.setattr(play, "SECONDS", 1.5)


@pytest.mark.usefixtures("short")
def test_play_without_a_sound_card_leaves_its_sound_in_a_file(folder: Path, tmp_path: Path, capsys: Printed) -> None:
    output = tmp_path / "demo.wav"
    output.write_text("an older one")
    assert main(["play", "--device", "none", "--voices", str(folder), "--output", str(output)]) == 0
    assert str(output) in capsys.readouterr().out
    sound, rate = soundfile.read(output, dtype="float32")
    assert (rate, len(sound)) == (RATE, 1.5 * RATE)
    assert level(sound[RATE // 2 :]) > 1e-3


@pytest.mark.usefixtures("short")
def test_play_without_its_voices_says_so(folder: Path, tmp_path: Path, capsys: Printed) -> None:
    (folder / "bird.voice").unlink()
    output = tmp_path / "demo.wav"
    assert main(["play", "--device", "none", "--voices", str(folder), "--output", str(output)]) == 1
    assert "not playing: bird" in capsys.readouterr().err


def test_render_tells_what_it_made_and_fails_where_a_message_was_refused(
    folder: Path, tmp_path: Path, capsys: Printed
) -> None:
    render = ["render", "rain", str(tmp_path / "out.flac"), "--voices", str(folder), "--seconds", "0.5"]
    assert main(render) == 0
    assert "out.flac: 0.5 s, " in capsys.readouterr().out
    sound, _ = soundfile.read(tmp_path / "out.flac")
    assert sound.shape == (RATE // 2, 2) and np.isfinite(sound).all()
    score = tmp_path / "score.toml"
    score.write_text('[[event]]\nat = 0.1\naddress = "/rain/colour"\nargs = [1.0]\n')
    assert main([*render, "--script", str(score)]) == 1
    assert "refused: 1" in capsys.readouterr().err


def test_voices_lists_what_is_there_and_fails_where_one_is_broken(folder: Path, capsys: Printed) -> None:
    assert main(["voices", str(folder), "--figures", "--credits"]) == 0
    told = capsys.readouterr().out
    assert "bird" in told and "rain" in told
    (folder / "broken.voice").write_bytes(b"no zip")
    assert main(["voices", str(folder)]) == 1
    assert "broken" in capsys.readouterr().out


def test_who_has_read_enough_ends_a_command_without_a_word() -> None:
    """`petrichor voices --credits | true`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "petrichor", "voices", "--credits"]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
