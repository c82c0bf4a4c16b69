"""Whether a live set fits the voices that are there, told before the server starts. Used by the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from petrichor.errors import MessageError, OptionError, VoiceFileError
from petrichor.live_set import LiveSet
from petrichor.mappings import Map
from petrichor.namespace import match_names
from petrichor.parameters import SERVER_COMMANDS
from petrichor.preset_file import Preset, Values
from petrichor.voice_file import SUFFIX, VoiceInfo, read_voice
from petrichor.voice_folder import name_fault


def check_live_set(live_set: LiveSet, folder: Path) -> None:
    """Check that every voice, direction and coordinate that a live set names is there.

    Args:
        live_set: The set.
        folder: The voice folder.

    Raises:
        OptionError: One is not; with the key, what was got and what was expected.
    """
    shelf = _Shelf(folder)
    try:
        for where, preset in _presets(live_set):
            for name, values in preset.voices.items():
                _check_voice(f"{where}voice.{name}", shelf, preset.files[name], values)
        names = {name: name for name in shelf.files}
        for _, preset in reversed(list(_presets(live_set))):  # what a voice plays at the start goes before scenes
            names.update(preset.files)
        for number, each in enumerate(live_set.maps, 1):
            _check_target(f"map {number}: to", each, names, shelf)
    except (ValueError, VoiceFileError) as error:
        raise OptionError(f"{live_set.path.name}: {error}") from error


class _Shelf:
    """The voice files of a folder; each is read once, and only where it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}
        self.files = {name: path for name, path in paths.items() if not name_fault(name)}
        self._infos: dict[str, VoiceInfo] = {}

    def info(self, file: str) -> VoiceInfo:
        """Return what a voice file says of itself; each is read once."""
        if file not in self._infos:
            self._infos[file] = read_voice(self.files[file]).info
        return self._infos[file]


def _presets(live_set: LiveSet) -> Iterator[tuple[str, Preset]]:
    yield "", live_set.start
    for number, scene in enumerate(live_set.scenes, 1):
        yield f"scene {number} ({scene.name}): ", scene.preset


def _check_voice(where: str, shelf: _Shelf, file: str, values: Values) -> None:
    plain = file.removesuffix(SUFFIX)
    if plain not in shelf.files:
        there = ", ".join(shelf.files) or "none"
        raise ValueError(f"{where}.file is {file!r:.60}, expected a voice of {shelf.folder}: {there}")
    for parameter, args in values.items():
        if parameter == "latent" and len(args) != shelf.info(plain).latent_size:
            raise ValueError(f"{where}.latent has {len(args)} numbers, expected {shelf.info(plain).latent_size}")
        if parameter.startswith("direction/"):
            _check_direction(f"{where}.direction", parameter.partition("/")[2], shelf.info(plain))


def _check_direction(where: str, direction: str, info: VoiceInfo) -> None:
    if direction not in info.directions:
        raise ValueError(f"{where} is {direction!r:.60}, expected one of {', '.join(info.directions) or 'none'}")


def _check_target(where: str, each: Map, names: Mapping[str, str], shelf: _Shelf) -> None:
    """Check that a map's target is there, in every voice that its pattern means and whose file is there."""
    if each.target in SERVER_COMMANDS:
        return
    pattern, _, parameter = each.target[1:].partition("/")
    try:
        found = match_names(each.target, pattern, names)
    except MessageError as error:
        raise ValueError(f"{where} is {each.target!r:.60}: {error.reason}") from error
    if not found:
        there = ", ".join(sorted(names)) or "none"
        raise ValueError(f"{where} is {each.target!r:.60}, expected a voice that is there: {there}")
    kind, _, rest = parameter.partition("/")
    for name in found:
        if kind == "direction":
            _check_direction(f"{where} is {each.target!r:.60}: its direction", rest, _info(names[name], shelf))
        elif kind == "latent" and int(rest) >= _info(names[name], shelf).latent_size:
            size = _info(names[name], shelf).latent_size
            raise ValueError(f"{where} is {each.target!r:.60}, expected a coordinate 0…{size - 1}")


def _info(file: str, shelf: _Shelf) -> VoiceInfo:
    return shelf.info(file.removesuffix(SUFFIX))
