"""The address space as OSCQuery describes it: nodes with types, ranges, units, descriptions and values. Pure.

What there is follows from the table of parameters and from what the server tells a notified client: a voice is there
once it has values. Owned by the query process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from petrichor.osc import Message
from petrichor.parameters import SERVER_COMMANDS, VOICE_PARAMETERS, Parameter

READ, WRITE = 1, 2  # bits of ACCESS
UNITS = {"dB": "gain.db", "ms": "time.ms"}
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "CLIPMODE", "UNIT", "DESCRIPTION")
DIGITS = 4  # of a coordinate's number at most
LATENT = 3.0  # standard deviations to which any truncation clips a latent
Node = dict[str, Any]
Values = tuple[object, ...]


class AddressSpace:
    """What can be sent and asked, as far as it is known.

    Attributes:
        values: Address → arguments that the server told last.
        changes: Grows whenever paths may have come, gone or changed.
    """

    def __init__(self) -> None:
        """Start without a voice."""
        self.values: dict[str, Values] = {}
        self.changes = 0
        self._told_again: set[str] | None = None  # since the server began to tell everything; None: it does not

    @property
    def voices(self) -> list[str]:
        """Names of the voices that have values."""
        found = dict.fromkeys(address[1:].partition("/")[0] for address in self.values)
        return [name for name in found if name != "master"]

    def hear(self, message: Message) -> list[str]:
        """Take what the server tells; return the addresses whose values to tell.

        All values come between `/done /notify` and `/pong`, where both were asked for at one go; what did not come is
        gone: a datagram that told so may be lost.
        """
        name, _, parameter = message.address[1:].partition("/")
        if message.address == "/done" and message.args[:1] == ("/notify",):
            self._told_again = set()
        elif message.address == "/pong" and self._told_again is not None:
            told, self._told_again = self._told_again, None
            self._keep({address: args for address, args in self.values.items() if address in told})
        elif parameter == "unloaded":
            self._keep({address: args for address, args in self.values.items() if not address.startswith(f"/{name}/")})
        elif _has_value(message.address):
            return self._learn(message.address, message.args)
        return []

    def value_of(self, address: str) -> Values | None:
        """Return the arguments that would set a value as it is, or None where there is none."""
        if address in self.values:
            return self.values[address]
        vector, _, index = address.rpartition("/")
        if vector.endswith("/latent") and _is_index(index):
            return self.values.get(vector, ())[int(index) :][:1] or None
        return None

    def directions(self, voice: str) -> list[str]:
        """Return the names of a voice's directions."""
        prefix = f"/{voice}/direction/"
        return [address.removeprefix(prefix) for address in self.values if address.startswith(prefix)]

    def shape(self) -> dict[str, tuple[object, ...]]:
        """Return what the paths of each voice depend on: where it differs, paths have come, gone or changed."""
        return {name: (len(self.values.get(f"/{name}/latent", ())), *self.directions(name)) for name in self.voices}

    def node(self, path: str) -> Node | None:
        """Return the node of a path with all below it, or None where there is none."""
        parts = path.strip("/").split("/") if path.strip("/") else []
        node: Node | None = self._branch(parts)
        for part in parts:
            node = node.get("CONTENTS", {}).get(part) if node is not None else None
        return node

    def _learn(self, address: str, args: Values) -> list[str]:
        before = self.values.get(address)
        if self._told_again is not None:
            self._told_again.add(address)
        if before == args:  # told by itself, it has been set, and is back at what it was: not all may know that
            return [] if self._told_again is not None else [address]
        self.values[address] = args
        vector = address.endswith("/latent")
        self.changes += before is None or (vector and len(before) != len(args))
        if not vector:
            return [address]
        coordinates = [n for n, value in enumerate(args) if (before or ())[n : n + 1] != (value,)]
        return [address, *(f"{address}/{n}" for n in coordinates)]

    def _keep(self, values: dict[str, Values]) -> None:
        self.changes += len(values) != len(self.values)
        self.values = values

    def _branch(self, parts: list[str]) -> Node:
        """Return the root with what lies on a path and below it: a whole tree takes milliseconds."""
        root = _container("/", "Petrichor: birds and rain, generated by neural networks")
        voices = [name for name in self.voices if parts[:1] in ([], [name])]
        rows = [(row.address, row) for row in SERVER_COMMANDS.values()]
        for address, row in itertools.chain(rows, *map(self._rows, voices)):
            if address[1:].split("/")[: len(parts)] == parts:
                _put(root, address, self._method(address, row))
        for name in voices:
            voice = root.get("CONTENTS", {}).get(name, {})
            voice["DESCRIPTION"] = f"the voice {name}"
            if "latent" in voice.get("CONTENTS", {}):
                voice["CONTENTS"]["latent"]["DESCRIPTION"] = VOICE_PARAMETERS["latent"].meaning
        return root

    def _rows(self, voice: str) -> Iterator[tuple[str, Parameter]]:
        for name, row in VOICE_PARAMETERS.items():
            if name == "latent":
                continue  # a container of its coordinates: in OSC a node is that or a method
            if name == "latent/N":
                for index in range(len(self.values.get(f"/{voice}/latent", ()))):
                    yield f"/{voice}/latent/{index}", row
            elif name == "direction/NAME":
                for direction in self.directions(voice):
                    yield f"/{voice}/direction/{direction}", row
            else:
                yield f"/{voice}/{name}", row

    def _method(self, address: str, row: Parameter) -> Node:
        """Return the node of one row of the table."""
        value = self.value_of(address)
        tags = row.tags.replace("?", "")
        node: Node = {
            "FULL_PATH": address,
            "TYPE": tags or "N",
            "ACCESS": WRITE if value is None else READ | WRITE,
            "DESCRIPTION": row.meaning,
        }
        low, high = (-LATENT, LATENT) if "latent" in row.address else (row.low, row.high)
        if low is not None and high is not None:
            node["RANGE"] = [{"MIN": low, "MAX": high}] * len(tags)
            node["CLIPMODE"] = ["both"] * len(tags)
        if row.unit in UNITS:
            node["UNIT"] = [UNITS[row.unit]]
        if value is not None:
            node["VALUE"] = list(value)
        return node


def _has_value(address: str) -> bool:
    first, _, parameter = address[1:].partition("/")
    if first == "master":
        return address in SERVER_COMMANDS
    row = VOICE_PARAMETERS.get("direction/NAME" if parameter.startswith("direction/") else parameter)
    return row is not None and (row.low is not None or row.name == "latent") and address not in SERVER_COMMANDS


def _is_index(text: str) -> bool:
    """Whether a text is a coordinate's number as it is written here: each has one spelling."""
    return text.isascii() and text.isdecimal() and len(text) <= DIGITS and str(int(text)) == text


def _container(path: str, description: str = "") -> Node:
    node: Node = {"FULL_PATH": path, "ACCESS": 0, "CONTENTS": {}}
    return {**node, "DESCRIPTION": description} if description else node


def _put(root: Node, address: str, node: Node) -> None:
    """Hang a node into the tree, with the containers on the way."""
    parts = address[1:].split("/")
    place = root
    for depth, part in enumerate(parts[:-1], 1):
        contents = place.setdefault("CONTENTS", {})
        place = contents.setdefault(part, _container("/" + "/".join(parts[:depth])))
    place.setdefault("CONTENTS", {})[parts[-1]] = node
