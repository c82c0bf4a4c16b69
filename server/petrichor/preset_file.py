"""What a preset says, as readable TOML: every parameter of every voice. Pure functions; used by the control process."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tomli_w

from petrichor import __version__
from petrichor.parameters import VOICE_PARAMETERS
from petrichor.voice_file import SUFFIX as VOICE_SUFFIX
from petrichor.voice_folder import name_fault

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUFFIX = ".toml"
MAX_BYTES = 4 << 20  # of a preset: 63 voices of 4096 coordinates are 3 MB
LARGEST = float(np.finfo(np.float32).max)
LEFT_OUT = ("seed",)  # it would begin the sound anew
Values = Mapping[str, tuple[object, ...]]  # parameter → arguments that set it


@dataclass(frozen=True)
class Preset:
    """What a file says.

    Attributes:
        master: Parameters of the master.
        voices: Name → parameters.
        files: Name → the voice's file in the voice folder, without its suffix.
    """

    master: Values
    voices: Mapping[str, Values]
    files: Mapping[str, str]


def to_toml(master: Values, voices: Mapping[str, Values], files: Mapping[str, str]) -> str:
    """Return a preset as text."""
    document: dict[str, Any] = {"petrichor": __version__, "master": _plain(master), "voice": {}}
    for name, values in voices.items():
        document["voice"][name] = {"file": files.get(name, name), **_plain(values)}
    return tomli_w.dumps(document)


def from_toml(text: str) -> Preset:
    """Read a preset.

    Raises:
        ValueError: It is not TOML, or says something else; with what was got and what was expected.
    """
    return from_document(parse_toml(text))


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML.

    Raises:
        ValueError: It is none, or nested so deeply that nobody can have meant it.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("got tables or lists within one another without end") from error


def from_document(document: Mapping[str, Any]) -> Preset:
    """Read a preset that is a part of another file; see `from_toml`."""
    unknown = sorted(set(document) - {"petrichor", "master", "voice"})
    if unknown:
        raise ValueError(f"got {', '.join(unknown)[:80]}, expected petrichor, master and voice")
    voices, files = {}, {}
    for name, value in _table("voice", document.get("voice", {})).items():
        if fault := name_fault(name):
            raise ValueError(f"voice: {fault}")
        table = dict(_table(f"voice.{name}", value))
        files[name] = table.pop("file", name)
        if not isinstance(files[name], str):
            raise ValueError(f"voice.{name}.file is {files[name]!r:.40}, expected the name of a voice file")
        files[name] = files[name].removesuffix(VOICE_SUFFIX)
        voices[name] = _values(f"voice.{name}", table)
    master = _values("master", _table("master", document.get("master", {})), ("gain",))
    return Preset(master, voices, files)


def _plain(values: Values) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for parameter, args in values.items():
        first, slash, name = parameter.partition("/")
        numbers = [_short(arg) for arg in args]
        if parameter in LEFT_OUT:
            continue
        if slash:
            table.setdefault(first, {})[name] = numbers[0]
        else:
            table[parameter] = numbers if parameter == "latent" else numbers[0]
    return table


def _short(number: object) -> object:
    """Return a number with no more digits than float32, in which it came, knows."""
    return float(str(np.float32(number))) if isinstance(number, float) else number


def _values(where: str, table: Mapping[str, Any], known: Iterable[str] = ()) -> Values:
    """Return a table's parameters as arguments."""
    values: dict[str, tuple[object, ...]] = {}
    known = tuple(known) or tuple(
        row.name for row in VOICE_PARAMETERS.values() if row.low is not None and row.name not in LEFT_OUT
    )
    for name, value in table.items():
        if name == "direction" and known != ("gain",):
            for each, number in _table(f"{where}.direction", value).items():
                values[f"direction/{each}"] = _numbers(f"{where}.direction.{each}", [number])
        elif name == "latent" and isinstance(value, list) and known != ("gain",):
            values["latent"] = _numbers(f"{where}.latent", value)
        elif name in known:
            values[name] = _numbers(f"{where}.{name}", [value])
        else:
            raise ValueError(f"got {where}.{name:.40}, expected latent, direction, {', '.join(known)}")
    return values


def _numbers(where: str, values: list[Any]) -> tuple[object, ...]:
    for value in values:
        if not is_number(value):
            raise ValueError(f"{where} is {value!r:.40}, expected a finite number")
    return tuple(values)


def is_number(value: Any) -> bool:
    """Return whether a value of a TOML file is a finite number; a whole one may have any number of digits there."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r:.40}, expected a table")
    return value
