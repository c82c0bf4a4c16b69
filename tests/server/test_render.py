"""Offline rendering into files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from petrichor.errors import OptionError, OutputError, PetrichorError, VoiceFileError
from petrichor.render import RenderOptions, read_latent, render_to_file


@pytest.fixture
def options(voice_paths: dict[str, Path], tmp_path: Path) -> RenderOptions:
    return RenderOptions(voice_paths["bird"], tmp_path / "out.wav", seconds=1.5)


def rendered(options: RenderOptions, **changes: object) -> np.ndarray:
    options = dataclasses.replace(options, **changes)
    render_to_file(options)
    return soundfile.read(options.output, dtype="float32")[0]


@pytest.mark.parametrize("name", ["bird", "rain", "stream"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_are_repeatable_to_the_byte(voice_paths: dict[str, Path], tmp_path: Path, name: str, suffix: str) -> None:
    files = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for file in files:
        report = render_to_file(RenderOptions(voice_paths[name], file, seconds=0.7))
    assert files[0].read_bytes() == files[1].read_bytes()
    sound, rate = soundfile.read(files[0], dtype="float32")
    assert (rate, sound.shape) == (48_000, (33_600, 2))
    assert report.frames == 33_600
    assert report.seconds == pytest.approx(0.7)
    assert report.times_real_time > 0
    assert report.peak == pytest.approx(20 * np.log10(np.abs(sound).max()), abs=0.01)
    assert report.rms == pytest.approx(10 * np.log10(np.mean(sound**2)), abs=0.01)
    assert sorted(os.listdir(tmp_path)) == [f"0{suffix}", f"1{suffix}"]


def test_float_files_hold_no_time_of_day(options: RenderOptions) -> None:
    rendered(options)
    assert b"PEAK" not in options.output.read_bytes()[:256]
    assert soundfile.info(options.output).subtype == "FLOAT"


def test_seed_latent_and_truncation_matter(options: RenderOptions, tmp_path: Path) -> None:
    first = rendered(options)
    assert np.array_equal(first, rendered(options, seed=1))
    assert not np.allclose(first, rendered(options, seed=2))
    assert not np.allclose(first, rendered(options, truncation=0.3))
    np.save(tmp_path / "latent.npy", np.linspace(-1, 1, 8))
    (tmp_path / "latent.txt").write_text("\n".join(f"{x:.9f}" for x in np.linspace(-1, 1, 8)))
    from_npy = rendered(options, latent=tmp_path / "latent.npy")
    assert not np.allclose(first, from_npy)
    assert np.allclose(from_npy, rendered(options, latent=tmp_path / "latent.txt"), atol=1e-5)


def test_other_rates(options: RenderOptions) -> None:
    sound = rendered(options, rate=44_100)
    assert len(sound) == round(1.5 * 44_100)


def test_a_score_acts_at_its_time(options: RenderOptions, tmp_path: Path) -> None:
    score = tmp_path / "score.toml"
    score.write_text(
        '[[event]]\nat = 0.5\naddress = "/bird/mute"\nargs = [1]\n'
        '[[event]]\nat = 1.0\naddress = "/*/mute"\nargs = [0]\n'
        '[[event]]\nat = 1.0\naddress = "/rain/new"\n'
    )
    plain, played = rendered(options, intensity=1.0), rendered(options, intensity=1.0, script=score)
    assert np.array_equal(plain[:24_000], played[:24_000])
    assert np.abs(played[30_000:48_000]).max() < 1e-3 * np.abs(plain).max()
    assert np.allclose(plain[60_000:], played[60_000:], atol=1e-3)
    report = render_to_file(dataclasses.replace(options, script=score))
    assert report.refused == 1  # there is no rain here


def test_a_pattern_in_a_score_means_all_that_the_voice_has(voice_paths: dict[str, Path], tmp_path: Path) -> None:
    """As it does live."""
    score = tmp_path / "score.toml"
    score.write_text('[[event]]\nat = 0.5\naddress = "/*/direction/*"\nargs = [1.0]\n')
    options = RenderOptions(voice_paths["bird"], tmp_path / "out.wav", 1.0, script=score)
    assert render_to_file(options).refused == 0


def test_master_gain(options: RenderOptions, tmp_path: Path) -> None:
    score = tmp_path / "score.toml"
    score.write_text('[[event]]\nat = 0\naddress = "/master/gain"\nargs = [-6.0]\n')
    soft, loud = rendered(options, script=score), rendered(options)
    glide = slice(options.rate // 10, None)  # gains glide, from the first frame on as later
    assert np.allclose(soft[glide], loud[glide] * 10 ** (-6 / 20), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 1e6},
        {"rate": 100},
        {"seed": -1},
        {"intensity": 1.5},
        {"intensity": float("nan")},
        {"truncation": 4.0},
        {"output": Path("sound.mp3")},
    ],
)
def test_options_out_of_range_are_refused(options: RenderOptions, change: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        dataclasses.replace(options, **change)


def test_missing_folder(options: RenderOptions, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        render_to_file(dataclasses.replace(options, output=tmp_path / "nowhere" / "out.wav"))


def test_a_broken_voice_leaves_no_file(options: RenderOptions, broken_voice: Callable[..., Path]) -> None:
    with pytest.raises(VoiceFileError):
        render_to_file(dataclasses.replace(options, voice=broken_voice("shape")))
    assert not options.output.exists()


def test_a_full_disk_is_reported_and_the_old_file_kept(options: RenderOptions, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    options.output.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # bytes: writing more fails as on a full disk
    try:
        with pytest.raises(OutputError, match=r"out\.wav"):
            render_to_file(options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert options.output.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.wav"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("1 2 3", "got 3 numbers, expected 8"), ("a b", "could not convert"), ("nan " * 8, "finite")],
)
def test_bad_latents_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "latent.txt"
    path.write_text(content)
    with pytest.raises(OptionError, match=reason):
        read_latent(path, 8)


def test_latents_never_unpickle(tmp_path: Path) -> None:
    path = tmp_path / "latent.npy"
    np.save(path, np.array([{"a": 1}] * 8, object), allow_pickle=True)
    with pytest.raises(PetrichorError):
        read_latent(path, 8)
    with pytest.raises(PetrichorError):
        read_latent(tmp_path / "none.npy", 8)
