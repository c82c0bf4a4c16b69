"""Descriptions of voices: sensible ones are taken, all others refused with a short reason."""

from __future__ import annotations

import dataclasses

import pytest

from petrichor.voice_info import VoiceInfo
from tests.server.voice_parts import HUGE, INFO
from tests.tiny_voices import RAIN, STREAM

INVERSION = dict(RAIN.inversion or {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "loop"}, "kind is 'loop'"),
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"sample_rate": 44100.0}, "sample_rate is 44100.0"),
        ({"channels": 3}, "channels is 3"),
        ({"latent_size": 10**9}, "latent_size is 1000000000"),
        ({"frames": 1 << 40}, "frames is"),
        ({"signature": "step"}, "expected 'clip'"),
        ({"inputs": {"latent": (1, 5)}}, r"expected \[1, 4\]"),
        ({"outputs": {"audio": (1, -160)}}, "outputs 'audio'"),
        ({"truncation": float("nan")}, "truncation"),
        ({"glide": 1.5}, "glide is 1.5, expected a number 0.0…1.0"),
        ({"intensity": {"mode": "magic"}}, "intensity mode"),
        ({"intensity": {"mode": "layers", "layers": 99, "rest_seconds": 0}}, "layers is 99"),
        ({"inversion": {"nfft": 2048}}, "inversion lacks"),
    ],
)
def test_senseless_descriptions_are_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(INFO, **change)  # type: ignore[arg-type]


def with_hop(frames: int) -> VoiceInfo:
    return dataclasses.replace(STREAM, frames=frames, outputs={**STREAM.outputs, "audio": (1, frames, 1)})


def test_noise_that_would_take_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="a hop takes 300000 numbers of noise, expected"):
        dataclasses.replace(STREAM, inputs={**STREAM.inputs, "noise": (1, 300_000)})
    assert dataclasses.replace(STREAM, inputs={**STREAM.inputs, "noise": (1, 1 << 17)}).hops == STREAM.hops


def test_hops_that_no_ring_could_hold_are_refused() -> None:
    for frames in (16, 128, 4096):
        assert with_hop(frames).frames == frames
    for frames in (8, 4097, 11_520_000):
        with pytest.raises(ValueError, match=f"frames is {frames}, expected a whole number 16…4096"):
            with_hop(frames)
    assert dataclasses.replace(INFO, frames=48_000, outputs={"audio": (1, 48_000)}).frames == 48_000


@pytest.mark.parametrize("hops", [0, -1, 9, 2.0, True, "4", None])
def test_hops_at_one_go_are_few(hops: object) -> None:
    assert dataclasses.replace(STREAM, hops=8).hops == 8
    with pytest.raises(ValueError, match="hops is"):
        dataclasses.replace(STREAM, hops=hops)  # type: ignore[arg-type]


def with_image(shape: tuple[int, ...], **changes: int) -> VoiceInfo:
    return dataclasses.replace(INFO, outputs={"image": shape}, inversion={**INVERSION, **changes})


@pytest.mark.parametrize(
    ("shape", "changes", "reason"),
    [
        ((1, 4096, 16), {"frames": 1 << 20, "bins": 16, "nfft": 30}, "inversion frames is 1048576"),
        ((1, 16, 16), {"bins": (1 << 19) + 1, "nfft": 1 << 20}, "inversion nfft is 1048576"),
        ((1, 16, 16), {"bins": (1 << 19) + 1}, "inversion bins is 524289"),
        ((1, 4096, 16), {"frames": 1025}, "4096 rows times inversion frames 1025 is 4198400, .* at most 4194304"),
        ((1, 256, 4096), {}, "4096 columns times inversion bins 1025 is 4198400, expected at most 4194304"),
    ],
)
def test_images_that_would_take_huge_matrices_are_refused(
    shape: tuple[int, ...], changes: dict[str, int], reason: str
) -> None:
    """The matrices that resize the image are whole ones: 4096 rows for a million frames took 34 GB."""
    with pytest.raises(ValueError, match=reason):
        with_image(shape, **changes)
    assert with_image((1, 256, 256)).inversion == INVERSION
    assert with_image((1, 4096, 4092), frames=1024).inversion


@pytest.mark.parametrize(
    "change",
    [
        {"kind": HUGE},
        {"signature": HUGE},
        {"frames": [HUGE]},
        {"truncation": HUGE},
        {"inputs": HUGE},
        {"inputs": {"latent": (1,) * 300_000}},
        {"outputs": {HUGE: (0,)}},
        {"outputs": {"audio": (1,) * 300_000}},
        {"outputs": {"audio": (0,) * 300_000}},
        {"outputs": {"image": (1,) * 300_000}, "inversion": INVERSION},
        {"intensity": HUGE},
        {"intensity": {"mode": HUGE}},
        {"intensity": {"mode": "layers", "layers": HUGE}},
        {"inversion": HUGE},
        {"inversion": {**INVERSION, "stride": HUGE}},
    ],
)
def test_reasons_are_short_whatever_the_file_says(change: dict[str, object]) -> None:
    """They go out in one datagram."""
    with pytest.raises(ValueError, match=r"expected|is") as error:
        dataclasses.replace(INFO, **change)  # type: ignore[arg-type]
    assert len(str(error.value).encode()) < 400


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": {"audio": (1, 161)}},
        {"outputs": {"sound": (1, 160)}},
        {"intensity": {"mode": "conditioned", "layers": 10**9}},
        {"figures": []},
        {"directions": (1, 2)},
        {"hops": 2},
        {
            "kind": "stream",
            "signature": "step",
            "outputs": {"audio": (1, 160, 1), "state_a": (1, 3)},
            "inputs": {"latent": (1, 4), "state_a": (1, 2)},
        },
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        dataclasses.replace(INFO, **change)  # type: ignore[arg-type]
