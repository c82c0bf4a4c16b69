"""A Pd and a sclang that each show a row of faders of one server, and move some of them on their own clocks.

A fader shows what it was moved to or what the server has told since, whichever came last.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from petrichor.osc import encode
from tests.patches.process import Process, wait_for
from tests.patches.pure_data import PureData
from tests.patches.supercollider import Sclang

PATIENCE = 20.0  # seconds
STARTED = 90.0  # seconds: on a busy machine the class library alone takes a quarter of a minute to compile
TICK = 0.002  # seconds between two messages of one program


@dataclass(frozen=True)
class Fader:
    """One value of one voice.

    Attributes:
        voice: Its voice.
        parameter: As in the table.
        low: Where a sweep begins.
        high: Where it ends.
    """

    voice: str
    parameter: str
    low: float
    high: float

    @property
    def address(self) -> str:
        """Where it is sent to and asked for."""
        return f"/{self.voice}/{self.parameter}"


Faders = Sequence[Fader]


class FaderProgram(Process):
    """A program with faders, in whatever language."""

    def sweep(self) -> None:
        """Begin to move the faders."""
        self._tell("sweep")

    @property
    def swept(self) -> int:
        """How many sweeps have ended."""
        return self.lines.count("swept")

    def shown(self) -> dict[str, float]:
        """Return what every fader shows, by address."""
        before = len(self.lines)
        self._tell("show")
        wait_for(lambda: "shown" in self.lines[before:], PATIENCE, lambda: f"what is shown:\n{self.output}")
        found = [re.search(r"^show (/\S+): (\S+)$", line) for line in self.lines[before:]]
        return {match[1]: float(match[2] == "true" or match[2]) for match in found if match}

    def _tell(self, what: str) -> None:
        """Ask it for something, by a word."""
        raise NotImplementedError


class PdFaders(FaderProgram, PureData):
    """Faders in Pd, behind a petrichor.voice for each voice.

    Args:
        port: The server's.
        faders: All that are shown.
        moved: Those of them that a sweep moves, in turn.
        count: Messages of a sweep.
    """

    def __init__(self, port: int, faders: Faders, moved: Faders, count: int) -> None:
        patch = _Patch()
        names = dict.fromkeys(fader.voice for fader in faders)
        voices = {name: patch.chain(f"obj petrichor.voice {name} 127.0.0.1 {port}")[0] for name in names}
        places = {fader: patch.chain("obj f")[0] for fader in faders}
        _draw_show(patch, places)
        _draw_told(patch, voices, places)
        _draw_sweep(patch, voices, {fader: places[fader] for fader in moved}, count)
        super().__init__(patch.text)
        for name in voices:
            self.wait_line(f"^{name}: connected 1$")

    def __enter__(self) -> PdFaders:
        return self

    def _tell(self, what: str) -> None:
        self.send(what, 1)


class SclangFaders(FaderProgram, Sclang):
    """Faders in sclang: what its voices hold.

    Args:
        port: The server's.
        faders: All that are shown.
        moved: Those of them that a sweep moves, in turn.
        count: Messages of a sweep.
    """

    def __init__(self, port: int, faders: Faders, moved: Faders, count: int) -> None:
        shown = ", ".join(f"[p.voice(\\{fader.voice}), '{fader.parameter}']" for fader in faders)
        parts = ", ".join(f"[p.voice(\\{each.voice}), '{each.parameter}', {each.low}, {each.high}]" for each in moved)
        values = {"PORT": port, "SHOWN": shown, "MOVED": parts, "COUNT": count, "TICK": TICK}
        code = _CODE
        for name, value in values.items():
            code = code.replace(f"%{name}%", str(value))
        super().__init__(code)
        try:
            self.wait_line("^connected$", STARTED)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SclangFaders:
        return self

    def _tell(self, what: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(encode(f"/{what}"), ("127.0.0.1", self.port))


_CODE = """
p = Petrichor("127.0.0.1", %PORT%);
~moved = [%MOVED%];
OSCFunc({
    Routine({
        %COUNT%.do { |number|
            var voice, parameter, low, high;
            #voice, parameter, low, high = ~moved.wrapAt(number);
            voice.put(parameter, number.linlin(0, %COUNT% - 1, low, high));
            %TICK%.wait
        };
        p.sync({ "swept".postln }, 20)
    }).play(SystemClock)
}, '/sweep');
OSCFunc({
    [%SHOWN%].do { |pair|
        var voice, parameter;
        #voice, parameter = pair;
        "show %: %".format(voice.path(parameter), voice.get(parameter)).postln
    };
    "shown".postln
}, '/show');
p.notify;
p.ask('/done', ['/notify'], { "connected".postln }, 20);
"""


class _Patch:
    """The text of a patch, object by object."""

    def __init__(self) -> None:
        self._objects: list[str] = []
        self._wires: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(["#N canvas 0 0 800 600 12;", *self._objects, *self._wires]) + "\n"

    def chain(self, *parts: str | int, outlet: int = 0, inlet: int = 0) -> list[int]:
        """Connect objects in a row, and return their numbers.

        Args:
            *parts: "obj …" or "msg …", which is added, or the number of one that is there.
            outlet: Of the first.
            inlet: Of the last.
        """
        numbers = [part if isinstance(part, int) else self._add(part) for part in parts]
        for place, (one, other) in enumerate(pairwise(numbers)):
            out, into = outlet if place == 0 else 0, inlet if place == len(numbers) - 2 else 0
            self._wires.append(f"#X connect {one} {out} {other} {into};")
        return numbers

    def _add(self, what: str) -> int:
        kind, _, content = what.partition(" ")
        self._objects.append(f"#X {kind} 10 {10 + 20 * len(self._objects)} {content};")
        return len(self._objects) - 1


def _draw_show(patch: _Patch, places: dict[Fader, int]) -> None:
    """`show` prints every fader, then "shown"."""
    order = patch.chain("obj r show", "obj t b b")[1]
    for fader, place in places.items():
        patch.chain(order, place, outlet=1)
        patch.chain(place, f"obj print show {fader.address}")
    patch.chain(order, "msg shown", "obj print -n")


def _draw_told(patch: _Patch, voices: dict[str, int], places: dict[Fader, int]) -> None:
    """What a voice tells moves its faders."""
    for name, voice in voices.items():
        patch.chain(voice, f"obj print {name}", outlet=2)
    for fader, place in places.items():
        first, _, last = fader.parameter.partition("/")
        told = patch.chain(voices[fader.voice], f"obj route {first}")[1]
        if first == "latent":
            patch.chain(patch.chain(told, "obj unpack f f f f")[1], place, outlet=int(last), inlet=1)
        elif first == "direction":
            patch.chain(told, f"obj route {last}", place, inlet=1)
        else:
            patch.chain(told, place, inlet=1)


def _draw_sweep(patch: _Patch, voices: dict[str, int], places: dict[Fader, int], count: int) -> None:
    """A metro counts, and each count moves the next fader."""
    _, metro, number, order = patch.chain("obj r sweep", f"obj metro {1000 * TICK:g}", "obj f", "obj t f f f f")
    patch.chain(order, "obj + 1", number, outlet=3, inlet=1)
    share = patch.chain(order, f"obj / {count - 1}", outlet=2)[1]
    _, turn, pair, ways = patch.chain(
        order, f"obj mod {len(places)}", "obj pack f f", f"obj route {' '.join(map(str, range(len(places))))}", outlet=1
    )
    assert turn < pair
    patch.chain(share, pair, inlet=1)
    for index, (fader, place) in enumerate(places.items()):
        value = f"obj expr \\$f1 * {fader.high - fader.low:g} + {fader.low:g}"
        both = patch.chain(ways, value, "obj t f f", outlet=index)[2]
        patch.chain(both, place, outlet=1, inlet=1)
        patch.chain(both, f"msg {fader.parameter} \\$1", voices[fader.voice])
    last = patch.chain(order, f"obj sel {count - 1}", "obj t b b")[2]
    patch.chain(last, "msg 0", metro, outlet=1)
    patch.chain(last, "msg 0", number, inlet=1)
    patch.chain(last, "msg swept", "obj print -n")
