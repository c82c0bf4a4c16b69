"""What TensorBoard is given, read back from the event file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from petrichor_training.board import picture
from tests.training.recordings_to_learn import TINY_BIRD, write_three
from tests.training.test_command_line import succeed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own reader
def test_curves_sounds_and_spectrograms_of_every_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorflow import make_ndarray

    recipe, cache, run = tmp_path / "tiny.toml", tmp_path / "cache", tmp_path / "run"
    recipe.write_text(TINY_BIRD)
    succeed("prepare", "--recipe", recipe, write_three(tmp_path / "in", "bird"), "--out", cache)
    succeed("fit", "--recipe", recipe, cache, "--out", run, "--tensorboard")
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    names = set(events.Tags()["tensors"])
    losses = {"generator_loss", "discriminator_loss", "p_real", "p_fake"}
    assert names == losses | {f"{kind} {number}" for kind in ("sound", "spectrogram") for number in (1, 2, 3)}
    for name in names:
        assert [event.step for event in events.Tensors(name)] == [1, 2]
    first = make_ndarray(events.Tensors("generator_loss")[0].tensor_proto)
    assert float(first) == pytest.approx(
        float((run / "losses.csv").read_text().splitlines()[1].split(",")[1]), rel=1e-5
    )
    wave = make_ndarray(events.Tensors("sound 2")[0].tensor_proto).flat[0]
    assert bytes(wave).startswith(b"RIFF")


def test_a_higher_tone_is_higher_in_the_picture() -> None:
    time = np.arange(8000) / 16_000
    rows = [
        picture(np.sin(2 * np.pi * hertz * time).astype(np.float32), 16_000).sum(axis=1).argmax()
        for hertz in (500, 4000)
    ]
    assert rows[1] < rows[0]
