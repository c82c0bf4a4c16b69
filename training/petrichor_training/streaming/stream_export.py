"""From a trained stream to its voice: stepped, compared with the network it came from, and explored."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import ops

from petrichor.voice_file import VoiceInfo, write_voice
from petrichor_training import measure
from petrichor_training.checkpoint import Progress
from petrichor_training.convert import converted
from petrichor_training.dataset import Dataset
from petrichor_training.directions import Direction, fit_directions, least_correlation, principal
from petrichor_training.errors import ExportError
from petrichor_training.exploration import usual_truncation
from petrichor_training.hearing import described
from petrichor_training.latents import draw_latents
from petrichor_training.provenance import origin
from petrichor_training.recipe import Recipe
from petrichor_training.streaming.batches import hops_of
from petrichor_training.streaming.chorus import ChorusGenerator
from petrichor_training.streaming.noise import SLOW, draw_steps, slow_processes
from petrichor_training.streaming.song_step import AT_ONE_GO, SongStep
from petrichor_training.streaming.step import (
    CHANNELS,
    MIDDLE,
    SIGNATURE,
    TextureStep,
    VoiceStep,
    host_noise,
    save_step,
    state_sizes,
)
from petrichor_training.streaming.texture_network import MEMORY, TextureGenerator
from petrichor_training.streaming.zones import HOP, RATE

log = logging.getLogger(__name__)

COMPARED = ((0.0, 3), (0.5, 4), (1.0, 5))  # intensities, and seeds of latent and noise
SECONDS = 2.0  # of each stretch that is compared
HEARD_SECONDS = {False: 2.0, True: 6.0}  # of each that is measured: birds take longer to say what they are
BEFORE_SECONDS = {False: 0.5, True: 6.0}  # that are made before it, and not listened to
GLIDE = 0.006  # seconds: hops lap over one another, and what is sung glides by itself
LEAST_SNR_DB = 60.0  # of the converted network: less is another network
HOPS = AT_ONE_GO  # 4, 21 ms: a hop then takes half of its time
MOST_APART = 1e-6  # of hops made at one go from those made one by one; the kernels that were tried differ by nothing


class Stepper:
    """A LiteRT step network, run as the host runs it.

    Args:
        network: The .tflite file's contents.
    """

    def __init__(self, network: bytes) -> None:
        """Open it on one thread."""
        self._runner = Interpreter(model_content=network, num_threads=1).get_signature_runner(SIGNATURE)
        self.shapes = {name: tuple(given["shape"]) for name, given in self._runner.get_input_details().items()}
        self.seconds: list[float] = []  # that each hop took

    def play(self, latent: np.ndarray, intensity: float, noise: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Return the sound of some hops.

        Args:
            latent: Shape [latent_size].
            intensity: 0…1.
            noise: Of a multiple of the hops that it makes at one go. Shape [hops, 1, noise_size].
            state: To begin with. Shape [1, state_size]

        Returns:
            Shape [hops · HOP, CHANNELS]
        """
        given = {"latent": latent[None].astype(np.float32), "intensity": np.full((1, 1), intensity, np.float32)}
        pieces = []
        for now in noise.reshape(-1, *self.shapes["noise"]):
            begin = time.perf_counter()
            made = self._runner(noise=now, state=state, **given)
            self.seconds.append(time.perf_counter() - begin)
            state = made["state"]
            pieces.append(made["audio"][0])
        return np.concatenate(pieces)


def export_stream(
    trained: TextureGenerator | ChorusGenerator, kept: str, progress: Progress, data: Dataset, recipe: Recipe, out: Path
) -> dict[str, Any]:
    """Write the voice of a trained stream.

    Args:
        trained: The averaged generator.
        kept: The file that its weights came from.
        progress: How far they are.
        data: The cache it was trained on.
        recipe: Its recipe.
        out: Ends in ``.voice``.

    Returns:
        The figures that went into it.

    Raises:
        ExportError: The conversion failed or changed the sound.
    """
    figures: dict[str, Any] = {"weights": kept, "epochs": progress.epoch, "steps": progress.step}
    figures |= {"windows": len(data.train)} | ({"syllables": len(data.songs.after)} if data.songs else {})
    texture = trained.texture if isinstance(trained, ChorusGenerator) else trained
    step, song = TextureStep(texture.arrays(), texture.widths), None
    figures |= compare(_stepped(step), texture, recipe)
    if figures["snr_db"] < LEAST_SNR_DB:
        raise ExportError(f"the stepped network differs from the trained one: {figures['snr_db']} dB")
    if isinstance(trained, ChorusGenerator):
        assert data.songs is not None, "a chorus's cache has them"
        song = SongStep(trained.song.arrays(), data.songs.mean, data.songs.spread, data.songs.register)
    steps = (step, TextureStep(texture.arrays(), texture.widths, HOPS))
    network, several = (_stepped(VoiceStep(each, recipe.prepare.high_pass_hz, song)) for each in steps)
    stepper, stepper_of_several = Stepper(network), Stepper(several)
    figures |= {"bytes": len(network) + len(several), "ms_per_hop": tried(stepper)}
    figures["ms_per_hop_of_several"] = tried(stepper_of_several) / HOPS
    apart = difference(stepper, stepper_of_several)
    if apart > MOST_APART:
        raise ExportError(f"{HOPS} hops made at one go differ by {apart:.2g} from those made one by one")
    directions = explore_stream(stepper, recipe) if recipe.export.clips_measured else []
    figures["directions"] = {direction.name: round(direction.correlation, 3) for direction in directions}
    good = [each for each in directions if each.correlation >= least_correlation(recipe.export.clips_measured)]
    arrays = {f"direction/{direction.name}": direction.vector for direction in good}
    info = _describe(recipe, stepper.shapes, progress.step, figures, good)
    write_voice(out, info, network, arrays, data.credits, several)
    return figures


def _stepped(module: TextureStep | VoiceStep) -> bytes:
    """As LiteRT, in full precision: in eight bits a texture is another one (21 dB), and no faster."""
    return converted(lambda folder: save_step(module, folder), SIGNATURE, ("fp32",))["fp32"]


def compare(network: bytes, trained: TextureGenerator, recipe: Recipe) -> dict[str, float]:
    """Return how a stepped texture differs from the trained one on the same noise.

    Args:
        network: The .tflite file's contents.
        trained: What it was made from.
        recipe: Its recipe.

    Raises:
        ExportError: It gives values that are not finite.
    """
    stepper, wanted, got = Stepper(network), [], []
    for intensity, seed in COMPARED:
        one, other = _both(stepper, trained, recipe, intensity, seed)
        wanted.append(one)
        got.append(other)
    if not np.all(np.isfinite(got)):
        raise ExportError("the stepped network gives values that are not finite")
    return {
        "snr_db": round(measure.snr_db(np.stack(wanted), np.stack(got)), 1),
        "difference_db": round(measure.log_spectral_db(np.stack(wanted), np.stack(got)), 4),
    }


def difference(one: Stepper, other: Stepper) -> float:
    """Return how far the sounds of two networks of a voice are apart at most, on the same noise.

    Args:
        one: The first.
        other: The second.
    """
    rng, most = np.random.default_rng(9), 0.0
    for intensity in (0.0, 0.5, 1.0):
        latent = rng.uniform(-2, 2, one.shapes["latent"][1])
        noise = rng.standard_normal((HOPS * hops_of(SECONDS / HOPS), 1, one.shapes["noise"][1]), np.float32)
        state = np.zeros(one.shapes["state"], np.float32)
        sounds = [each.play(latent, intensity, noise, state) for each in (one, other)]
        most = max(most, float(np.abs(sounds[0] - sounds[1]).max()))
    return most


def tried(stepper: Stepper) -> float:
    """Return how long a call of a voice's network takes, ms: the median, at latents and intensities all over.

    Args:
        stepper: The voice's network.

    Raises:
        ExportError: It gives values that are not finite.
    """
    rng, state = np.random.default_rng(8), np.zeros(stepper.shapes["state"], np.float32)
    for intensity in (0.0, 0.5, 1.0):
        latent = rng.uniform(-3, 3, stepper.shapes["latent"][1])
        noise = rng.standard_normal((hops_of(SECONDS), *stepper.shapes["noise"]), np.float32)
        if not np.all(np.isfinite(stepper.play(latent, intensity, noise, state))):
            raise ExportError(f"the voice gives values that are not finite at intensity {intensity}")
    return round(1000 * float(np.median(stepper.seconds)), 4)


def _both(
    stepper: Stepper, trained: TextureGenerator, recipe: Recipe, intensity: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The middle as it was trained and as it is stepped, at one level. Shape [frames] each"""
    rng = np.random.default_rng(seed)
    latent = draw_latents(rng, 1, recipe.network)[:, -trained.latent_size :]
    drawn = draw_steps(rng, 1, MEMORY + 1 + hops_of(SECONDS))
    state = np.zeros((1, sum(state_sizes(trained.widths))), np.float32)
    state[:, :SLOW] = drawn["steps"][:, 0]
    stereo = stepper.play(latent[0], intensity, host_noise(drawn), state)
    middle = stereo.mean(axis=1) / MIDDLE
    inputs = {**drawn, "latent": latent, "intensity": np.full((1, 1), intensity, np.float32)}
    inputs["slow"] = slow_processes(inputs.pop("steps"))
    wanted = ops.convert_to_numpy(trained(inputs))[0]
    return wanted, middle[(MEMORY + 1) * HOP :]


def explore_stream(stepper: Stepper, recipe: Recipe) -> list[Direction]:
    """Return the directions along which a stream grows brighter or denser, and those in which it differs most.

    Args:
        stepper: The voice's network.
        recipe: Says how many stretches are listened to, all at intensity 0.5.
    """
    latents = draw_latents(np.random.default_rng(17), recipe.export.clips_measured, recipe.network)
    measures, points = described(_stretches(stepper, latents, recipe.sings))
    return fit_directions(latents, {**measures, **principal(points, measures["brightness"])})


def _stretches(stepper: Stepper, latents: np.ndarray, sings: bool) -> Iterator[np.ndarray]:
    """What is made of latents at intensity 0.5, one after the other. Shape [frames] each"""
    rng = np.random.default_rng((17, 1))
    before, heard = hops_of(BEFORE_SECONDS[sings]), hops_of(HEARD_SECONDS[sings])
    for latent in latents:
        noise = rng.standard_normal((before + heard, *stepper.shapes["noise"]), np.float32)
        made = stepper.play(latent, 0.5, noise, np.zeros(stepper.shapes["state"], np.float32))
        yield made[before * HOP :].mean(axis=1)


def _describe(
    recipe: Recipe, shapes: dict[str, tuple[int, ...]], steps: int, figures: dict[str, Any], directions: list[Direction]
) -> VoiceInfo:
    """What voice.json says."""
    inputs = {name: tuple(int(size) for size in shape) for name, shape in shapes.items()}
    return VoiceInfo(
        kind="stream",
        sample_rate=RATE,
        channels=CHANNELS,
        latent_size=recipe.network.latent_size,
        frames=HOP,
        hops=HOPS,
        signature=SIGNATURE,
        inputs=inputs,
        outputs={"audio": (1, HOP, CHANNELS), "state": inputs["state"]},
        truncation=usual_truncation(recipe),
        glide=GLIDE,
        directions=tuple(direction.name for direction in directions),
        intensity={"mode": "conditioned"},
        **origin(recipe, steps, figures),
    )
