"""The one table of OSC addresses. The server obeys it; README, patches and help are tested against it.

Addresses are written with V for a voice's name. Argument tags follow OSC: f float, i int, s string; "f*" is
as many floats as the voice has latent coordinates (or one blob of big-endian float32), "?" marks what may be
left out. Numbers may arrive as f or i, because Pure Data knows only floats.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One row of the table.

    Attributes:
        address: OSC address; V stands for a voice's name, N for a coordinate, NAME for a direction.
        tags: Argument type tags.
        meaning: What it does, for a performer.
        low: Smallest value; smaller ones are clamped to it.
        high: Largest value; larger ones are clamped to it.
        default: Value at the start.
        unit: Unit of the value, or "".
    """

    address: str
    tags: str
    meaning: str
    low: float | None = None
    high: float | None = None
    default: float | None = None
    unit: str = ""

    @property
    def name(self) -> str:
        """The address within a voice, e.g. "intensity" or "latent/N"."""
        return self.address.removeprefix("/V/")

    def clamp(self, value: float) -> float:
        """Return `value` brought into the range."""
        low = value if self.low is None else self.low
        high = value if self.high is None else self.high
        return min(max(value, low), high)


TABLE: tuple[Parameter, ...] = (
    Parameter("/V/latent", "f*", "set the latent vector: which bird, which rain"),
    Parameter("/V/latent/N", "f", "set one coordinate of it, counted from 0"),
    Parameter(
        "/V/seed", "i", "draw the latent vector and all noise from this seed: same seed, same sound", 0, 2**31 - 1
    ),
    Parameter("/V/new", "", "draw a new latent vector"),
    Parameter(
        "/V/direction/NAME",
        "f",
        "move the latent vector along a direction that the voice names (`petrichor voices`)",
        -3.0,
        3.0,
        unit="standard deviations (default: 0)",
    ),
    Parameter(
        "/V/glide", "f", "time in which latent, directions and intensity reach a new value", 0.0, 60_000.0, 0.0, "ms"
    ),
    Parameter("/V/drift", "f", "a slow random walk around the latent vector; 1: as far as draws go", 0.0, 1.0, 0.0),
    Parameter("/V/freeze", "i", "1 holds the latent vector where it is, whatever is asked; 0 lets it go on", 0, 1, 0),
    Parameter(
        "/V/truncation",
        "f",
        "draws come from a normal distribution truncated at ± this; given latents are clipped to it",
        0.0,
        3.0,
        unit="standard deviations (default: the voice's own)",
    ),
    Parameter("/V/intensity", "f", "drizzle to downpour, a lone bird to a chorus", 0.0, 1.0, 0.5),
    Parameter(
        "/V/spread", "f", "of clip voices: how far each strays from the latent; 0 the same, 1 any clip", 0.0, 1.0, 0.6
    ),
    Parameter("/V/gain", "f", "level; -60 is silence", -60.0, 12.0, 0.0, "dB"),
    Parameter("/V/pan", "f", "place: -1 left, 1 right", -1.0, 1.0, 0.0),
    Parameter("/V/mute", "i", "1 silences the voice, 0 lets it sound", 0, 1, 0),
    Parameter("/V/load", "s", "play a voice file of the voice folder under this name, which may be a new one"),
    Parameter("/V/unload", "", "fade the voice out and forget it, until its file changes or it is loaded again"),
    Parameter("/master/gain", "f", "level of everything", -60.0, 12.0, 0.0, "dB"),
    Parameter("/preset/save", "s", "write every value of every voice into this file of the presets folder"),
    Parameter("/preset/load", "sf?", "go to what that file says, in so many ms (0): values morph, files are loaded"),
    Parameter("/preset/list", "", "answers /preset/list.reply with the names of the presets"),
    Parameter("/scene/load", "s", "go to a scene of the live set, by its name or by its number, counted from 1"),
    Parameter("/scene/next", "", "go to the scene after that; after the last there is none"),
    Parameter("/scene/list", "", "answers /scene/list.reply with the names of the scenes"),
    Parameter(
        "/record",
        "s?f?",
        "record into this file of the recordings folder (.wav, .flac), so many seconds (all); without a name: stop",
    ),
    Parameter("/clearSched", "", "forget every message that waits for its time"),
    Parameter("/clock", "", "in a bundle: its timetag tells the sender's time, so that its clock's offset is known"),
    Parameter("/status", "", "answers /status.reply"),
    Parameter("/ping", "", "answers /pong"),
    Parameter("/version", "", "answers /version.reply"),
    Parameter("/sync", "i", "answers /synced with the same number once all before it is done"),
    Parameter("/notify", "i", "1: tell this address of levels, loads, failures and late bundles; 0: no more", 0, 1),
)

VOICE_PARAMETERS = {p.name: p for p in TABLE if p.address.startswith("/V/")}
SERVER_COMMANDS = {p.address: p for p in TABLE if not p.address.startswith("/V/")}


def row_of(parameter: str) -> Parameter | None:
    """Return a voice parameter's row: "latent/3" is one of "latent/N", "direction/bright" of "direction/NAME"."""
    first, slash, _ = parameter.partition("/")
    return VOICE_PARAMETERS.get({"latent/": "latent/N", "direction/": "direction/NAME"}.get(first + slash, parameter))


def amplitude(decibels: float) -> float:
    """Return the linear gain of a level in dB; -60 dB, the foot of the range, is silence.

    Args:
        decibels: Level, -60…+12 dB.
    """
    return 0.0 if decibels <= -60.0 else 10.0 ** (decibels / 20.0)
