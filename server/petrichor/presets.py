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
from petrichor.voice_info import brief

log = logging.getLogger(__name__)
STEP = 0.02  # seconds between two steps of a morph; what a voice glides by is between them
SETTLED = 0.2  # seconds after the last step, and the voice's glide, until a latent vector is where it was sent


class Studio(Protocol):
    """What presets are taken from and given to."""

    def told(self) -> tuple[Values, Mapping[str, Values], Mapping[str, str]]:
        """Return the master's values, the values of every voice that is loaded, and the files that they play."""

    def loading(self, name: str) -> bool:
        """Whether another file is being loaded for a voice."""

    def load_voice(self, name: str, file: str, values: Values, loaded: Callable[[str], None]) -> None:
        """Load a voice file; `loaded` is told "" once it is heard, else the reason.

        A voice that is new begins with the values, as they are by then.
        """

    def set(self, name: str | None, parameter: str, args: tuple[object, ...]) -> None:
        """Set a parameter of a voice, or of the master (None)."""


@dataclass(eq=False)
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
    waits: dict[str, dict[str, tuple[object, ...]]] = field(default_factory=dict)  # of voices being loaded: what to set
    freezes: set[str] = field(default_factory=set)  # voices that are to be frozen once their latents are there
    freeze_at: float | None = None
    problems: dict[str, None] = field(default_factory=dict)  # texts, each once


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
        morph = self._morph
        if morph is None or not (morph.moves or morph.freezes):
            return None
        return morph.next if morph.moves or morph.freeze_at is None else morph.freeze_at

    def names(self) -> list[str]:
        """Return the names of the presets that are there, of those that can be told."""
        with contextlib.suppress(OSError):
            return sorted(path.stem for path in self._folder.iterdir() if path.stem.isprintable() and _is_preset(path))
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
        thawed = self._morph.freezes if self._morph is not None else set()
        self._end("another preset is being loaded")
        for name in thawed:  # on its way to where it was to be frozen: it is frozen where it has come
            if "freeze" not in preset.voices.get(name, {}):
                self._set(name, "freeze", (1,))
        self._begin(preset, seconds, now, reply)

    def release(self, voice: str | None, parameter: str) -> None:
        """Leave a value to whoever has just set it by hand."""
        if self._morph is not None:
            taken = (voice, parameter.partition("/")[0] if parameter.startswith("latent") else parameter)
            self._morph.moves = [move for move in self._morph.moves if (move.voice, move.parameter) != taken]
            self._morph.waits.get(voice or "", {}).pop(taken[1], None)
            if parameter == "freeze" and voice is not None:
                self._morph.freezes.discard(voice)

    def look(self, now: float) -> None:
        """Go on, if it is time."""
        morph = self._morph
        if morph is None or now < morph.next:
            return
        if morph.moves:
            part = 1.0 if morph.seconds <= 0 else min(1.0, (now - morph.begin) / morph.seconds)
            morph.next = now + STEP
            failed = [move for move in list(morph.moves) if not self._step(move, part)]
            morph.moves = [move for move in morph.moves if part < 1.0 and move not in failed]
        if not morph.moves and morph.freezes:
            self._freeze(morph, now)
        if not (morph.moves or morph.freezes or morph.waits):
            self._end(brief("; ".join(morph.problems)))

    def _step(self, move: _Move, part: float) -> bool:
        args = move.at(part)
        return args is None or self._set(move.voice, move.parameter, args)

    def _freeze(self, morph: _Morph, now: float) -> None:
        """Hold latent vectors, once they have had the time to arrive."""
        if morph.freeze_at is None:
            _, voices, _ = self._studio.told()
            glides = [float(str(voices[name]["glide"][0])) for name in morph.freezes if "glide" in voices.get(name, {})]
            morph.freeze_at = now + SETTLED + max(glides, default=0.0) / 1000
        if now >= morph.freeze_at:
            freezes, morph.freezes, morph.freeze_at = morph.freezes, set(), None
            for name in freezes:
                self._set(name, "freeze", (1,))

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
            if name in voices and files.get(name) == file and not self._studio.loading(name):
                morph.moves += self._thawed(morph, name, voices[name], values)
                continue
            wanted = morph.waits[name] = dict(values)
            self._studio.load_voice(name, file, wanted, functools.partial(self._loaded, morph, name))
        for move in morph.moves:
            if move.parameter in ("mute", "freeze") and not move.end[0]:
                self._set(move.voice, move.parameter, move.end)

    def _thawed(self, morph: _Morph, name: str, now: Values, wanted: Values) -> list[_Move]:
        """Return a voice's ways. One that ends frozen goes there first: what is frozen is held wherever it is."""
        moves = _moves(name, now, wanted)
        if wanted.get("freeze") == (1,) and any(_moves_latent(move.parameter) for move in moves):
            if now.get("freeze") == (1,):
                self._set(name, "freeze", (0,))
            morph.freezes.add(name)
            moves = [move for move in moves if move.parameter != "freeze"]
        return moves

    def _loaded(self, morph: _Morph, name: str, reason: str) -> None:
        """Set what a preset says of a voice that had to be loaded first, and no hand has set meanwhile: at once."""
        wanted = morph.waits.pop(name)
        if reason:
            morph.problems[f"{name}: {reason}"] = None
        elif morph is self._morph:
            _, voices, _ = self._studio.told()
            for move in self._thawed(morph, name, voices.get(name, {}), wanted):
                self._set(name, move.parameter, move.end)
            if name in morph.freezes:
                morph.freeze_at = None  # it has its own way to go first

    def _set(self, voice: str | None, parameter: str, args: tuple[object, ...]) -> bool:
        """Set a value; say whether that could be done."""
        try:
            self._studio.set(voice, parameter, args)
        except MessageError as error:  # a latent of another size, a direction that the voice has not
            if self._morph is not None:
                self._morph.problems[f"{error.address} {error.reason}"] = None
            return False
        except KeyError:  # the voice was unloaded on the way
            if self._morph is not None and voice is not None:
                self._morph.moves = [move for move in self._morph.moves if move.voice != voice]
                self._morph.freezes.discard(voice)
            return False
        return True

    def _end(self, reason: str) -> None:
        morph, self._morph = self._morph, None
        if morph is not None:
            morph.reply(reason)

    def _path(self, address: str, name: str) -> Path:
        plain = name.removesuffix(SUFFIX)
        if not plain or plain != Path(plain).name or plain.startswith(".") or len(os.fsencode(plain)) > 200:
            raise MessageError(address, f"got {name!r:.60}, expected a name without folders")
        return self._folder.absolute() / (plain + SUFFIX)


def _moves_latent(parameter: str) -> bool:
    return parameter == "latent" or parameter.startswith("direction/")


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
