"""What `voice.json` says about a voice, and what it may say. Part of the contract of `petrichor.voice_file`.

Pure; used wherever voices are described.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
KINDS = {"clip": "clip", "stream": "step"}  # kind → signature of the network
MAX_LATENT = 4096
MAX_DIRECTIONS = 64
DIRECTION = re.compile(r"[^\s#*,/?\[\]{}]{1,60}")  # a part of an OSC address
MAX_RATE = 192_000  # Hz
MAX_FRAMES = 60 * MAX_RATE
MAX_HOP = 4096  # frames of a stream: a hop has to fit the renderer's ring, and controls are heard only between hops
MOST_HOPS = 8  # that are made at one go
MAX_NOISE = 1 << 18  # numbers of noise in a hop of a stream: 1 MB
MAX_IMAGE = 4096  # pixels of a spectrogram image, either way
MAX_PIXELS = 1 << 24  # points of the spectrogram it stands for: 64 MB
MAX_MATRIX = 1 << 22  # numbers in a matrix that resizes the image: 16 MB, and eight times that while it is made
MAX_NFFT = 1 << 16
INVERSION_LIMITS = {  # highest whole number; None for numbers that need not be whole
    "nfft": MAX_NFFT,
    "window": MAX_NFFT,
    "stride": MAX_NFFT,
    "iterations": 1 << 20,
    "frames": 1 << 16,  # 87 s at the published stride and 48 kHz
    "bins": MAX_NFFT // 2 + 1,
    "log_offset": None,
    "log_min": None,
    "log_max": None,
}
GIVEN = ("latent", "intensity")  # inputs that are the performer's; what is neither these nor state is noise
STATE = "state"  # names of tensors that a stream carries from hop to hop begin so
LONGEST_REASON, LONGEST_QUOTE = 300, 80  # characters: a reason goes out in one datagram


@dataclass(frozen=True)
class VoiceInfo:
    """What `voice.json` says about a voice.

    Attributes:
        kind: "clip" (separate clips, joined by the host) or "stream" (endless, state in and out).
        sample_rate: Hz.
        channels: 1 or 2.
        latent_size: Coordinates of the latent vector.
        frames: Frames of one clip, or the hop of a stream.
        signature: Name of the network's signature: "clip" or "step".
        inputs: Tensor name → shape. All tensors are float32.
        outputs: Tensor name → shape.
        truncation: Default truncation, in standard deviations, 0…3.
        glide: Of a stream: seconds in which latent and intensity cover 63 % of a change, 0…1. A network whose hops lap
            over one another needs less than one that multiplies by its intensity.
        intensity: How intensity acts, e.g. {"mode": "layers", "layers": 4, "rest_seconds": 2.5}.
        inversion: Analysis parameters of a voice whose output is a spectrogram image, else None.
        hops: Of a stream: how many hops the second network of the file makes at one go; 1: it has none.
        directions: Names of the latent directions; arrays "direction/NAME", shape [latent_size].
        recipe: Name of the training recipe.
        settings: Every training setting.
        steps: Training steps taken.
        figures: Quality and size figures measured at export.
        petrichor: Version of Petrichor that wrote the file.
        commit: Git commit that trained it, or "".
    """

    kind: str
    sample_rate: int
    channels: int
    latent_size: int
    frames: int
    signature: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    truncation: float = 1.0
    glide: float = 0.03
    intensity: Mapping[str, Any] = field(default_factory=lambda: {"mode": "layers", "layers": 3, "rest_seconds": 0.0})
    inversion: Mapping[str, Any] | None = None
    hops: int = 1
    directions: tuple[str, ...] = ()
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    petrichor: str = ""
    commit: str = ""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: With what was got and what was expected.
        """
        expect(self.kind in KINDS, f"kind is {quoted(self.kind)}, expected one of {sorted(KINDS)}")
        signature = KINDS[self.kind]
        expect(self.signature == signature, f"signature is {quoted(self.signature)}, expected {signature!r}")
        _expect_range("sample_rate", self.sample_rate, 1000, MAX_RATE)
        _expect_range("channels", self.channels, 1, 2)
        _expect_range("latent_size", self.latent_size, 1, MAX_LATENT)
        _expect_range("frames", self.frames, 16, MAX_HOP if self.kind == "stream" else MAX_FRAMES)
        _expect_range("steps", self.steps, 0, 1 << 62)
        _expect_range("hops", self.hops, 1, MOST_HOPS if self.kind == "stream" else 1)
        _expect_number("truncation", self.truncation, 0.0, 3.0)
        _expect_number("glide", self.glide, 0.0, 1.0)
        _expect_shapes("inputs", self.inputs)
        _expect_shapes("outputs", self.outputs)
        latent = tuple(self.inputs.get("latent", ()))
        good = latent == (1, self.latent_size)
        expect(good, f"input latent is {quoted(list(latent))}, expected [1, {self.latent_size}]")
        _expect_intensity(self.intensity)
        if self.inversion is not None:
            _expect_inversion(self.inversion)
        _expect_outputs(self)
        for name in ("settings", "figures"):
            expect(isinstance(getattr(self, name), Mapping), f"{name} is not an object")
        count = len(self.directions)
        expect(count <= MAX_DIRECTIONS, f"there are {count} directions, expected at most {MAX_DIRECTIONS}")
        for name in self.directions:
            good = isinstance(name, str) and DIRECTION.fullmatch(name) is not None
            expect(good, f"direction {quoted(name)} cannot be part of an OSC address")

    @property
    def seconds(self) -> float:
        """Length of one clip or hop in seconds."""
        return self.frames / self.sample_rate

    @property
    def noises(self) -> dict[str, tuple[int, ...]]:
        """Inputs of a stream that are noise: tensor name → shape for one hop."""
        return {
            name: tuple(shape)
            for name, shape in self.inputs.items()
            if name not in GIVEN and not name.startswith(STATE)
        }

    def at_one_go(self, hops: int) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """Return inputs and outputs of the network that makes so many hops at one go.

        Noise is a hop's after the other along the first dimension, sound along its frames; all else is as for one.
        """
        inputs = {name: tuple(shape) for name, shape in self.inputs.items()}
        inputs |= {name: (hops * shape[0], *shape[1:]) for name, shape in self.noises.items()}
        outputs = {name: tuple(shape) for name, shape in self.outputs.items()}
        if hops > 1:
            outputs["audio"] = (1, hops * self.frames, self.channels)
        return inputs, outputs

    def to_json(self) -> dict[str, Any]:
        """Return the fields as `voice.json` holds them (without the hashes)."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


def expect(condition: bool, reason: str) -> None:
    """Check something that was read.

    Raises:
        ValueError: With the reason, where the condition does not hold.
    """
    if not condition:
        raise ValueError(reason)


def brief(text: str, most: int = LONGEST_REASON) -> str:
    """Return a text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(value: Any) -> str:
    """Return a value of a file as it may stand in a reason: readable and never long."""
    return brief(repr(value), LONGEST_QUOTE)


def _expect_range(name: str, value: Any, low: int, high: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    expect(whole and low <= value <= high, f"{name} is {quoted(value)}, expected a whole number {low}…{high}")


def _expect_number(name: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    expect(number and low <= value <= high, f"{name} is {quoted(value)}, expected a number {low}…{high}")


def _expect_shapes(name: str, shapes: Any) -> None:
    good = isinstance(shapes, Mapping) and bool(shapes)
    expect(good, f"{name} is {quoted(shapes)}, expected tensor names and shapes")
    for tensor, shape in shapes.items():
        sizes = shape if isinstance(shape, (tuple, list)) else ()
        good = bool(sizes) and all(isinstance(n, int) and 0 < n <= MAX_FRAMES for n in sizes)
        expect(good, f"{name} {quoted(tensor)} has shape {quoted(shape)}, expected positive whole numbers")


def _expect_intensity(intensity: Any) -> None:
    expect(isinstance(intensity, Mapping), f"intensity is {quoted(intensity)}, expected an object")
    mode = intensity.get("mode")
    expect(mode in ("layers", "conditioned"), f"intensity mode is {quoted(mode)}, expected layers or conditioned")
    if mode == "layers" or "layers" in intensity:
        _expect_range("intensity layers", intensity.get("layers"), 1, 16)
    if mode == "layers" or "rest_seconds" in intensity:
        _expect_number("intensity rest_seconds", intensity.get("rest_seconds"), 0.0, 60.0)


def _expect_outputs(info: VoiceInfo) -> None:
    outputs = {name: tuple(shape) for name, shape in info.outputs.items()}
    if info.inversion is not None:
        shape = outputs.get("image", ())
        good = info.kind == "clip" and len(shape) == 3 and shape[0] == 1 and max(shape) <= MAX_IMAGE
        expect(good, f"output image is {quoted(list(shape))}, expected [1, rows, columns] of a clip")
        _expect_small_matrix("rows", shape[1], "frames", info.inversion)
        _expect_small_matrix("columns", shape[2], "bins", info.inversion)
        return
    whole = (1, info.frames, info.channels)
    allowed = (whole, whole[:2]) if info.kind == "clip" and info.channels == 1 else (whole,)
    audio = outputs.get("audio")
    expect(audio in allowed, f"output audio is {quoted(audio)}, expected {list(whole)}")
    _expect_little_noise(info)
    states = {name: tuple(shape) for name, shape in info.inputs.items() if name.startswith(STATE)}
    expect(all(outputs.get(name) == shape for name, shape in states.items()), "states differ between in and out")


def _expect_little_noise(info: VoiceInfo) -> None:
    if info.kind == "stream":
        size = sum(map(math.prod, info.noises.values()))
        expect(size <= MAX_NOISE, f"a hop takes {size} numbers of noise, expected at most {MAX_NOISE}")


def _expect_small_matrix(what: str, pixels: int, name: str, inversion: Mapping[str, Any]) -> None:
    size = pixels * inversion[name]
    got = f"image of {pixels} {what} times inversion {name} {inversion[name]} is {size}"
    expect(size <= MAX_MATRIX, f"{got}, expected at most {MAX_MATRIX}")


def _expect_inversion(inversion: Any) -> None:
    expect(isinstance(inversion, Mapping), f"inversion is {quoted(inversion)}, expected an object")
    missing = sorted(set(INVERSION_LIMITS) - set(inversion))
    expect(not missing, f"inversion lacks {missing}")
    for name, most in INVERSION_LIMITS.items():
        if most is not None:
            _expect_range(f"inversion {name}", inversion[name], 1, most)
        else:
            _expect_number(f"inversion {name}", inversion[name], -100.0, 100.0)
    if inversion.get("mel_rate", 0) != 0:  # may be missing: the first voices had none
        _expect_range("inversion mel_rate", inversion["mel_rate"], 1000, MAX_RATE)
    expect(inversion["log_min"] < inversion["log_max"], "inversion log_min is not below log_max")
    pixels = inversion["frames"] * inversion["bins"]
    expect(pixels <= MAX_PIXELS, f"inversion has {pixels} points, at most {MAX_PIXELS} allowed")
    expect(inversion["bins"] == inversion["nfft"] // 2 + 1, "inversion bins is not nfft / 2 + 1")
    expect(inversion["window"] <= inversion["nfft"], "inversion window is longer than nfft")
    samples = inversion["frames"] * inversion["stride"]
    expect(samples > inversion["window"], f"inversion gives {samples} samples, no more than its window")
