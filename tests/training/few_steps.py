"""Trains three steps from weights that any backend and any number of devices begins with, and prints the figures.

Run as ``python -m tests.training.few_steps DEVICES FOLDER…``; every folder holds recipe.toml and cache, and gives one
line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from petrichor_training.backend import open_steps
from petrichor_training.dataset import load_dataset
from petrichor_training.recipe import load_recipe
from petrichor_training.run import open_run

if TYPE_CHECKING:
    from petrichor_training.backend import Steps


def main(devices: str, *folders: str) -> None:
    if devices == "all":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    steps = open_steps(1, devices)
    for folder in folders:
        print(json.dumps(few_steps(Path(folder), steps)))


def few_steps(folder: Path, steps: Steps) -> dict[str, Any]:
    recipe = load_recipe(str(folder / "recipe.toml"))
    with tempfile.TemporaryDirectory() as run_folder:
        run = open_run(Path(run_folder), recipe, load_dataset(folder / "cache", recipe), steps)
    begun = sum(float(np.abs(weight).sum()) for weight in run.gan.generator.get_weights())
    random = np.random.default_rng(7)
    for network in (run.gan.generator, run.gan.discriminator):
        for weight in network.trainable_weights:
            size = 0.3 / np.sqrt(max(1, int(np.prod(weight.shape[:-1])))) if len(weight.shape) > 1 else 0.0
            weight.assign(weight * 0.0 + size * random.standard_normal(weight.shape).astype(np.float32) + (size == 0.0))
        for weight in network.non_trainable_weights:
            weight.assign(np.abs(random.standard_normal(weight.shape)).astype(np.float32) + 0.5)
    run.gan.averaged.set_weights(run.gan.generator.get_weights())
    with steps.scope():
        both, alone = steps.both(run.gan), steps.discriminator(run.gan)
    figures = []
    for within in range(3):
        *before, last = run.batches(run.epoch, within)
        for batch in before:
            alone(*batch)
        figures.append(both(*last))
    averaged = sum(float(np.abs(weight).sum()) for weight in run.gan.averaged.get_weights())
    return {"replicas": steps.replicas, "figures": figures, "averaged": averaged, "begun": begun}


if __name__ == "__main__":
    main(*sys.argv[1:])
