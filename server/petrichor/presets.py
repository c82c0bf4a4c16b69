"""Presets: where they are kept, and the way from what plays to what one says.

Owned by the control process. What is not in a file is left as it is; noise and draws are not part of a preset: what
plays goes on, and becomes what the file says.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from petrichor.errors import MessageError
from petrichor.preset_file import MAX_BYTES, SUFFIX, Preset, Values, from_toml, to_toml

log = logging.getLogger(__name__)
STEP = 0.02  # seconds between two steps of a morph; what a voice glides by is between them


class Studio(Protocol):
    """What presets are taken from and given to."""

    def told(self) -> tuple[Values, Mapping[str, Values], Mapping[str, str]]:
        """Return the master's values, the values of every voice that is loaded, and the voices' files."""

    def load_voice(self, name: str, file: str, loaded: Callable[[str], None]) -> None:
        """Load a voice file; `loaded` is told "" once it is heard, else the reason."""

    def set(self, name: str | None, parameter: str, args: tuple[object, ...]) -> None:
        """Set a parameter of a voice, or of the master (None)."""


@dataclass
class _Move:
    """The way of one value. `voice` is None for the master."""

    voice: str | None
    parameter: str
    start: tuple[object, ...]
    end: tuple[object, ...]

    def at(self, part: float) -> tuple[object, ...] | None:
        """Return the arguments after that part of the way, 0…1; None where nothing is to be set."""
        if part >= 1.0:
            return self.end
        if self.parameter in ("mute", "freeze"):  # a voice that is to sound does so on the way
            return None
        old, new = np.array(self.start, float), np.array(self.end, float)
        return tuple((old + part * (new - old)).tolist())


@dataclass
class _Morph:
    moves: list[_Move]
    begin: float
    seconds: float
    reply: Callable[[str], None]
    next: float = 0.0
    waits: set[str] = field(default_factory=set)  # voices that are being loaded
    problems: list[str] = field(default_factory=list)


class Presets:
    """Saves and loads presets, and morphs to them.

    Args:
        folder: Where they are; made when it is first needed.
        studio: See `Studio`.
    """

    def __init__(self, folder: Path, studio: Studio) -> None:
        """Start with nothing on its way."""
        self._folder, self._studio = folder, studio
        self._morph: _Morph | None = None

    @property
    def due(self) -> float | None:
        """Steady clock at the next step of a morph, or None."""
        return self._morph.next if self._morph is not None and self._morph.moves else None

    def names(self) -> list[str]:
        """Return the names of the presets that are there."""
        with contextlib.suppress(OSError):
            return sorted(path.stem for path in self._folder.iterdir() if _is_preset(path))
        return []

    def save(self, address: str, name: str) -> Path:
        """Write what is set now; a preset of that name is replaced, at one go.

        Args:
            address: The OSC address that asks, for the error.
            name: Of the preset.

        Returns:
            Where it is.

        Raises:
            MessageError: The name leaves the folder, or the file cannot be written.
        """
        path = self._path(address, name)
        text = to_toml(*self._studio.told())
        temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, "utf-8")
            os.replace(temporary, path)
        except OSError as error:
            raise MessageError(address, f"{path.name} cannot be written in {self._folder}: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return path

    def load(self, address: str, name: str, seconds: float, now: float, reply: Callable[[str], None]) -> None:
        """Set out for what a preset says.

        Args:
            address: The OSC address that asks, for the error.
            name: Of the preset.
            seconds: How long the way takes; 0 for at once.
            now: Steady clock.
            reply: Told "" at the end, or what went wrong.

        Raises:
            MessageError: There is no such preset, or it is not one; nothing was changed.
        """
        self.begin(self._read(address, name), seconds, now, reply)

    def begin(self, preset: Preset, seconds: float, now: float, reply: Callable[[str], None]) -> None:
        """Set out for what a preset says that was read before; see `load`."""
        self._end("another preset is being loaded")
        self._begin(preset, seconds, now, reply)

    def release(self, voice: str | None, parameter: str) -> None:
        """Leave a value to whoever has just set it by hand."""
        if self._morph is not None:
            taken = (voice, parameter.partition("/")[0] if parameter.startswith("latent") else parameter)
            self._morph.moves = [move for move in self._morph.moves if (move.voice, move.parameter) != taken]

    def look(self, now: float) -> None:
        """Go on, if it is time."""
        morph = self._morph
        if morph is None or now < morph.next or (not morph.moves and morph.waits):
            return
        part = 1.0 if morph.seconds <= 0 else min(1.0, (now - morph.begin) / morph.seconds)
        morph.next = now + STEP
        for move in morph.moves:
            args = move.at(part)
            if args is not None:
                self._set(move.voice, move.parameter, args)
        if part >= 1.0:
            morph.moves = []
            if not morph.waits:
                self._end("; ".join(morph.problems))

    def _read(self, address: str, name: str) -> Preset:
        path = self._path(address, name)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise MessageError(address, f"{path.name}: larger than {MAX_BYTES} bytes")
            return from_toml(path.read_text("utf-8"))
        except FileNotFoundError:
            there = ", ".join(self.names()) or "none"
            raise MessageError(address, f"there is no preset {name!r:.60}; there: {there:.400}") from None
        except OSError as error:
            raise MessageError(address, f"{path.name}: {error.strerror}") from error
        except ValueError as error:  # of TOML and of UTF-8 too
            raise MessageError(address, f"{path.name}: {error}") from error

    def _begin(self, preset: Preset, seconds: float, now: float, reply: Callable[[str], None]) -> None:
        master, voices, files = self._studio.told()
        morph = self._morph = _Morph([], now, seconds, reply)
        morph.moves += _moves(None, master, preset.master)
        for name, values in preset.voices.items():
            file = preset.files.get(name, name)
            if name in voices and files.get(name) == file:
                morph.moves += _moves(name, voices[name], values)
                continue
            morph.waits.add(name)
            self._studio.load_voice(name, file, functools.partial(self._loaded, morph, name, preset))
        for move in morph.moves:
            if move.parameter in ("mute", "freeze") and not move.end[0]:
                self._set(move.voice, move.parameter, move.end)

    def _loaded(self, morph: _Morph, name: str, preset: Preset, reason: str) -> None:
        """Set what a preset says of a voice that had to be loaded first: at once."""
        morph.waits.discard(name)
        if reason:
            morph.problems.append(f"{name}: {reason}")
        elif morph is self._morph:
            for parameter, args in preset.voices[name].items():
                self._set(name, parameter, args)

    def _set(self, voice: str | None, parameter: str, args: tuple[object, ...]) -> None:
        try:
            self._studio.set(voice, parameter, args)
        except MessageError as error:  # a latent of another size, a direction that the voice has not
            if self._morph is not None and error.reason not in self._morph.problems:
                self._morph.problems.append(f"{error.address} {error.reason}")
        except KeyError:  # the voice was unloaded on the way
            if self._morph is not None:
                self._morph.moves = [move for move in self._morph.moves if move.voice != voice]

    def _end(self, reason: str) -> None:
        morph, self._morph = self._morph, None
        if morph is not None:
            morph.reply(reason)

    def _path(self, address: str, name: str) -> Path:
        plain = name.removesuffix(SUFFIX)
        if not plain or plain != Path(plain).name or plain.startswith(".") or len(os.fsencode(plain)) > 200:
            raise MessageError(address, f"got {name!r:.60}, expected a name without folders")
        return self._folder.absolute() / (plain + SUFFIX)


def _moves(voice: str | None, now: Values, wanted: Values) -> list[_Move]:
    """Return the ways from what is to what is wanted; one that has no beginning is made at its end."""
    moves = []
    for parameter, args in wanted.items():
        start = now.get(parameter, args)
        # As float32, in which values come and are told: what differs by less is there already.
        same = len(start) == len(args) and np.array_equal(np.array(start, np.float32), np.array(args, np.float32))
        if not same or parameter not in now:
            moves.append(_Move(voice, parameter, start if len(start) == len(args) else args, args))
    return moves


def _is_preset(path: Path) -> bool:
    return path.suffix == SUFFIX and not path.name.startswith(".")
