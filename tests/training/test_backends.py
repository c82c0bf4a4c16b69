"""The same steps on TensorFlow, on JAX, on two devices and on two machines."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_io")
pytest.importorskip("jax")

from petrichor_training.prepare import prepare
from petrichor_training.recipe import load_recipe
from tests.training.recordings_to_learn import TINY_BIRD, TINY_RAIN, write_three

ROOT = Path(__file__).parents[2]
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
PENALISED = '[fit]\nloss = "wasserstein"\ngradient_penalty = 10.0\ndiscriminator_steps = 2'
LOOKED_AT = "\n[analysis]\nimage = 32\nviews = [64, 256]\n"
RECIPES = {
    "bird": TINY_BIRD.replace("[fit]", PENALISED),
    "bird-spectrograms": TINY_BIRD.replace("[16, 8]", "[4, 8]") + LOOKED_AT,
    "rain": TINY_RAIN,
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
    shared = few_steps({"bird": folders["bird"]}, "tensorflow", "all")["bird"]
    assert (on_tensorflow["bird"]["replicas"], shared["replicas"]) == (1, 2)
    assert is_alike(shared, on_tensorflow["bird"])


def test_two_machines_on_loopback_make_the_run_that_one_makes(folders: dict[str, Path], tmp_path: Path) -> None:
    """Two workers of the real command; only the first writes."""
    recipe, cache = (folders["bird"] / name for name in ("recipe.toml", "cache"))
    with fit(recipe, cache, tmp_path / "alone") as process:
        told = process.communicate()[0]
    assert process.returncode == 0, told
    ports = free_ports(2)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = [
        fit(
            recipe,
            cache,
            tmp_path / f"worker-{index}",
            {"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    ]
    with workers[0], workers[1]:
        told = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], told
    alone, together = (losses_of(tmp_path / name) for name in ("alone", "worker-0"))
    assert len(alone) == 2
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, rel=1e-3)
    assert not (tmp_path / "worker-1" / "losses.csv").exists()
    assert not (tmp_path / "worker-1" / "checkpoint.npz").exists()


def fit(recipe: Path, cache: Path, folder: Path, task: dict[str, Any] | None = None) -> subprocess.Popen[str]:
    options = ["--recipe", recipe, cache, "--out", folder, "--threads", 1, *(["--devices", "cluster"] if task else [])]
    command = [sys.executable, "-m", "petrichor_training.command_line", "fit", *map(str, options)]
    environment = {**QUIET, **({"TF_CONFIG": json.dumps(task)} if task else {})}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def losses_of(run: Path) -> list[tuple[float, float]]:
    with (run / "losses.csv").open(newline="") as stream:
        return [(float(row["generator_loss"]), float(row["discriminator_loss"])) for row in csv.DictReader(stream)]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
