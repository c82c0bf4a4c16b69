"""Spectrograms side by side: drawn from any rate, refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor_training.command_line import main
from petrichor_training.comparison import HOP, RATE, WINDOW, spectrogram_db


def test_a_tone_stands_where_it_is() -> None:
    tone = np.sin(2 * np.pi * 3000 / RATE * np.arange(RATE))
    levels = spectrogram_db(tone)
    assert levels.shape == ((RATE - WINDOW) // HOP + 1, WINDOW // 2 + 1)
    assert (levels.argmax(1) == 3000 * WINDOW // RATE).all()
    assert levels.max() == pytest.approx(0.0, abs=0.5)


def test_command_draws_files_of_any_rate(tmp_path: Path) -> None:
    for name, rate, channels in (("a.wav", 48000, 1), ("b.flac", 16000, 2)):
        soundfile.write(tmp_path / name, np.random.default_rng(0).uniform(-0.1, 0.1, (rate, channels)), rate)
    sounds = [f"real={tmp_path / 'a.wav'}", f"made={tmp_path / 'b.flac'}"]
    assert main(["compare", *sounds, "--out", str(tmp_path / "c.png"), "--seconds", "0.5"]) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("seconds", ["9", "0.5"])
def test_short_and_missing_files_are_refused(tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.wav"
    if seconds == "9":
        soundfile.write(path, np.zeros(4800), 48000)
    assert main(["compare", f"a={path}", "--out", str(tmp_path / "c.png"), "--seconds", seconds]) == 1
    assert "a.wav" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--seconds", "0.01"), ("--start", "-1"), ("--seconds", "nan")])
def test_no_length_and_no_beginning_are_told(
    tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(48000), 48000)
    arguments = ["compare", f"a={tmp_path / 'a.wav'}", "--out", str(tmp_path / "c.png"), "--seconds", "0.5"]
    assert main([*arguments, f"{option}={value}"]) == 1
    assert "expected 0.1 s or more from 0 s or later" in " ".join(capsys.readouterr().err.split())
