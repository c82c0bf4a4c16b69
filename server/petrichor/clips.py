"""Single clips: what is ordered, and how one is made. Belongs to one thread at a time."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import numpy as np
import soxr

from petrichor.controls import Controls
from petrichor.errors import VoiceFileError
from petrichor.interpreter import Network
from petrichor.inversion import Analysis, Inverter
from petrichor.latent import distance, generator, stray
from petrichor.voice_file import Voice

logger = logging.getLogger(__name__)

NEAR = 0.02  # standard deviations per coordinate below which two latents count as the same
CONTINUOUS_LEVEL = -17.0  # dBFS of one clip at full level: rain is then at -23 dBFS at intensity 0.5
SOLO_LEVEL = -20.0  # dBFS of one clip of a voice that rests (birds)
EVENNESS = 0.65  # how much of a clip's own loudness difference is evened out
EVENNESS_RANGE = 9.0  # dB; a nearly silent clip stays nearly silent
CLIP_KNEE, CLIP_PEAK = 0.9, 1.6  # a drop beyond is bent, not its whole clip turned down; layers' gains are below 1
CUT, SOLO_CUT = 0.3, 0.55  # the most that is cut from a clip, so that no two seams are equally far apart
LAYER_PANS = (-0.55, 0.55, 0.15, -0.2, 0.75, -0.75, 0.4, -0.4)
SOLO_PANS = (0.0, -0.6, 0.6, 0.25, -0.3, 0.8, -0.8, 0.45)
CALIBRATION_CLIPS = 4
IMAGE_USES = 2  # clips made from one image, begun elsewhere and with other phases: the network takes longest
JOINT = 32  # rows of a rain image: 60 ms
SHORTEST = 0.05  # seconds; shorter clips leave nothing between two overlaps


@dataclass(frozen=True, eq=False)
class ClipOrder:
    """A clip that is wanted.

    Attributes:
        layer: For which layer.
        index: Counts the clips of this layer since the last draw.
        controls: Latent, spread, truncation and seed it is made with.
    """

    layer: int
    index: int
    controls: Controls

    def same_as(self, other: ClipOrder) -> bool:
        """Tell whether both want the same clip, or two too near to each other to hear the difference."""
        mine, its = self.controls, other.controls
        if (self.layer, self.index, mine.draw, mine.seed) != (other.layer, other.index, its.draw, its.seed):
            return False
        if mine is its:
            return True
        same = mine.truncation == its.truncation and abs(mine.spread - its.spread) < 0.01
        return same and distance(mine.latent, its.latent) < NEAR

    def changed_into(self, other: ClipOrder) -> bool:
        """Tell whether `other` is the same clip made from another latent."""
        mine, its = self.controls, other.controls
        return (self.layer, self.index, mine.draw, mine.seed) == (
            other.layer,
            other.index,
            its.draw,
            its.seed,
        )


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip ready to sound.

    Attributes:
        order: What it was made for.
        sound: Panned and levelled, at the engine's rate, float32. Shape [2, frames]
        rest: How long the pause after it is, in mean pauses, 0.4…1.6.
    """

    order: ClipOrder
    sound: np.ndarray
    rest: float


class ClipMaker:
    """Makes clips: latent → network → (inversion) → rate → level → place.

    Attributes:
        voice: The voice.
        rate: Hz, of the clips.
        stock: Clips made while measuring the voice's level: something to play before anything was ordered.
    """

    def __init__(self, voice: Voice, rate: int) -> None:
        """Open and verify the network and measure how loud the voice is.

        Raises:
            VoiceFileError: The network is not what the voice file says, or does not work.
        """
        self.voice = voice
        self.rate = rate
        self._network = Network(voice)
        self._network.verify()
        info = voice.info
        self._solo = float(info.intensity.get("rest_seconds", 0.0)) > 0
        self._invert: Inverter | None = None
        if info.inversion is not None:
            _, rows, columns = info.outputs["image"]
            self._invert = Inverter(Analysis.from_info(info.inversion), rows, columns)
        self._images: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=2 * len(LAYER_PANS))
        self._usual = 0.0  # dBFS; until it is measured no clip is levelled
        self.stock = self._measure()

    def make(self, order: ClipOrder) -> Clip:
        """Make the clip that `order` wants; the same order always gives the same clip."""
        controls = order.controls
        rng = generator(controls.seed, order.index, order.layer)
        uses = IMAGE_USES if self._invert is not None else 1
        straying = generator(controls.seed, order.index // uses, order.layer, uses)
        latent = stray(controls.latent, controls.spread, controls.truncation, straying)
        where, rest, cut, part, turn = rng.random(5)
        sound = self._sound(latent, rng, turn if controls.spread > 0 else 0.0)
        # Where every clip is the same on purpose (spread 0), it is the same to the sample, cuts and all.
        cut *= (SOLO_CUT if self._solo else CUT) * min(1.0, 10.0 * controls.spread)
        start = round(cut * part * len(sound))
        sound = sound[start : start + round((1.0 - cut) * len(sound))]
        return Clip(order, self._place(self._level(sound), order.layer, where), 0.4 + 1.2 * rest)

    def _sound(self, latent: np.ndarray, rng: np.random.Generator, turn: float = 0.0) -> np.ndarray:
        """Return what the network makes of `latent`, mono at the engine's rate. Shape [frames]"""
        output = self._output(latent)
        sound = output if self._invert is None else self._invert(turned(output, turn), rng)
        if not np.isfinite(sound).all():
            logger.warning("%s: a clip was not finite and is left silent", self.voice.path.name)
            sound = np.zeros_like(sound)
        sound = sound - np.float32(sound.mean())
        if self.rate != self.voice.info.sample_rate:
            sound = soxr.resample(sound, self.voice.info.sample_rate, self.rate)
        return np.asarray(sound, np.float32)

    def _output(self, latent: np.ndarray) -> np.ndarray:
        """Return the network's sound, shape [frames], or image, shape [rows, columns]."""
        if self._invert is None:
            sound = self._network({"latent": latent[None]})["audio"][0]
            return sound if sound.ndim == 1 else sound.mean(axis=1)
        for known, image in self._images:
            if np.array_equal(known, latent):
                return image
        image = self._network({"latent": latent[None]})["image"][0]
        self._images.append((latent, image))
        return image

    def _level(self, sound: np.ndarray) -> np.ndarray:
        loudness = decibels(sound)
        odd = float(np.clip(loudness - self._usual, -EVENNESS_RANGE, EVENNESS_RANGE))
        wanted = SOLO_LEVEL if self._solo else CONTINUOUS_LEVEL
        gain = 10 ** ((wanted - self._usual - EVENNESS * odd) / 20)
        return soften(sound * np.float32(gain), CLIP_KNEE, CLIP_PEAK)

    def _place(self, sound: np.ndarray, layer: int, where: float) -> np.ndarray:
        """Pan with constant power. Birds take a new place each time; rain stays where its layer is."""
        pans = SOLO_PANS if self._solo else LAYER_PANS
        pan = pans[layer % len(pans)] + (0.5 * (where - 0.5) if self._solo else 0.0)
        angle = (1.0 + pan) * np.pi / 4
        gains = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)  # 1 and 1 in the middle
        return np.multiply.outer(gains.astype(np.float32), sound)

    def _measure(self) -> tuple[Clip, ...]:
        info = self.voice.info
        middle = Controls(np.zeros(info.latent_size, np.float32), info.truncation, spread=1.0)
        latents = [stray(middle.latent, 1.0, info.truncation, generator(0, i)) for i in range(CALIBRATION_CLIPS)]
        sounds = [self._sound(latent, generator(1, i)) for i, latent in enumerate(latents)]
        shortest = min(len(sound) for sound in sounds) / self.rate
        if shortest < SHORTEST:
            raise VoiceFileError(self.voice.path, f"clips last {shortest:.3f} s, expected at least {SHORTEST} s")
        self._usual = max(float(np.median([decibels(sound) for sound in sounds])), -80.0)
        placed = (self._place(self._level(sound), i, 0.5) for i, sound in enumerate(sounds))
        return tuple(Clip(ClipOrder(i, -1, middle), sound, 1.0) for i, sound in enumerate(placed))


def turned(image: np.ndarray, turn: float) -> np.ndarray:
    """Let a texture begin elsewhere: what was cut off at its beginning follows its end.

    Neighbouring latents give nearly the same image, drop by drop (correlation 0.86 at spread 0.3): without this, rain
    would repeat with its clips. On both sides of the joint the bands' levels are led towards each other.

    Args:
        image: Shape [rows (time), columns]
        turn: 0…1, by which part.
    """
    shift = round(turn * len(image))
    if not shift or len(image) < 2 * JOINT:
        return image
    image = image.copy()
    image[0], image[-1] = image[1], image[-2]  # convolutions leave the outermost rows darker
    step = image[-JOINT // 4 :].mean(axis=0) - image[: JOINT // 4].mean(axis=0)
    half = np.linspace(0.5, 0.0, JOINT, dtype=np.float32)[:, None] * step
    image[:JOINT] += half
    image[-JOINT:] -= half[::-1]
    return np.roll(image, shift, axis=0)


def decibels(sound: np.ndarray) -> float:
    """Return the root mean square level of `sound` in dBFS, -120 for silence."""
    return 10 * float(np.log10(max(float(np.mean(np.square(sound, dtype=np.float64))), 1e-12)))


def soften(sound: np.ndarray, knee: float, top: float) -> np.ndarray:
    """Bend peaks above `knee` so that none passes `top`; leave the rest as it is. Any shape, float32"""
    size = np.abs(sound)
    if size.max(initial=0.0) <= knee:
        return sound
    bent = knee + (top - knee) * np.tanh((size - knee) / (top - knee))
    return np.where(size > knee, np.copysign(bent, sound), sound).astype(np.float32)
