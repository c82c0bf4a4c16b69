from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from petrichor_training.dataset import load_dataset
from petrichor_training.errors import DataError
from petrichor_training.manifest import Source
from petrichor_training.prepare import Gathered, hop_windows, prepare, split_chunks, validation_groups
from petrichor_training.recipe import PrepareSettings, from_table, load_recipe
from petrichor_training.recordings import clarity_db, high_pass, level, loudest_channel, read_recording
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
    found = Gathered([np.zeros((5, 10))] * 20, sources)
    apart = validation_groups(found, 0.2, seed=1)
    assert len(apart) == 2
    assert validation_groups(Gathered([np.zeros((5, 10))], sources[:1]), 0.5, seed=1) == set()


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
        "deeper/three.wav,b,Third,Cy,CC0,https://c.example,\n"
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


def test_batches_come_back_after_a_stop(tmp_path, tiny) -> None:
    prepare(write_three(tmp_path / "in", "bird"), tmp_path / "cache", tiny)
    data = load_dataset(tmp_path / "cache", tiny)
    rng = np.random.default_rng(1)
    state = json.loads(json.dumps(rng.bit_generator.state))
    first = list(data.batches(4, 5, rng))
    rng.bit_generator.state = state
    again = list(data.batches(4, 5, rng))
    assert len(first) == 5
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
