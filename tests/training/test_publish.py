"""A voice that is heard while it learns: a real training run beside a real server."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from petrichor.errors import PetrichorError
from petrichor.voice_file import read_voice
from petrichor_training.errors import ExportError
from petrichor_training.publish import Publisher
from petrichor_training.run import Run
from tests.live_server import LiveServer, live_server
from tests.training.recordings_to_learn import TINY_BIRD, write_three
from tests.training.test_command_line import ENVIRONMENT, command, succeed, train


def test_a_server_plays_what_is_being_learned(tmp_path: Path) -> None:
    """Each export is heard of, and the sound goes on; a folder that is not there is told and stops nothing."""
    recipe, cache, voices = tmp_path / "tiny.toml", tmp_path / "cache", tmp_path / "voices"
    recipe.write_text(TINY_BIRD.replace("epochs = 2", "epochs = 100000").replace("seconds = 0.0", "seconds = 1e6"))
    voices.mkdir()
    succeed("prepare", "--recipe", recipe, write_three(tmp_path / "in", "bird"), "--out", cache)
    with live_server(voices, tmp_path) as server:
        arguments = ("fit", "--recipe", recipe, cache, "--out", tmp_path / "run", "--threads", 1)
        publish = ("--publish", voices / "learning.voice", "--publish-every", 1)
        with subprocess.Popen(command(*arguments, *publish), env=ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
            try:
                steps = []
                for _ in range(2):
                    wait_for_one_heard(server)
                    steps.append(read_voice(voices / "learning.voice").info.steps)
            finally:
                process.terminate()
        assert process.returncode == 0
        assert 0 < steps[0] < steps[1], "the second has learned more"
        sound = server.record("learned.wav", lambda: time.sleep(1.0))
        assert 1e-3 < np.abs(sound).max() <= 1.0
        assert not [message for message in server.client.heard if message.address == "/learning/failed"]


def wait_for_one_heard(server: LiveServer) -> None:
    """Return when the next voice is heard; an export takes its time on a busy machine."""
    for _ in range(4):
        with contextlib.suppress(PetrichorError):
            server.client.wait("/learning/loaded")
            return
    pytest.fail("nothing was published")


def test_a_folder_that_is_not_there_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    arguments = ("--out", tmp_path / "run", "--publish", tmp_path / "nowhere" / "bird.voice")
    done = train("fit", "--recipe", "bird", tmp_path / "cache", *arguments)
    assert done.returncode == 1
    assert "expected NAME.voice in a folder that is there" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_export_that_fails_is_told_and_training_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved: list[bool] = []
    run = cast(Run, SimpleNamespace(epoch=2, folder=tmp_path, save=lambda: saved.append(True)))
    publisher = Publisher(tmp_path / "bird.voice", 2, "bird", tmp_path / "no cache")
    with caplog.at_level("WARNING"):
        publisher(run, {})
        publisher.close()
        assert "bird.voice was not published" in caplog.text
        assert "not a prepared cache" in " ".join(caplog.text.split())
        run.epoch = 3
        publisher(run, {})
    assert len(saved) == 1, "nothing was due at epoch 3"


def test_an_epoch_that_comes_while_another_is_exported_is_made_up_for_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From what was saved by then: a run that ends badly has not saved what spoiled it."""
    saved: list[int] = []
    run = cast(Run, SimpleNamespace(epoch=1, folder=tmp_path, save=lambda: saved.append(run.epoch)))
    publisher = Publisher(tmp_path / "bird.voice", 1, "bird", tmp_path / "no cache")
    publisher._command = [sys.executable, "-c", "import time; time.sleep(0.5); exit('no export')"]
    with caplog.at_level("WARNING"):
        publisher(run, {})
        run.epoch = 2
        publisher(run, {})
        publisher.close()
        publisher.close()
    assert caplog.text.count("bird.voice was not published: no export") == 2
    assert saved == [1]


def test_epochs_between_exports_have_to_be_one_or_more(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="publish-every: got 0, expected 1 or more"):
        Publisher(tmp_path / "bird.voice", 0, "bird", tmp_path)
