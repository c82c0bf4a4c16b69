"""Live sets: one TOML file that says how a performance begins, its scenes and what a controller's faders mean.

Read and checked as a whole before the server starts; every fault names the file, the key, what was got and what was
expected. Used by the command line; what it gives is immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from petrichor.errors import OptionError
from petrichor.mappings import Map, target_row
from petrichor.parameters import row_of
from petrichor.preset_file import MAX_BYTES, SUFFIX, Preset, Values, from_document, from_toml, is_number, parse_toml

KEYS = ("serve", "voice", "master", "scene", "map")
SERVE: Mapping[str, type] = {  # what `[serve]` may hold, as `ServeOptions` names it
    "port": int,
    "stream_port": int,
    "query_port": int,
    "voices": Path,
    "recordings": Path,
    "presets": Path,
    "device": str,
    "rate": int,
    "ahead": int,
    "seed": int,
}
SCENE = ("name", "seconds", "preset", "voice", "master")
NUMBERS = ("low", "high", "from_low", "from_high")  # of `[[map]]`
MAP = ("from", "to", "arg", *NUMBERS, "curve")
MOST_SCENES, MOST_MAPS = 999, 1000
LONGEST_NAME = 64  # letters of a scene's
LONGEST = 3600.0  # seconds to morph, as of /preset/load
EMPTY = Preset({}, {}, {})


@dataclass(frozen=True)
class Scene:
    """What all is to become.

    Attributes:
        name: By which it is loaded.
        seconds: How long the way to it takes.
        preset: What it says.
    """

    name: str
    seconds: float
    preset: Preset


@dataclass(frozen=True)
class LiveSet:
    """What a file says.

    Attributes:
        path: The file.
        serve: Options of `petrichor serve`, by their names in `ServeOptions`.
        start: How the master and each voice begin.
        scenes: In their order.
        maps: What foreign addresses mean.
    """

    path: Path
    serve: Mapping[str, Any] = field(default_factory=dict)
    start: Preset = EMPTY
    scenes: tuple[Scene, ...] = ()
    maps: tuple[Map, ...] = ()


def read_live_set(path: Path) -> LiveSet:
    """Read a live set.

    Args:
        path: The file; paths in it are relative to its folder.

    Raises:
        OptionError: It cannot be read, or a key is wrong.
    """
    try:
        document = parse_toml(_text(path))
        _only(document, KEYS, "")
        start = from_document({key: document[key] for key in ("voice", "master") if key in document})
        _check_ranges(start, "")
        scenes = tuple(
            _scene(table, f"scene {number}", path.parent, start.files)
            for number, table in enumerate(_tables(document, "scene", MOST_SCENES), 1)
        )
        for number, scene in enumerate(scenes, 1):
            if scene.name in {each.name for each in scenes[: number - 1]}:
                raise ValueError(f"scene {number}: name is {scene.name!r}, expected another than those before")
        maps = tuple(
            _map(table, f"map {number}") for number, table in enumerate(_tables(document, "map", MOST_MAPS), 1)
        )
        return LiveSet(path, _serve(document.get("serve", {}), path.parent), start, scenes, maps)
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # of TOML and UTF-8 too
        raise OptionError(f"{path.name}: {error}") from error


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"got more than {MAX_BYTES} bytes, expected a live set")
    return path.read_text("utf-8")


def _serve(table: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ValueError(f"serve is {table!r:.40}, expected a table")
    _only(table, SERVE, "serve.")
    options: dict[str, Any] = {}
    for key, value in table.items():
        kind = SERVE[key]
        wanted: type = str if kind is Path else kind
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ValueError(f"serve.{key} is {value!r:.40}, expected {'a whole number' if kind is int else 'a text'}")
        options[key] = _path(str(value), f"serve.{key}", folder) if kind is Path else value
    return options


def _path(name: str, where: str, folder: Path) -> Path:
    try:
        return folder / Path(name).expanduser()
    except RuntimeError as error:  # the home of a user whom nobody knows
        raise ValueError(f"{where} is {name!r:.80}: {error}") from error


def _scene(table: Mapping[str, Any], where: str, folder: Path, files: Mapping[str, str]) -> Scene:
    _only(table, SCENE, f"{where}: ")
    name = table.get("name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or name == "?":
        raise ValueError(f"{where}: name is {name!r:.80}, expected 1 to {LONGEST_NAME} letters")
    where = f"{where} ({name})"
    seconds = _number(table.get("seconds", 0), f"{where}: seconds", "seconds")
    if not 0.0 <= seconds <= LONGEST:
        raise ValueError(f"{where}: seconds is {seconds:g}, expected 0…{LONGEST:g}")
    inline = {key: table[key] for key in ("voice", "master") if key in table}
    if ("preset" in table) == bool(inline):
        got = "both preset and tables" if inline else "neither"
        raise ValueError(f"{where}: got {got}, expected either preset or [scene.voice.NAME] and [scene.master]")
    if inline:
        try:
            preset = from_document(inline)
            own = {name: files[name] for name in preset.files if name in files and "file" not in inline["voice"][name]}
            preset = replace(preset, files={**preset.files, **own})
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    else:
        preset = _preset(table["preset"], f"{where}: preset", folder)
    _check_ranges(preset, f"{where}: ")
    return Scene(name, seconds, preset)


def _preset(name: Any, where: str, folder: Path) -> Preset:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} is {name!r:.40}, expected the path of a preset")
    path = folder / (name.removesuffix(SUFFIX) + SUFFIX)
    try:
        return from_toml(_text(path))
    except OSError as error:
        raise ValueError(f"{where} is {name!r:.80}: {path} cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise ValueError(f"{where} is {name!r:.80}: {error}") from error


def _map(table: Mapping[str, Any], where: str) -> Map:
    _only(table, MAP, f"{where}: ")
    for key in ("from", "to", "curve"):
        value = table.get(key, "linear" if key == "curve" else None)
        if not isinstance(value, str):
            raise ValueError(f"{where}: {key} is {value!r:.60}, expected a text")
    arg = table.get("arg", 0)
    if not isinstance(arg, int) or isinstance(arg, bool):
        raise ValueError(f"{where}: arg is {arg!r:.40}, expected a whole number")
    numbers = {key: _number(table[key], f"{where}: {key}", "a number") for key in NUMBERS if key in table}
    row = target_row(table["to"])
    for key in ("low", "high"):
        own = None if row is None else getattr(row, key)
        if key not in numbers and own is not None:
            numbers[key] = float(own)
        elif key not in numbers and row is not None and row.tags:
            raise ValueError(f"{where}: {key} is missing, expected a number: {table['to']} has no range of its own")
    try:
        return Map(table["from"], table["to"], arg, curve=table.get("curve", "linear"), **numbers)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _check_ranges(preset: Preset, where: str) -> None:
    """Refuse what a message would be clamped to: in a file that is read beforehand it can be told."""
    parts: list[tuple[str, Values]] = [(f"voice.{name}", values) for name, values in preset.voices.items()]
    for name, values in [("master", preset.master), *parts]:
        for parameter, args in values.items():
            row = row_of(parameter)
            if row is None or row.low is None:
                continue
            for value in args:
                if isinstance(value, int | float) and row.clamp(value) != value:
                    key = f"{name}.{parameter.replace('/', '.')}"
                    raise ValueError(f"{where}{key} is {value:g}, expected {row.low:g}…{row.high:g}")


def _tables(document: Mapping[str, Any], key: str, most: int) -> list[Mapping[str, Any]]:
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{key} is {tables!r:.40}, expected [[{key}]]")
    if len(tables) > most:
        raise ValueError(f"got {len(tables)} [[{key}]], expected at most {most}")
    return tables


def _only(table: Mapping[str, Any], known: Mapping[str, Any] | tuple[str, ...], where: str) -> None:
    if strange := sorted(set(table) - set(known)):
        raise ValueError(f"got {where}{strange[0]:.60}, expected {', '.join(known)}")


def _number(value: Any, where: str, what: str) -> float:
    if not is_number(value):
        raise ValueError(f"{where} is {value!r:.40}, expected {what}")
    return float(value)
