"""The network of a voice file: what is accepted, what is refused and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import petrichor.interpreter
from petrichor.errors import VoiceFileError
from petrichor.interpreter import Network
from petrichor.voice_file import Voice, read_voice


def zeros(voice: Voice) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in voice.info.inputs.items()}


@pytest.mark.parametrize("name", ["bird", "rain", "stream"])
def test_good_networks_verify_and_run(voices: dict[str, Voice], name: str) -> None:
    network = Network(voices[name])
    network.verify()
    outputs = network(zeros(voices[name]))
    assert {name: array.shape for name, array in outputs.items()} == voices[name].info.outputs
    assert all(array.dtype == np.float32 for array in outputs.values())


def test_outputs_are_copies(voices: dict[str, Voice]) -> None:
    network = Network(voices["bird"])
    first = network({"latent": np.ones((1, 8), np.float32)})["audio"]
    kept = first.copy()
    network({"latent": -np.ones((1, 8), np.float32)})
    assert np.array_equal(first, kept)


def test_what_is_given_again_is_what_it_was(voices: dict[str, Voice]) -> None:
    """Two takes share a network and give it their own arrays in turn, each again and again."""
    voice, rng = voices["stream"], np.random.default_rng(1)
    shapes = voice.info.inputs.items()
    one, other = ({name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes} for _ in range(2))
    mixed = {**one, "latent": other["latent"]}
    network = Network(voice)
    for given in (one, other, one, one, mixed, other, mixed):
        for name, wanted in Network(voice)(given).items():
            np.testing.assert_array_equal(network(given)[name], wanted)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("shape", "expected float32"), ("network", "network"), ("swapped", "expected")],
)
def test_strange_networks_are_refused(broken_voice: Callable[..., Path], how: str, reason: str) -> None:
    voice = read_voice(broken_voice(how))  # the file itself is sound
    with pytest.raises(VoiceFileError, match=reason) as caught:
        Network(voice)
    assert caught.value.path == voice.path


@pytest.mark.parametrize("how", ["truncated", "hash", "missing", "compressed", "latent"])
def test_broken_files_are_refused(broken_voice: Callable[..., Path], how: str) -> None:
    with pytest.raises(VoiceFileError):
        read_voice(broken_voice(how))


def test_operators_beyond_the_list_are_refused(voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(petrichor.interpreter, "ALLOWED_OPERATORS", frozenset({"ADD"}))
    with pytest.raises(VoiceFileError, match="FULLY_CONNECTED"):
        Network(voices["bird"])


def test_tensors_of_absurd_size_are_refused(voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(petrichor.interpreter, "MAX_TENSOR_BYTES", 1000)
    with pytest.raises(VoiceFileError, match="at most 1000"):
        Network(voices["bird"])


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not finite"), (7.0, "reaches 7")])
def test_verify_demands_sane_output(
    voices: dict[str, Voice], monkeypatch: pytest.MonkeyPatch, value: float, reason: str
) -> None:
    network = Network(voices["bird"])
    monkeypatch.setattr(Network, "__call__", lambda *_: {"audio": np.full((1, 4000), value, np.float32)})
    with pytest.raises(VoiceFileError, match=reason):
        network.verify()


@pytest.mark.parametrize("where", range(0, 4000, 211))
def test_a_flipped_byte_never_escapes_as_another_error(voices: dict[str, Voice], where: int) -> None:
    data = bytearray(voices["bird"].generator)
    data[where % len(data)] ^= 0x55
    voice = dataclasses.replace(voices["bird"], generator=bytes(data))
    try:
        Network(voice).verify()
    except VoiceFileError as error:
        assert error.reason.startswith("network")
