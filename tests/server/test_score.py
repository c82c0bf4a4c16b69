"""Scores, written here byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from petrichor.osc import Message, encode
from petrichor.score import ScoreError, read_score


def bundle(seconds: float, *messages: bytes) -> bytes:
    tag = int(seconds * 2**32)
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


def scsynth_score(*bundles: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(b)) + b for b in bundles)


def test_toml_is_sorted_by_time(tmp_path: Path) -> None:
    path = tmp_path / "score.toml"
    path.write_text(
        '[[event]]\nat = 2\naddress = "/rain/new"\n'
        '[[event]]\nat = 0.5\naddress = "/rain/intensity"\nargs = [0.8]\n'
        '[[event]]\nat = 0.5\naddress = "/rain/load"\nargs = ["other"]\n'
    )
    assert read_score(path) == [
        Message("/rain/intensity", (float(np.float32(0.8)),), 0.5),
        Message("/rain/load", ("other",), 0.5),
        Message("/rain/new", (), 2.0),
    ]


def test_scsynth_score(tmp_path: Path) -> None:
    path = tmp_path / "score.osc"
    path.write_bytes(
        scsynth_score(
            bundle(0.0, encode("/bird/seed", 7), encode("/bird/intensity", 0.25)),
            bundle(1.5, encode("/bird/new")),
            bundle(20.0, encode("/c_set", 0, 0)),
        )
    )
    assert [(m.time, m.address, m.args) for m in read_score(path)] == [
        (0.0, "/bird/seed", (7,)),
        (0.0, "/bird/intensity", (0.25,)),
        (pytest.approx(1.5, abs=1e-6), "/bird/new", ()),
        (pytest.approx(20.0, abs=1e-6), "/c_set", (0, 0)),
    ]


def test_the_immediate_timetag_is_the_start(tmp_path: Path) -> None:
    path = tmp_path / "score.osc"
    message = encode("/bird/new")
    path.write_bytes(
        scsynth_score(b"#bundle\0" + struct.pack(">Q", 1) + struct.pack(">i", len(message)) + message, message)
    )
    assert [message.time for message in read_score(path)] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[event]\n", "Expected"),
        ("event = 3", "event is not a list"),
        ('[[event]]\nat = 1\naddress = "rain"', "event 1: address is 'rain'"),
        ('[[event]]\nat = "now"\naddress = "/rain/new"', "at is 'now'"),
        ('[[event]]\naddress = "/rain/new"', "at is None"),
        ('[[event]]\nat = -1\naddress = "/rain/new"', "time -1 s"),
        ('[[event]]\nat = nan\naddress = "/rain/new"', "time nan s"),
        ('[[event]]\nat = 1\naddress = "/rain/new"\nargs = 3', "args is 3"),
        ('[[event]]\nat = 1\naddress = "/rain/new"\nargs = [[3]]', "args is"),
        ('[[event]]\nat = 1\naddress = "/rain/new"\nvalue = 3', "got the unknown value"),
    ],
)
def test_bad_toml_says_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "score.toml"
    path.write_text(text)
    with pytest.raises(ScoreError) as caught:
        read_score(path)
    assert reason in str(caught.value)
    assert "score.toml" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0",
        struct.pack(">i", 400) + b"#bundle\0",
        struct.pack(">i", -4) + b"#bundle\0" * 4,
        scsynth_score(bundle(0, b"nonsense")),
        scsynth_score(bundle(4e9, encode("/rain/new"))),
    ],
)
def test_bad_binary_scores_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "score.osc"
    path.write_bytes(data)
    with pytest.raises(ScoreError):
        read_score(path)


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="cannot be read"):
        read_score(tmp_path / "none.toml")
    with pytest.raises(ScoreError, match=r"expected one of \.toml, \.osc"):
        read_score(tmp_path / "score.mid")


def test_the_demonstration_is_a_score() -> None:
    path = Path(__file__).parents[2] / "server" / "petrichor" / "demonstration.toml"
    assert all(message.time is not None and message.time < 20 for message in read_score(path))


@pytest.mark.parametrize("text", ["", '[[events]]\nat = 1\naddress = "/rain/new"\n', "speed = 2\n"])
def test_toml_without_events_or_with_other_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "score.toml"
    path.write_text(text)
    with pytest.raises(ScoreError, match=r"expected one or more \[\[event\]\]"):
        read_score(path)
