"""What a performer controls of one voice, and how messages change it.

`VoiceState` is owned by the control process (or by the offline renderer) and changed by messages; it hands out
immutable values: `Controls` for the engine that makes the sound, `Strip` for the mixer that places it.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from petrichor.errors import MessageError
from petrichor.latent import clip, draw
from petrichor.parameters import VOICE_PARAMETERS, Parameter, amplitude


@dataclass(frozen=True, eq=False)
class Controls:
    """One moment's controls of an engine.

    Attributes:
        latent: Latent vector, already clipped to the truncation. Shape [latent_size], float32.
        truncation: Bound of draws, in standard deviations, 0…3.
        intensity: 0 (drizzle, a lone bird) … 1 (downpour, chorus).
        spread: How far each clip's own latent strays from `latent`, 0…1.
        seed: Seed of strays and noise.
        draw: Counts draws; a new value starts a fresh clip at once and restarts the noise.
    """

    latent: np.ndarray
    truncation: float = 1.0
    intensity: float = 0.5
    spread: float = 0.6
    seed: int = 0
    draw: int = 0


@dataclass(frozen=True)
class Strip:
    """One voice's place in the mix.

    Attributes:
        gain: Linear gain, mute included.
        pan: -1 (left) … 1 (right).
    """

    gain: float = 1.0
    pan: float = 0.0


class VoiceState:
    """All parameters of one voice, changed by messages.

    Args:
        name: The voice's name; voices of one server with the same seed differ by it.
        latent_size: Coordinates of the latent vector.
        truncation: The voice file's default truncation.
        seed: Seed of the first latent vector.
    """

    def __init__(self, name: str, latent_size: int, truncation: float, seed: int = 1) -> None:
        """Draw the first latent vector from `seed` and the voice's name."""
        self.name = name
        self.latent_size = latent_size
        self.values = {p.name: p.default for p in VOICE_PARAMETERS.values() if p.default is not None}
        self.values["truncation"] = truncation
        self._draws = 0
        self._seed_with((seed + zlib.crc32(name.encode())) & 0x7FFFFFFF)

    @property
    def controls(self) -> Controls:
        """The engine's side, as one immutable value."""
        value = self.values
        latent = clip(self._latent, value["truncation"])
        return Controls(latent, value["truncation"], value["intensity"], value["spread"], self._seed, self._draws)

    @property
    def strip(self) -> Strip:
        """The mixer's side, as one immutable value."""
        gain = 0.0 if self.values["mute"] else amplitude(self.values["gain"])
        return Strip(gain, self.values["pan"])

    def fitted(self, latent_size: int) -> VoiceState:
        """Return the state for a network of another latent size.

        All values are shared with this state, so that both follow the same messages; the latent vector is drawn
        anew from the same seed, and later latents, seeds and draws are each state's own. For the same size it is
        this state itself.
        """
        if latent_size == self.latent_size:
            return self
        other = copy.copy(self)
        other.latent_size = latent_size
        other._seed_with(self._seed)
        return other

    def apply(self, parameter: str, args: Sequence[object]) -> float | None:
        """Obey one message.

        Args:
            parameter: Address within the voice, e.g. "intensity" or "latent/3".
            args: OSC arguments.

        Returns:
            The clamped value where the given one was out of range, else None.

        Raises:
            MessageError: Unknown parameter, wrong number or type of arguments, values that are not finite.
        """
        address = f"/{self.name}/{parameter}"
        if parameter == "latent":
            self._set_latent(address, args)
            return None
        if parameter.startswith("latent/"):
            self._set_coordinate(address, parameter.removeprefix("latent/"), args)
            return None
        if parameter == "new":
            self._draw_new(address, args)
            return None
        row = VOICE_PARAMETERS.get(parameter)
        if row is None or row.low is None:
            known = ", ".join(VOICE_PARAMETERS)
            raise MessageError(address, f"there is no parameter {parameter!r}, expected one of {known}")
        value, clamped = clamped_number(row, address, args)
        if parameter == "seed":
            self._seed_with(int(value))
        else:
            self.values[parameter] = round(value) if row.tags == "i" else value
        return value if clamped else None

    def _seed_with(self, seed: int) -> None:
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._latent = draw(self._random, self.latent_size, self.values["truncation"])
        self._draws += 1

    def _draw_new(self, address: str, args: Sequence[object]) -> None:
        if args:
            raise MessageError(address, f"got {len(args)} arguments, expected none")
        self._latent = draw(self._random, self.latent_size, self.values["truncation"])
        self._seed = int(self._random.integers(2**31))
        self._draws += 1

    def _set_latent(self, address: str, args: Sequence[object]) -> None:
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
        self._latent = values

    def _set_coordinate(self, address: str, text: str, args: Sequence[object]) -> None:
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) < self.latent_size):
            raise MessageError(address, f"coordinate is {text!r}, expected 0…{self.latent_size - 1}")
        latent = self._latent.copy()
        latent[int(text)] = one_number(address, args)
        self._latent = latent


def number(address: str, value: object) -> float:
    """Return an OSC argument as a finite float.

    Raises:
        MessageError: It is not a number, or not a finite one of float32's range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
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
