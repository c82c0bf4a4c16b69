"""The same steps on TensorFlow, on JAX, on two devices and on two machines."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_io")
pytest.importorskip("jax")

from petrichor_training.prepare import prepare
from petrichor_training.recipe import load_recipe
from tests.training.recordings_to_learn import TINY_BIRD, TINY_RAIN, TINY_STREAM, write_three

ROOT = Path(__file__).parents[2]
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
QUIET["XLA_FLAGS"] = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # compiled once, run thrice
)

PENALISED = '[fit]\nloss = "wasserstein"\ngradient_penalty = 10.0\ndiscriminator_steps = 2'
LOOKED_AT = "\n[analysis]\nimage = 32\nviews = [64, 256]\n"
RECIPES = {
    "bird": TINY_BIRD.replace("[fit]", PENALISED),
    "bird-spectrograms": TINY_BIRD.replace("[16, 8]", "[4, 8]") + LOOKED_AT,
    "rain": TINY_RAIN,
    "rain-stream": TINY_STREAM,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each recipe, with recipe.toml and cache."""
    found = {}
    for name, text in RECIPES.items():
        found[name] = folder = tmp_path_factory.mktemp(name)
        (folder / "recipe.toml").write_text(text)
        recipe = load_recipe(str(folder / "recipe.toml"))
        prepare(write_three(folder / "in", recipe.base), folder / "cache", recipe)
    return found


@pytest.fixture(scope="module")
def on_tensorflow(folders: dict[str, Path]) -> dict[str, Any]:
    return few_steps(folders, "tensorflow")


def few_steps(folders: dict[str, Path], backend: str, devices: str = "one") -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.training.few_steps", devices, *map(str, folders.values())]
    environment = {**QUIET, "KERAS_BACKEND": backend}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(folders, map(json.loads, done.stdout.splitlines()[-len(folders) :]), strict=True))


def is_alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the figures of all three steps agree, and the averaged weights after them."""
    assert len(one["figures"]) == len(other["figures"]) == 3
    for left, right in zip(one["figures"], other["figures"], strict=True):
        assert left == pytest.approx(right, rel=2e-4, abs=2e-5)
    assert one["averaged"] == pytest.approx(other["averaged"], rel=1e-5)
    return True


def test_jax_takes_tensorflows_steps(folders: dict[str, Path], on_tensorflow: dict[str, Any]) -> None:
    """Every step moves the losses by far more than the two differ."""
    on_jax = few_steps(folders, "jax")
    for name, wanted in on_tensorflow.items():
        losses = [figures["discriminator_loss"] for figures in wanted["figures"]]
        assert min(abs(losses[0] - losses[1]), abs(losses[1] - losses[2])) > 1e-3
        assert is_alike(on_jax[name], wanted), name


def test_two_devices_share_a_batch(folders: dict[str, Path], on_tensorflow: dict[str, Any]) -> None:
    """The rain's figures are others: its batch normalisation takes the mean of each device's part."""
    # Not the other two: tracing the stream twice takes a minute, which the whole of the tests has not got.
    clips = {name: folders[name] for name in ("bird", "rain")}
    for name, shared in few_steps(clips, "tensorflow", "all").items():
        assert (on_tensorflow[name]["replicas"], shared["replicas"]) == (1, 2)
        assert shared["begun"] == on_tensorflow[name]["begun"], "first weights are the seed's, in every process"
        if name != "rain":
            assert is_alike(shared, on_tensorflow[name]), name
        else:
            assert all(np.isfinite(list(figures.values())).all() for figures in shared["figures"])


def test_two_machines_on_loopback_make_the_run_that_one_makes(folders: dict[str, Path], tmp_path: Path) -> None:
    """Two workers of the real command, stopped in the middle of an epoch and gone on with; only the first writes."""
    recipe, cache = (folders["bird"] / name for name in ("recipe.toml", "cache"))
    (alone,) = fit_all(recipe, cache, [tmp_path / "alone"])
    assert alone.returncode == 0, alone.told
    workers = [tmp_path / "first", tmp_path / "second"]
    for limit in (["--steps", "4"], []):
        for worker in fit_all(recipe, cache, workers, limit):
            assert worker.returncode == 0, worker.told
    wanted, got = (losses_of(tmp_path / name) for name in ("alone", "first"))
    assert len(wanted) == 2
    for one, other in zip(wanted, got, strict=True):
        assert other == pytest.approx(one, rel=1e-3)
    assert not (tmp_path / "second" / "losses.csv").exists()
    (tmp_path / "second" / "checkpoint.npz").unlink()
    for worker in fit_all(recipe, cache, workers):
        assert worker.returncode == 1
        assert "another machine's run at another" in " ".join(worker.told.split())


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and what it said."""

    returncode: int
    told: str


def fit_all(recipe: Path, cache: Path, folders: list[Path], options: Sequence[str] = ()) -> list[Ended]:
    """Run fit for every folder at once: one alone, several as machines of a cluster. None is left running."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(len(folders))]}
    with ExitStack() as stack:
        processes, logs = [], []
        for index, folder in enumerate(folders):
            arguments = ["--recipe", recipe, cache, "--out", folder, "--threads", 1, *options]
            environment = dict(QUIET)
            if len(folders) > 1:
                arguments += ["--devices", "cluster"]
                environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            command = [sys.executable, "-m", "petrichor_training.command_line", "fit", *map(str, arguments)]
            logs.append(folder.with_suffix(".log"))
            log = stack.enter_context(logs[-1].open("w"))
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        codes = [process.wait(200) for process in processes]
    return [Ended(code, log.read_text()) for code, log in zip(codes, logs, strict=True)]


def losses_of(run: Path) -> list[tuple[float, float]]:
    with (run / "losses.csv").open(newline="") as stream:
        return [(float(row["generator_loss"]), float(row["discriminator_loss"])) for row in csv.DictReader(stream)]


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
