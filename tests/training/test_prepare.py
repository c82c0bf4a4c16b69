from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
import soxr

from petrichor_training.dataset import load_dataset
from petrichor_training.duplicates import Known
from petrichor_training.errors import DataError, RecipeError
from petrichor_training.inspection import inspect
from petrichor_training.manifest import Source
from petrichor_training.prepare import Gathered, prepare, validation_groups
from petrichor_training.recipe import Recipe, from_table, load_recipe
from petrichor_training.recordings import (
    Conditioning,
    clarity_db,
    conditioned,
    high_pass,
    level,
    loudest_channel,
    read_recording,
)
from petrichor_training.settings import PrepareSettings
from petrichor_training.windows import hop_windows, split_chunks
from tests.training.recordings_to_learn import TINY_BIRD, chirp, write_three


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_BIRD)
    return load_recipe(str(tmp_path / "tiny.toml"))


def test_the_published_splitting_rule() -> None:
    chunks = split_chunks(np.arange(2350), rate=100, seconds=5)
    assert [len(chunk) for chunk in chunks] == [587] * 4
    assert chunks[1][0] == 587
    assert split_chunks(np.zeros(499), rate=100, seconds=5) == []


def test_hop_windows_are_whole_and_inside() -> None:
    settings = PrepareSettings(rate=8000, window="hop", split_seconds=0.5, hop_seconds=0.25)
    audio = np.arange(16000)
    windows = hop_windows(audio, settings, 100, np.random.default_rng(1))
    assert {len(window) for window in windows} == {4100}
    assert all(np.array_equal(window, np.arange(window[0], window[0] + 4100)) for window in windows)
    assert len({int(window[0]) for window in windows}) > 1
    assert hop_windows(audio[:4099], settings, 100, np.random.default_rng(1)) == []


def test_channels_in_opposite_phase_are_not_summed() -> None:
    wave = np.sin(np.arange(100.0))
    assert np.array_equal(loudest_channel(np.stack([0.5 * wave, -wave], axis=1)), -wave)


def test_the_high_pass() -> None:
    time = np.arange(16000) / 16000
    low, high = np.sin(2 * np.pi * 100 * time), np.sin(2 * np.pi * 1000 * time)
    passed = high_pass((low + high).astype(np.float32), 16000, 300.0)
    assert np.allclose(passed[1000:-1000], high[1000:-1000], atol=0.01)


def test_levels() -> None:
    windows = np.stack([0.001 * chirp(1, 8000, 1), np.eye(1, 8000)[0]])
    levelled = level(windows, -20.0)
    assert np.sqrt(np.mean(levelled[0] ** 2)) == pytest.approx(0.1, rel=1e-3)
    assert np.max(np.abs(levelled[1])) == pytest.approx(0.99, rel=1e-3)  # a click cannot be brought to -20 dB


def test_song_is_clearer_than_hiss() -> None:
    hiss = np.random.default_rng(1).standard_normal(8000)
    song, noise = clarity_db(np.stack([chirp(1, 8000, 1), hiss]))
    assert song > 13 > noise + 3


def test_groups_stay_together() -> None:
    sources = [Source(f"{i}.wav", f"group {i // 2}") for i in range(20)]
    found = Gathered([np.zeros((5, 10))] * 20, sources=sources)
    apart = validation_groups(found, PrepareSettings(validation_share=0.2))
    assert len(apart) == 2
    half = PrepareSettings(validation_share=0.5)
    assert validation_groups(Gathered([np.zeros((5, 10))], sources=sources[:1]), half) == set()
    named = PrepareSettings(keep_apart=(sources[0].group, "nobody"))
    assert validation_groups(found, named) == {sources[0].group}
    strange = PrepareSettings(validation_share=0.2, keep_apart=("nobody", "nobody else"))  # of other recordings
    assert validation_groups(found, strange) == apart
    every = PrepareSettings(keep_apart=tuple(source.group for source in sources))
    with pytest.raises(RecipeError, match="does not name"):
        validation_groups(found, every)


def test_a_folder_without_manifest(tmp_path, tiny) -> None:
    folder = write_three(tmp_path / "in", "bird")
    soundfile.write(folder / "short.wav", np.full(100, 0.1), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 8000)
    (folder / "broken.wav").write_bytes(b"RIFF but nothing more")
    (folder / "notes.txt").write_text("not audio")
    summary = prepare(folder, tmp_path / "cache", tiny)
    assert summary["train"] + summary["validation"] == 12  # 3 files × 1.2 s / 0.25 s
    assert "0.01 s long" in summary["left_out"]["short.wav"]
    assert "silent" in summary["left_out"]["silent.wav"]
    assert "cannot be read" in summary["left_out"]["broken.wav"]
    data = load_dataset(tmp_path / "cache", tiny)
    assert data.train.shape[1] == data.frames == 2400  # 1.2 s in four equal chunks
    assert np.max(np.abs(data.train)) < 1
    assert "`one.wav`" in data.credits or "`two.flac`" in data.credits


def test_the_manifest_decides(tmp_path, tiny) -> None:
    folder = write_three(tmp_path / "in", "bird")
    (folder / "MANIFEST.csv").write_text(
        "path,group,title,author,licence,url,bandwidth_hz\n"
        "one.wav,a,First,Ann,CC0,https://a.example,20000\n"
        "two.flac,a,Second,Bob,CC BY 4.0,https://b.example,8000\n"
        "deeper/three.wav,b,Third,Cy,CC0,https://c.example,20000\n"
    )
    recipe = dataclasses.replace(
        tiny, prepare=dataclasses.replace(tiny.prepare, min_bandwidth_hz=16000.0, validation_share=0.0)
    )
    summary = prepare(folder, tmp_path / "cache", recipe)
    assert summary["left_out"] == {"two.flac": "bandwidth 8000 Hz, expected at least 16000 Hz"}
    credits = (tmp_path / "cache" / "CREDITS.md").read_text()
    assert '- "First", by Ann, CC0, <https://a.example>' in credits
    assert "Third" in credits
    assert "Second" not in credits


def test_a_band_that_nobody_named_is_measured(tmp_path, tiny) -> None:
    folder = write_three(tmp_path / "in", "bird")
    soundfile.write(folder / "wide.wav", 0.1 * np.random.default_rng(1).standard_normal(44100), 44100)
    recipe = dataclasses.replace(tiny, prepare=dataclasses.replace(tiny.prepare, min_bandwidth_hz=16000.0))
    summary = prepare(folder, tmp_path / "cache", recipe)
    assert [entry["name"] for entry in summary["used"]] == ["wide.wav"]
    assert "expected at least 16000 Hz" in summary["left_out"]["one.wav"]


def test_every_file_is_in_the_table_with_what_became_of_it(tmp_path, tiny) -> None:
    folder = write_three(tmp_path / "in", "bird")
    loud = np.clip(5 * chirp(1.2, 16000, 4), -1, 1)
    soundfile.write(folder / "clipped.wav", loud, 16000)
    soundfile.write(folder / "offset.wav", 0.5 * chirp(1.2, 16000, 5) + 0.1, 16000)
    (folder / "broken.wav").write_bytes(b"RIFF but nothing more")
    once_more, rate = soundfile.read(folder / "one.wav")
    soundfile.write(folder / "same.flac", 0.3 * once_more, rate)
    recipe = dataclasses.replace(tiny, prepare=dataclasses.replace(tiny.prepare, max_clipped=0.01))
    summary = prepare(folder, tmp_path / "cache", recipe)
    with (tmp_path / "cache" / "recordings.csv").open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert "cannot be read" in rows["broken.wav"]["reason"]
    assert "clipped, expected at most 1.00 %" in rows["clipped.wav"]["reason"]
    assert "the same recording as one.wav" in rows["same.flac"]["reason"]
    assert "offset of +0.100" in rows["offset.wav"]["remarks"]
    assert "opposite phase" in rows["two.flac"]["remarks"]
    assert {name for name, row in rows.items() if row["split"] == "left out"} == set(summary["left_out"])
    assert sum(int(row["windows"]) for row in rows.values()) == summary["train"] + summary["validation"]
    picture = matplotlib.image.imread(tmp_path / "cache" / "recordings.png")
    assert picture.shape[0] > 100
    assert picture[..., :3].std() > 0.1


def test_what_has_not_changed_is_not_prepared_again(tmp_path, tiny) -> None:
    folder, cache = write_three(tmp_path / "in", "bird"), tmp_path / "cache"
    first = prepare(folder, cache, tiny)

    def again(recipe: Recipe) -> bool:
        """Whether any file was looked at."""
        looked: list[Path] = []
        prepare(folder, cache, recipe, lambda paths: [looked.append(path) or path for path in paths])
        return bool(looked)

    assert not again(tiny)
    assert prepare(folder, cache, tiny) == first
    other = dataclasses.replace(tiny, prepare=dataclasses.replace(tiny.prepare, level_db=-30.0))
    assert again(other)
    assert not again(other)
    soundfile.write(folder / "one.wav", chirp(1.2, 16000, 7), 16000)
    assert again(other)
    (folder / "MANIFEST.csv").write_text("path,group\none.wav,a\n")
    assert again(other)
    (cache / "validation.npy").unlink()
    assert again(other)
    (folder / "one.wav").rename(folder / "first.wav")
    assert again(other)


def test_steady_noise_is_lowered_and_song_is_not(tmp_path) -> None:
    song = np.concatenate([chirp(0.5, 16000, 1), np.zeros(16000), chirp(0.5, 16000, 1)])
    hiss = 0.02 * np.random.default_rng(1).standard_normal(len(song))
    noisy = (song + hiss).astype(np.float32)[:, None]
    kept = conditioned(noisy, 16000, Conditioning(16000))
    clean = conditioned(noisy, 16000, Conditioning(16000, denoise=1.0))
    pause, whistle = slice(10000, 22000), slice(1000, 7000)
    assert np.std(clean[pause]) < 0.3 * np.std(kept[pause])
    assert np.std(clean[whistle]) == pytest.approx(np.std(kept[whistle]), rel=0.1)


def test_the_same_recording_is_known_again_and_others_are_not() -> None:
    known = Known()
    rng = np.random.default_rng(1)
    tunes = [warble(3.0, 22050, seed) for seed in range(4)]
    assert all(known.add(f"tune {n}", tune, 22050) is None for n, tune in enumerate(tunes))
    quieter = 0.1 * tunes[2] + 0.001 * rng.standard_normal(len(tunes[2]))
    assert known.add("quieter", quieter, 22050)[0] == "tune 2"
    part = np.concatenate((0.3 * rng.standard_normal(8000), tunes[1][20000:60000]))
    assert known.add("another rate", soxr.resample(tunes[3], 22050, 44100), 44100)[0] == "tune 3"
    assert known.add("a part", part[8000:], 22050)[0] == "tune 1"
    assert known.add("half a second", tunes[0][:11025], 22050) is None


def warble(seconds: float, rate: int, seed: int) -> np.ndarray:
    """A song of its own: whistles of random pitch and length. Shape [frames]"""
    rng, pieces = np.random.default_rng(seed), []
    while sum(map(len, pieces)) < seconds * rate:
        length = rng.integers(rate // 20, rate // 5)
        hertz = np.linspace(*rng.uniform(500, 3500, 2), length)
        pieces += [
            0.3 * np.hanning(length) * np.sin(2 * np.pi * np.cumsum(hertz) / rate),
            np.zeros(rng.integers(1, 3000)),
        ]
    return np.concatenate(pieces)[: round(seconds * rate)]


def test_inspection_finds_what_is_wrong() -> None:
    rate = 44100
    clean = 0.5 * np.random.default_rng(1).standard_normal((rate, 1)) / 3
    found = inspect(clean, rate)
    assert (found.remarks(), found.clipped, found.silent, found.correlation) == ([], 0.0, 0.0, 1.0)
    assert found.seconds == 1.0
    assert found.bandwidth_hz > 21000
    tone = np.sin(2 * np.pi * 440 / rate * np.arange(rate))[:, None]
    assert inspect(tone, rate).clipped == 0.0
    below = np.where(tone > 0, 0.9 * tone, np.maximum(tone, -0.9))  # flat on one side, both peaks as high
    below[tone.argmax()] = 0.9
    for sound in (below, -below):
        assert inspect(sound, rate).clipped == pytest.approx(np.mean(np.abs(tone) >= 0.9) / 2, abs=0.01)
    assert inspect(np.clip(tone, -0.9, 0.9), rate).clipped == pytest.approx(np.mean(np.abs(tone) >= 0.9), abs=0.02)
    half = np.concatenate((clean, np.zeros((rate, 1))))
    assert inspect(half, rate).silent == pytest.approx(0.5, abs=0.03)
    narrow = soxr.resample(soxr.resample(clean[:, 0], rate, 16000), 16000, rate)[:, None]
    assert inspect(narrow, rate).bandwidth_hz == pytest.approx(7800, abs=400)
    assert "nothing above" in inspect(narrow, rate).remarks()[0]
    assert inspect(np.zeros((100, 2)), rate).peak_db == -120
    assert inspect(np.full((1, 1), 0.5), rate).seconds > 0


def test_refusals(tmp_path, tiny) -> None:
    with pytest.raises(DataError, match="expected a folder"):
        prepare(tmp_path / "nowhere", tmp_path / "cache", tiny)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio files"):
        prepare(tmp_path / "empty", tmp_path / "cache", tiny)
    soundfile.write(tmp_path / "empty" / "short.wav", np.full(100, 0.1), 8000)
    with pytest.raises(DataError, match="no usable recording"):
        prepare(tmp_path / "empty", tmp_path / "cache", tiny)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan]), 8000, subtype="FLOAT")
    with pytest.raises(DataError, match="not finite"):
        read_recording(tmp_path / "nan.wav", 8000, 0)


def test_a_cache_of_other_settings_is_refused(tmp_path, tiny) -> None:
    folder = write_three(tmp_path / "in", "bird")
    prepare(folder, tmp_path / "cache", tiny)
    other = from_table({"base": "bird", "prepare": {"rate": 16000, "split_seconds": 0.25, "min_clarity_db": 0.0}})
    with pytest.raises(DataError, match=r"prepare\.rate = 8000, the recipe says 16000"):
        load_dataset(tmp_path / "cache", other)
    with pytest.raises(DataError, match="prepared for bird, the recipe is rain"):
        load_dataset(tmp_path / "cache", load_recipe("rain"))
    (tmp_path / "cache" / "prepared.json").unlink()
    with pytest.raises(DataError, match="run petrichor-train prepare"):
        load_dataset(tmp_path / "cache", tiny)


def test_every_batch_of_an_epoch_can_be_asked_for_alone(tmp_path, tiny) -> None:
    prepare(write_three(tmp_path / "in", "bird"), tmp_path / "cache", tiny)
    data = load_dataset(tmp_path / "cache", tiny)
    per_pass = len(data.train) // 4
    first = [data.batch(4, (1, 0), index) for index in range(2 * per_pass)]
    assert all(np.array_equal(data.batch(4, (1, 0), index), first[index]) for index in reversed(range(2 * per_pass)))
    once = {row.tobytes() for batch in first[:per_pass] for row in batch}
    assert len(once) == 4 * per_pass, "every window once in a pass"
    assert not all(np.array_equal(one, other) for one, other in zip(first, first[per_pass:], strict=False))
    assert not np.array_equal(data.batch(4, (1, 1), 0), first[0])
