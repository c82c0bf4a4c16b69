"""From an OSC message to what it means: addresses, patterns, and who obeys.

The table in `petrichor.parameters` says what there is. Voices' messages are carried out by whoever has the voices; the
server's own commands are functions given by the server. Used by the control process and by the offline renderer.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from petrichor.errors import MessageError
from petrichor.osc import Message
from petrichor.parameters import VOICE_PARAMETERS

ASKED = ("?",)  # as the only argument: what is the value?
MAX_STARS = 3  # stars and braces in one part of a pattern: more would let a short message cost long matching
PATTERN = frozenset("*?[]{}")


class Voices(Protocol):
    """What the namespace needs to know of the voices."""

    def names(self) -> Iterable[str]:
        """Return the names of all voices."""

    def loaded(self, name: str) -> bool:
        """Whether a voice has parameters; not while it is still being loaded for the first time."""

    def perform(self, name: str, parameter: str, message: Message) -> float | None:
        """Obey a message to a parameter; return the clamped value where the given one was out of range."""

    def values(self, name: str) -> Mapping[str, tuple[object, ...]]:
        """Return the values of a loaded voice: parameter → arguments that would set it."""

    def load(self, name: str, message: Message) -> None:
        """Obey `/V/load`; the name may be a new one."""

    def unload(self, name: str, message: Message) -> None:
        """Obey `/V/unload`."""


class Namespace:
    """Obeys messages.

    Args:
        voices: The voices.
        commands: Address → function, for the server's own addresses.
        clamped: Told where a value was out of range: (address, value that is used).
        master: Gives the values of the master, by name.
        answer: Gets what was asked for: (address, arguments).
    """

    def __init__(
        self,
        voices: Voices,
        commands: Mapping[str, Callable[[Message], None]],
        clamped: Callable[[str, float], None],
        master: Callable[[], Mapping[str, tuple[object, ...]]],
        answer: Callable[[str, tuple[object, ...]], None],
    ) -> None:
        """Keep the parties."""
        self._master, self._answer = master, answer
        self._voices = voices
        self._commands = commands
        self._clamped = clamped

    def obey(self, message: Message) -> None:
        """Obey one message.

        Raises:
            MessageError: Nobody has that address, or the arguments do not fit.
        """
        if message.args == ASKED:
            self._ask(message)
            return
        if message.args == (None,):  # OSCQuery's type N: no argument
            message = dataclasses.replace(message, args=())
        if message.address in self._commands:
            self._commands[message.address](message)
            return
        first, _, parameter = message.address[1:].partition("/")
        names = match_names(message.address, first, self._voices.names())
        if not names and parameter == "load" and PATTERN.isdisjoint(first):
            names = [first]  # a voice of a new name
        if not names:
            raise MessageError(message.address, self._unknown(first))
        if not parameter:
            raise MessageError(message.address, f"got no parameter, expected one of {', '.join(VOICE_PARAMETERS)}")
        if len(names) > 1:  # a pattern means the voices that can obey
            names = [name for name in names if self._voices.loaded(name)]
        targets = [(name, one) for name in names for one in self._matching(name, parameter, message)]
        if names and not targets:
            raise MessageError(message.address, f"no parameter matches {parameter!r:.60}")
        problems = []
        for name, one in targets:
            try:
                self._obey_voice(name, one, message)
            except MessageError as error:  # the others obey all the same
                problems.append(error)
        if problems:
            raise problems[0]

    def cueable(self, message: Message) -> bool:
        """Whether a message changes a parameter, so that it can be told ahead of the frame at which it acts."""
        if message.address in self._commands:
            return message.address.startswith("/master/")
        return message.address.rpartition("/")[2] not in ("load", "unload")

    def _ask(self, message: Message) -> None:
        """Answer a message whose only argument is "?" with the values of what its address matches."""
        first, _, parameter = message.address[1:].partition("/")
        if first == "master" and parameter in self._master():
            self._answer(message.address, self._master()[parameter])
            return
        found = False
        for name in match_names(message.address, first, self._voices.names()):
            values = self._voices.values(name) if self._voices.loaded(name) else {}
            vector, slash, index = parameter.partition("/")
            if vector == "latent" and slash and index.isdecimal() and int(index[:6]) < len(values.get("latent", ())):
                self._answer(f"/{name}/{parameter}", values["latent"][int(index) :][:1])
                found = True
            for one in match_parameters(message.address, parameter, values):
                self._answer(f"/{name}/{one}", values[one])
                found = True
        if not found:
            raise MessageError(
                message.address, "there is no such value; values are those of parameters of loaded voices"
            )

    def _matching(self, name: str, parameter: str, message: Message) -> list[str]:
        """Return the parameters of a voice that the rest of an address means; a plain one is returned as it is."""
        if PATTERN.isdisjoint(parameter):
            return [parameter]
        known = [
            row for row in VOICE_PARAMETERS if "/" not in row and row != "unload"
        ]  # nobody means that by a pattern
        if "/" in parameter and self._voices.loaded(name):
            known = [each for each in self._voices.values(name) if "/" in each]
        return match_parameters(message.address, parameter, known)

    def _obey_voice(self, name: str, parameter: str, message: Message) -> None:
        if parameter in ("load", "unload"):
            (self._voices.load if parameter == "load" else self._voices.unload)(name, message)
            return
        if not self._voices.loaded(name):
            raise MessageError(message.address, f"{name} does not play: it is being loaded, or could not be (/status)")
        clamped = self._voices.perform(name, parameter, message)
        if clamped is not None:
            self._clamped(f"/{name}/{parameter}", clamped)

    def _unknown(self, first: str) -> str:
        voices = ", ".join(self._voices.names()) or "none"
        return f"nothing is called {first!r:.60}; voices: {voices}; commands: {', '.join(self._commands)}"


def match_names(address: str, pattern: str, names: Iterable[str]) -> list[str]:
    """Return the names that an OSC address part matches.

    Args:
        address: The whole address, for the error.
        pattern: One part of an address, with or without `* ? [a-z] [!a-z] {one,two}`.
        names: Where to look.

    Raises:
        MessageError: The pattern is malformed or has too many stars.
    """
    if PATTERN.isdisjoint(pattern):
        return [name for name in names if name == pattern]
    expression = _compile(address, pattern)
    return [name for name in names if expression.fullmatch(name)]


def match_parameters(address: str, pattern: str, known: Iterable[str]) -> list[str]:
    """Return those of the known parameters that the rest of an address matches, part by part."""
    if PATTERN.isdisjoint(pattern):
        return [name for name in known if name == pattern]
    parts = pattern.split("/")
    return [
        name
        for name in known
        if name.count("/") == len(parts) - 1
        and all(match_names(address, part, [each]) for part, each in zip(parts, name.split("/"), strict=True))
    ]


@functools.lru_cache(256)
def _compile(address: str, pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\*+|\?|\[!?[^\]]*\]|\{[^}]*\}|[^*?\[\]{}]+|.", pattern)
    if sum(part[0] in "*{" for part in parts) > MAX_STARS or len(pattern) > 128:
        raise MessageError(address, f"got the pattern {pattern!r:.60}, expected at most {MAX_STARS} stars and braces")
    try:
        return re.compile("".join(map(_translate, parts)))
    except re.error as error:
        raise MessageError(address, f"got the pattern {pattern!r:.60}: {error}") from error


def _translate(part: str) -> str:
    if part[0] == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if part[0] == "{" and part[-1] == "}":
        return "(?:" + "|".join(map(re.escape, dict.fromkeys(part[1:-1].split(",")))) + ")"
    if part[0] == "[" and len(part) > 2:
        inside = part[1:-1]
        negated, inside = ("^", inside[1:]) if inside[0] == "!" else ("", inside)
        escaped = re.sub(r"([^a-zA-Z0-9-])", r"\\\1", inside)
        return f"[{negated}{escaped}]"
    return re.escape(part)
