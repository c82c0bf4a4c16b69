"""From a run to a voice file: the exported network held against the trained one, its latent space explored."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from petrichor.voice_file import VoiceInfo, write_voice
from petrichor_training import measure
from petrichor_training.assessment import QUALITY
from petrichor_training.checkpoint import BEST, NAME, Progress, load_averaged, read_progress
from petrichor_training.convert import CLIP, converted, save_model
from petrichor_training.dataset import Dataset
from petrichor_training.errors import CheckpointError, ExportError
from petrichor_training.exploration import Explored, explore
from petrichor_training.latents import draw_latents
from petrichor_training.networks import build_generator, for_inference
from petrichor_training.played import inversion_of
from petrichor_training.provenance import origin
from petrichor_training.recipe import Recipe
from petrichor_training.run import check_recipe
from petrichor_training.streaming.chorus import ChorusGenerator
from petrichor_training.streaming.stream_export import export_stream
from petrichor_training.streaming.texture_network import TextureGenerator

log = logging.getLogger(__name__)

LATENTS = 24  # compared and timed
FP32_MAX_DB = 0.05  # log-spectral: more means that the conversion is wrong, not merely rounded


def export(run: Path, data: Dataset, recipe: Recipe, out: Path, last: bool = False) -> dict[str, Any]:
    """Write the voice of a run.

    Args:
        run: The run's folder.
        data: The cache it was trained on: clip length, log range and credits.
        recipe: Its recipe.
        out: Ends in ``.voice``.
        last: The weights it ended with, also where nearer ones are kept (see `assessment`).

    Returns:
        The figures that went into it.

    Raises:
        CheckpointError: The run has no checkpoint, or one of another recipe.
        ExportError: The conversion failed or changed the sound, or no epoch that was assessed is worth it.
    """
    kept = NAME if last else _nearest(run)
    progress = _progress(run, kept, recipe, data)
    trained = build_generator(recipe, data.frames)
    load_averaged(run, trained, kept)
    log.info("the weights of step %d, from %s", progress.step, kept)
    if recipe.streams:
        assert isinstance(trained, TextureGenerator | ChorusGenerator)
        return export_stream(trained, kept, progress, data, recipe, out)
    output = "image" if recipe.base == "rain" else "audio"
    played = for_inference(recipe, trained)
    networks = converted(lambda folder: save_model(played, recipe.network.latent_size, output, folder), CLIP)

    latents = draw_latents(np.random.default_rng(16), LATENTS, recipe.network)
    wanted = ops.convert_to_numpy(trained(latents, training=False))
    wanted = wanted[..., 0] if output == "image" else wanted
    figures: dict[str, Any] = {"weights": kept, "epochs": progress.epoch, "steps": progress.step}
    figures |= {"windows": len(data.train), "latents_compared": LATENTS}
    for kind, network in networks.items():
        figures |= {f"{kind}_{key}": value for key, value in _compare(network, latents, wanted, data).items()}
    chosen = _choose(figures, recipe, output)
    figures["network"] = chosen
    explored = explore(measure.open_network(networks[chosen]), recipe, data)
    figures |= {"directions": explored.correlations, "truncations": explored.distances}
    info = _describe(recipe, data, output, progress.step, figures, explored)
    write_voice(out, info, networks[chosen], explored.arrays(), data.credits)
    return figures


def _nearest(run: Path) -> str:
    """Name the weights that were nearest, or the last ones of a run that was never assessed."""
    if (run / BEST).is_file():
        return BEST
    if (run / QUALITY).is_file():
        reason = f"none of the epochs in {QUALITY} was kept, for all copy what they learned from (fit.most_copies)"
        raise ExportError(f"{run}: {reason}: train on more recordings, or export the last weights by --last")
    return NAME


def _progress(run: Path, kept: str, recipe: Recipe, data: Dataset) -> Progress:
    """How far the weights of a file are; it must be there, and of this recipe."""
    progress = read_progress(run, kept)
    if progress is None:
        raise CheckpointError(run, "no checkpoint in it: run petrichor-train fit first")
    check_recipe(run, progress, recipe, data)
    return progress


def _compare(network: bytes, latents: np.ndarray, wanted: np.ndarray, data: Dataset) -> dict[str, float]:
    """A converted network's figures against the trained one's output."""
    clip = measure.open_network(network)
    got = np.stack([clip(latent[None]) for latent in latents])
    if not np.all(np.isfinite(got)):
        raise ExportError("the converted network gives values that are not finite")
    figures = {"bytes": float(len(network)), "ms_per_clip": round(measure.milliseconds(clip, latents), 3)}
    if wanted.ndim == 3:
        log_range = data.summary["log_max"] - data.summary["log_min"]
        return figures | {"difference_db": round(measure.image_db(wanted, got, log_range), 4)}
    difference = measure.log_spectral_db(wanted, got)
    return figures | {"snr_db": round(measure.snr_db(wanted, got), 1), "difference_db": round(difference, 4)}


def _choose(figures: dict[str, Any], recipe: Recipe, output: str) -> str:
    """Which network to ship: the 8-bit one where its difference cannot be heard."""
    if figures["fp32_difference_db"] > FP32_MAX_DB:
        raise ExportError(f"the converted network differs from the trained one by {figures['fp32_difference_db']} dB")
    settings = recipe.export
    if output == "image":
        inaudible = figures["int8_difference_db"] <= settings.int8_max_log_db
    else:
        inaudible = figures["int8_snr_db"] >= settings.int8_min_snr_db
    if settings.int8 and not inaudible:
        log.warning("the 8-bit network would be heard to differ: shipping fp32")
    return "int8" if settings.int8 and inaudible else "fp32"


def _describe(
    recipe: Recipe, data: Dataset, output: str, steps: int, figures: dict[str, Any], explored: Explored
) -> VoiceInfo:
    """What voice.json says."""
    size, side = recipe.network.latent_size, recipe.analysis.image
    return VoiceInfo(
        kind="clip",
        sample_rate=recipe.prepare.rate,
        channels=1,
        latent_size=size,
        frames=data.frames,
        signature="clip",
        inputs={"latent": (1, size)},
        outputs={output: (1, side, side) if output == "image" else (1, data.frames)},
        truncation=explored.truncation,
        directions=tuple(direction.name for direction in explored.directions),
        intensity={"mode": "layers", "layers": recipe.export.layers, "rest_seconds": recipe.export.rest_seconds},
        inversion=inversion_of(recipe, data) if output == "image" else None,
        **origin(recipe, steps, figures),
    )
