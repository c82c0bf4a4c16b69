"""A running server for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from petrichor.bench.rig import PROBES, Rig
from tests.live_server import LiveServer, live_server, tiny_server


@pytest.fixture
def server(voice_paths: dict[str, Path], tmp_path: Path) -> Iterator[LiveServer]:
    """A server with the tiny bird and rain."""
    with tiny_server(voice_paths, tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def server_of_the_module(
    voice_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """See `kept_server`."""
    with tiny_server(voice_paths, tmp_path_factory.mktemp("kept")) as server:
        yield server


@pytest.fixture
def kept_server(server_of_the_module: LiveServer) -> LiveServer:
    """The same for all tests of a module that do not mind what the others have set; its client has heard nothing."""
    server_of_the_module.client.settle()
    server_of_the_module.client.heard.clear()
    return server_of_the_module


@pytest.fixture
def play(voice_paths: dict[str, Path], tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose only voice, `v`, is the tiny stream."""
    folder = tmp_path / "voices"
    folder.mkdir()
    shutil.copy(voice_paths["stream"], folder / "v.voice")
    with live_server(folder, tmp_path / "recordings", "none", "--max-rate", "0") as server:
        yield server


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A server with one probe, `a`, that sounds at 1000 Hz."""
    with Rig({"a": PROBES["probe-1"]}) as rig:
        rig.client.send("/a/intensity", 1.0)
        rig.client.send("/a/latent/0", 0.0)
        rig.client.settle()
        rig.client.heard.clear()
        yield rig
