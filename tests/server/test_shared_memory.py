"""Rings, slots and the timeline: what one side writes the other reads, across wraps and across processes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from petrichor.cues import Cue, Fields
from petrichor.errors import VoiceFileError
from petrichor.renderer import RendererOptions, _open
from petrichor.ring import FRAMES, Ring
from petrichor.segment import PREFIX, Segment, remove_stale_segments
from petrichor.timeline import Timeline
from petrichor.voice_file import Voice
from tests.tiny_voices import make_voice


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((frames, 2)).astype(np.float32)


def test_ring_is_exact_across_its_end() -> None:
    ring = Ring(np.zeros(3, np.int64), np.zeros((FRAMES, 2), np.float32))
    sound = noise(6 * FRAMES)
    read, position = [], 0
    for size in (1000, 64, 4096, 333) * 35:
        ring.write(sound[position : position + size])
        position += size
        read.append(ring.read(size))
    np.testing.assert_array_equal(np.concatenate(read), sound[:position])
    assert ring.fill == 0
    np.testing.assert_array_equal(ring.history(5000), sound[position - 5000 : position])


def test_ring_says_where_in_the_mix_it_stands() -> None:
    ring = Ring(np.zeros(3, np.int64), np.zeros((FRAMES, 2), np.float32))
    ring.clear()
    assert ring.offset is None
    ring.write(noise(300))
    ring.read(100)
    ring.place(5000)
    assert ring.offset == 4900
    ring.read(100)
    assert ring.read_position + ring.offset == 5100


def test_voice_whose_hop_is_too_long_for_the_ring_is_refused(voices: dict[str, Voice], tmp_path: Path) -> None:
    """128 frames at 1000 Hz are 12,288 at 96 kHz. Nothing is reported as loaded, so what sounds plays on."""
    stream = voices["stream"]
    path = make_voice(tmp_path / "a.voice", dataclasses.replace(stream.info, sample_rate=1000), stream.generator)
    options = RendererOptions("a", path, tmp_path / "spool" / "a-1.voice", "", 0, 96_000, 480)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        with pytest.raises(VoiceFileError, match=r"12288 frames at 96000 Hz, expected at most 8192"):
            _open(options, theirs)
        assert not ours.poll()
        _open(dataclasses.replace(options, rate=48_000), theirs).close()
        assert ours.poll()


def test_history_of_a_young_ring_is_short() -> None:
    ring = Ring(np.zeros(3, np.int64), np.zeros((FRAMES, 2), np.float32))
    ring.write(noise(100))
    ring.read(60)
    assert len(ring.history(500)) == 60


def test_timeline_is_exact_across_its_end_and_refuses_what_is_gone() -> None:
    timeline = Timeline(np.zeros((4096, 2), np.float32))
    sound = noise(20000)
    for start in range(0, 20000, 250):
        timeline.append(sound[start : start + 250])
    for start in (timeline.oldest, 17000, 19000):
        np.testing.assert_array_equal(timeline.read(start, 900), sound[start : start + 900])
    for start, frames in ((timeline.oldest - 1, 10), (19999, 2), (20000, 1), (-5, 5)):
        with pytest.raises(IndexError):
            timeline.read(start, frames)


def test_controls_pass_and_are_seen_once() -> None:
    fields = fields_of(noise(250)[:, 0], truncation=1.5, intensity=0.25, spread=0.75, seed=2**31 - 1, draw=9, restart=7)
    with Segment() as slots, Segment(slots.name) as attached:
        assert attached[3].read_controls() == (0, None, -1)
        slots[3].write_controls(fields, included=123)
        sequence, seen, included = attached[3].read_controls()
        assert seen is not None
        assert included == 123
        np.testing.assert_array_equal(seen.pop("latent"), fields["latent"])
        np.testing.assert_array_equal(seen.pop("direction"), DIRECTION)
        assert seen == {name: value for name, value in fields.items() if name not in ("latent", "direction")}
        assert attached[3].read_controls(sequence) == (sequence, None, -1)
        assert attached[2].read_controls() == (0, None, -1)


DIRECTION = np.array([0.5, -3.0], np.float32)


def fields_of(latent: np.ndarray, **others: float) -> Fields:
    usual = {"truncation": 1.0, "intensity": 0.5, "spread": 0.6, "glide": 0.0, "drift": 0.0, "freeze": 0}
    return {"latent": latent, "direction": DIRECTION, **usual, "seed": 0, "draw": 0, "restart": 0, **others}


def _write_controls(name: str, rounds: int) -> None:
    slots = Segment(name)
    for value in range(rounds):
        slots[0].write_controls(fields_of(np.full(4096, value, np.float32), seed=value), value)
    slots.close()


def test_cues_that_can_never_fit_at_once_are_no_accident() -> None:
    """Dozens of latent vectors of a large voice for one moment: fewer go at a time."""
    cues = [Cue(number, 1000, {"latent": np.zeros(500, np.float32)}) for number in range(64)]
    with Segment() as segment:
        slot = segment[0]
        assert not slot.send_cues(cues)
        assert slot.send_cues(cues[:1])
        assert [cue.sequence for cue in slot.cues.take()] == [0]


def test_controls_are_never_torn() -> None:
    """While another process writes as fast as it can, every vector read is of one piece."""
    with Segment() as slots:
        writer = multiprocessing.get_context("spawn").Process(target=_write_controls, args=(slots.name, 20000))
        writer.start()
        sequence, reads = 0, 0
        while writer.is_alive() or reads == 0:
            sequence, fields, included = slots[0].read_controls(sequence)
            if fields is not None:
                reads += 1
                assert (fields["latent"] == fields["seed"]).all()
                assert included == fields["seed"]
        writer.join()
        writer.close()
        assert reads > 1


def test_segments_of_dead_servers_are_removed_and_of_living_ones_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    living = multiprocessing.current_process().pid
    foreign = (f"{PREFIX}x", "other-1", f"{PREFIX}²-x", f"{PREFIX}{'9' * 20}-x", f"{PREFIX}{2**31}-x", PREFIX)
    for name in (f"{PREFIX}{dead.pid}-ab", f"{PREFIX}{living}-ab", *foreign):
        (tmp_path / name).touch()
    (tmp_path / f"{PREFIX}{dead.pid}-folder").mkdir()
    assert remove_stale_segments(tmp_path) == [f"{PREFIX}{dead.pid}-ab"]
    assert len(list(tmp_path.iterdir())) == 2 + len(foreign)
    assert remove_stale_segments(tmp_path / "missing") == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_segments_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f"{PREFIX}{dead.pid}-ab").touch()
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert remove_stale_segments(tmp_path) == []


def test_segment_goes_with_its_owner() -> None:
    with Segment() as slots:
        path = Path("/dev/shm") / slots.name
        there = path.exists()
    assert there or not path.parent.exists()
    assert not path.exists()
