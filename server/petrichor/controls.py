"""What a performer controls of one voice, and how messages change it.

`VoiceState` is owned by the control process (or by the offline renderer). A message becomes a `Change`, which acts at
once or at a sample (`petrichor.cues`); from the fields come immutable values: `Controls` for the engine that makes
the sound, `Strip` for the mixer that places it.
"""

from __future__ import annotations

import copy
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from petrichor.cues import Change, Fields, assign
from petrichor.errors import MessageError
from petrichor.latent import clip, draw
from petrichor.parameters import SERVER_COMMANDS, VOICE_PARAMETERS, Parameter, amplitude

if TYPE_CHECKING:
    from typing_extensions import Self

ENGINE_FIELDS = (
    "latent",
    "direction",
    "truncation",
    "intensity",
    "spread",
    "glide",
    "drift",
    "freeze",
    "seed",
    "draw",
    "restart",
)
STRIP_FIELDS = ("gain", "pan", "mute")
DRAWN_SEEDS = 1 << 24  # whole numbers that the floats of a Pd patch hold, which may want to send a drawn seed back
NOWHERE = np.zeros(0, np.float32)  # along no direction
_draws = itertools.count(1)  # every draw of this process has a number of its own


@dataclass(frozen=True, eq=False)
class Controls:
    """One moment's controls of an engine.

    Attributes:
        latent: Latent vector, already clipped to the truncation. Shape [latent_size], float32.
        truncation: Bound of draws, in standard deviations, 0…3.
        intensity: 0 (drizzle, a lone bird) … 1 (downpour, chorus).
        spread: How far each clip's own latent strays from `latent`, 0…1.
        directions: How far `latent` is moved along each of the voice's directions, -3…3. Shape [directions], float32.
        glide: Seconds in which latent, directions and intensity reach a new value.
        drift: How far the latent wanders, 0…1.
        freeze: Whether the latent is held where it is.
        seed: Seed of strays and noise.
        draw: Number of the last draw; another one starts a fresh clip at once.
        restart: Number of the last draw from a given seed; another one starts the sound anew.
    """

    latent: np.ndarray
    truncation: float = 1.0
    intensity: float = 0.5
    spread: float = 0.6
    directions: np.ndarray = field(default_factory=lambda: NOWHERE)
    glide: float = 0.0
    drift: float = 0.0
    freeze: bool = False
    seed: int = 0
    draw: int = 0
    restart: int = 0


@dataclass(frozen=True)
class Strip:
    """One voice's place in the mix.

    Attributes:
        gain: Linear gain, mute included.
        pan: -1 (left) … 1 (right).
    """

    gain: float = 1.0
    pan: float = 0.0


def controls_of(fields: Fields) -> Controls:
    """Return the engine's side of the fields, as one immutable value."""
    return Controls(
        clip(fields["latent"], fields["truncation"]),
        fields["truncation"],
        fields["intensity"],
        fields["spread"],
        fields["direction"],
        0.001 * fields["glide"],
        fields["drift"],
        bool(fields["freeze"]),
        fields["seed"],
        fields["draw"],
        fields["restart"],
    )


def strip_of(fields: Fields) -> Strip:
    """Return the mixer's side of the fields, as one immutable value."""
    return Strip(0.0 if fields["mute"] else amplitude(fields["gain"]), fields["pan"])


def part_of(fields: Change, names: Sequence[str]) -> Fields:
    """Return those of the fields that one reader wants; "latent/3" goes with "latent"."""
    return {name: value for name, value in fields.items() if name.partition("/")[0] in names}


class State:
    """Parameters that messages change, of a voice or of the master.

    Attributes:
        fields: Every parameter by name.
    """

    fields: Fields

    @property
    def told(self) -> dict[str, tuple[object, ...]]:
        """Every value that can be asked for: parameter → OSC arguments that would set it, in the order of the table."""
        raise NotImplementedError

    def copy(self) -> Self:
        """Return a state that is changed by itself."""
        other = copy.copy(self)
        other.fields = dict(self.fields)
        return other

    def apply(self, parameter: str, args: Sequence[object]) -> float | None:
        """Obey one message at once; see `change`.

        Returns:
            The clamped value where the given one was out of range, else None.
        """
        change, clamped = self.change(parameter, args)
        assign(self.fields, change)
        return clamped

    def change(self, parameter: str, args: Sequence[object]) -> tuple[dict[str, Any], float | None]:
        """Return what one message changes. Nothing is changed yet, but draws are made.

        Args:
            parameter: Address within the voice, e.g. "intensity" or "latent/3".
            args: OSC arguments.

        Returns:
            The change, and the clamped value where the given one was out of range, else None.

        Raises:
            MessageError: Unknown parameter, wrong number or type of arguments, values that are not finite.
        """
        raise NotImplementedError


class MasterState(State):
    """The level of everything."""

    def __init__(self) -> None:
        """Start at 0 dB."""
        self.fields = {"gain": 0.0}

    @property
    def told(self) -> dict[str, tuple[object, ...]]:
        """See `State.told`."""
        return {"gain": (self.fields["gain"],)}

    def change(self, parameter: str, args: Sequence[object]) -> tuple[dict[str, Any], float | None]:
        """See `State.change`."""
        value, clamped = clamped_number(SERVER_COMMANDS[f"/master/{parameter}"], f"/master/{parameter}", args)
        return {parameter: value}, value if clamped else None


class VoiceState(State):
    """All parameters of one voice.

    Args:
        name: The voice's name; voices of one server with the same seed differ by it.
        latent_size: Coordinates of the latent vector.
        truncation: The voice file's default truncation.
        seed: Seed of the first latent vector.
        directions: Names of the voice's directions.

    Attributes:
        fields: Every parameter by name, and "latent", "direction" (one number for each of `directions`), "seed",
            "draw", "restart" and "random" (the generator of draws).
    """

    def __init__(
        self, name: str, latent_size: int, truncation: float, seed: int = 1, directions: tuple[str, ...] = ()
    ) -> None:
        """Draw the first latent vector from `seed` and the voice's name."""
        self.name = name
        self.latent_size = latent_size
        self.directions = directions
        self.fields: Fields = {p.name: p.default for p in VOICE_PARAMETERS.values() if p.default is not None}
        self.fields["truncation"] = truncation
        self.fields["direction"] = np.zeros(len(directions), np.float32)
        assign(self.fields, self._seeded((seed + zlib.crc32(name.encode())) % DRAWN_SEEDS))

    @property
    def controls(self) -> Controls:
        """The engine's side."""
        return controls_of(self.fields)

    @property
    def strip(self) -> Strip:
        """The mixer's side."""
        return strip_of(self.fields)

    @property
    def told(self) -> dict[str, tuple[object, ...]]:
        """See `State.told`."""
        told: dict[str, tuple[object, ...]] = {}
        for name in VOICE_PARAMETERS:
            if name == "latent":
                told[name] = tuple(self.fields[name].tolist())
            elif name == "direction/NAME":
                values = self.fields["direction"].tolist()
                told.update(
                    {f"direction/{each}": (value,) for each, value in zip(self.directions, values, strict=True)}
                )
            elif name in self.fields:
                told[name] = (self.fields[name],)
        return told

    def fitted(self, latent_size: int, directions: tuple[str, ...]) -> VoiceState:
        """Return a state for a network of another latent size or other directions.

        A latent vector of another size is drawn from the same seed; directions of the same name stay; so does all else.
        For the same size and names it is this state itself.
        """
        if (latent_size, directions) == (self.latent_size, self.directions):
            return self
        other = self.copy()
        other.latent_size, other.directions = latent_size, directions
        known = dict(zip(self.directions, self.fields["direction"], strict=True))
        other.fields["direction"] = np.array([known.get(name, 0.0) for name in directions], np.float32)
        if latent_size != self.latent_size:
            assign(other.fields, other._seeded(self.fields["seed"]))
        return other

    def change(self, parameter: str, args: Sequence[object]) -> tuple[dict[str, Any], float | None]:
        """See `State.change`."""
        address = f"/{self.name}/{parameter}"
        if parameter == "latent":
            return {"latent": self._latent(address, args)}, None
        if parameter.startswith("latent/"):
            return {f"latent/{self._coordinate(address, parameter)}": one_number(address, args)}, None
        if parameter == "new":
            return self._drawn(address, args), None
        if parameter.startswith("direction/"):
            value, clamped = clamped_number(VOICE_PARAMETERS["direction/NAME"], address, args)
            return {f"direction/{self._direction(address, parameter)}": value}, value if clamped else None
        row = VOICE_PARAMETERS.get(parameter)
        if row is None or row.low is None:
            known = ", ".join(VOICE_PARAMETERS)
            raise MessageError(address, f"there is no parameter {parameter!r:.60}, expected one of {known}")
        value, clamped = clamped_number(row, address, args)
        if parameter == "seed":
            change: dict[str, Any] = self._seeded(int(value))
        else:
            change = {parameter: round(value) if row.tags == "i" else value}
        return change, value if clamped else None

    def _seeded(self, seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        latent = draw(random, self.latent_size, self.fields["truncation"])
        number = next(_draws)
        return {"random": random, "latent": latent, "seed": seed, "draw": number, "restart": number}

    def _drawn(self, address: str, args: Sequence[object]) -> dict[str, Any]:
        if args:
            raise MessageError(address, f"got {len(args)} arguments, expected none")
        random: np.random.Generator = self.fields["random"]
        seed = int(random.integers(DRAWN_SEEDS))
        latent = draw(np.random.default_rng(seed), self.latent_size, self.fields["truncation"])
        return {"latent": latent, "seed": seed, "draw": next(_draws)}

    def _latent(self, address: str, args: Sequence[object]) -> np.ndarray:
        if len(args) == 1 and isinstance(args[0], bytes):
            if len(args[0]) != 4 * self.latent_size:
                raise MessageError(address, f"got a blob of {len(args[0])} bytes, expected {4 * self.latent_size}")
            values = np.frombuffer(args[0], ">f4").astype(np.float32)
        elif len(args) != self.latent_size:
            raise MessageError(address, f"got {len(args)} values, expected {self.latent_size} or one blob")
        else:
            values = np.array([number(address, a) for a in args], np.float32)
        if not np.isfinite(values).all():
            raise MessageError(address, "got values that are not finite numbers")
        return values

    def _coordinate(self, address: str, parameter: str) -> int:
        text = parameter.removeprefix("latent/")
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) < self.latent_size):
            raise MessageError(address, f"coordinate is {text!r:.60}, expected 0…{self.latent_size - 1}")
        return int(text)

    def _direction(self, address: str, parameter: str) -> int:
        name = parameter.removeprefix("direction/")
        if name not in self.directions:
            known = ", ".join(self.directions) or "none"
            raise MessageError(address, f"{self.name} has no direction {name!r:.60}; it has {known}")
        return self.directions.index(name)


def number(address: str, value: object) -> float:
    """Return an OSC argument as a finite float; true and false, as touch screens send them, are 1 and 0.

    Raises:
        MessageError: It is not a number, or not a finite one of float32's range.
    """
    if not isinstance(value, (int, float)):
        raise MessageError(address, f"got {value!r:.40}, expected a number")
    if not abs(value) <= 3.4e38:  # also false for NaN
        raise MessageError(address, f"got {value!r:.40}, expected a finite number")
    return float(value)


def clamped_number(row: Parameter, address: str, args: Sequence[object]) -> tuple[float, bool]:
    """Return the only argument brought into the range of `row`, and whether it was outside.

    Raises:
        MessageError: There is not exactly one argument, or it is not a finite number.
    """
    value = one_number(address, args)
    clamped = row.clamp(value)
    return clamped, clamped != value


def one_number(address: str, args: Sequence[object]) -> float:
    """Return the only argument as a finite float.

    Raises:
        MessageError: There is not exactly one argument, or it is not a finite number.
    """
    if len(args) != 1:
        raise MessageError(address, f"got {len(args)} arguments, expected one number")
    return number(address, args[0])
