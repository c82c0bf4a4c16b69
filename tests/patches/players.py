"""A Pd and a sclang that play what they are told to, one step after another, and print what they are answered."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

from petrichor.osc import encode
from petrichor.parameters import VOICE_PARAMETERS
from tests.patches.process import wait_for
from tests.patches.pure_data import PureData
from tests.patches.supercollider import Sclang

PATIENCE = 20.0  # seconds
STARTED = 90.0  # seconds: on a busy machine the class library alone takes a quarter of a minute to compile
_OF_VOICES = {name.partition("/")[0] for name in VOICE_PARAMETERS}
Scripts = Mapping[str, Sequence[str]]  # what is played, by a name: step after step

_OBJECTS = """#N canvas 0 0 900 600 12;
#X obj 10 500 petrichor.voice probe 127.0.0.1 {port};
#X obj 10 540 print value;
#X obj 210 540 print event;
#X obj 410 500 petrichor.control probe 127.0.0.1 {port};
#X obj 410 540 print answer;
"""
_WIRES = "#X connect 0 0 1 0;\n#X connect 0 2 2 0;\n#X connect 3 0 4 0;\n"

_CODE = """
OSCFunc({ |message| message[1].asString.interpret }, '/interpret');
p = Petrichor("127.0.0.1", %PORT%);
~probe = p.voice(\\probe);
~post = { |path ... values| ("answer:" + ([path] ++ values).join(" ")).postln };
~answer = { |path| // as Pd prints it
    p.ask(path, nil, { |message|
        ~post.(message[0].asString.drop(1).replace("/", " "), *message.drop(1))
    }, 20)
};
"ready".postln;
"""


class Player(Protocol):
    """Either of them."""

    name: str
    lines: list[str]
    scripts: Scripts
    unpassed: int | None  # the line with which a turn began that has not passed, or not yet

    def play(self, script: str, step: int) -> None:
        """Play one step."""

    def check(self) -> None:
        """Fail if the program has complained of anything."""


class PdPlayer(PureData):
    """A Pd with a message box for every step, in front of petrichor.voice or of petrichor.control.

    Args:
        port: The server's.
        scripts: Messages; those of a voice go to petrichor.voice, whole addresses and commands to petrichor.control.
    """

    name = "pd"
    unpassed: int | None = None

    def __init__(self, port: int, scripts: Scripts) -> None:
        self.scripts = scripts
        boxes: list[str] = []
        wires: list[str] = []
        for number, steps in enumerate(scripts.values()):
            for step, message in enumerate(steps):
                first = 5 + len(boxes)
                text = message.replace(",", " \\,")
                boxes += [f"#X obj 10 10 r step-{number}-{step};", f"#X msg 10 40 {text};"]
                target = 0 if message.split()[0].partition("/")[0] in _OF_VOICES else 3
                wires += [f"#X connect {first} 0 {first + 1} 0;", f"#X connect {first + 1} 0 {target} 0;"]
        super().__init__(_OBJECTS.format(port=port) + "\n".join([*boxes, *wires]) + "\n" + _WIRES)
        self.wait_line("^event: connected 1$")

    def play(self, script: str, step: int) -> None:
        """See `Player.play`."""
        self.send(f"step-{list(self.scripts).index(script)}-{step}", 1)


class SclangPlayer(Sclang):
    """A sclang that evaluates every step; `p` is the server, `~probe` the voice.

    Args:
        port: The server's.
        scripts: Code.
    """

    name = "sclang"
    unpassed: int | None = None

    def __init__(self, port: int, scripts: Scripts) -> None:
        self.scripts = scripts
        super().__init__(_CODE.replace("%PORT%", str(port)))
        try:
            self.wait_line("^ready$", STARTED)
        except BaseException:
            self.close()
            raise

    def play(self, script: str, step: int) -> None:
        """See `Player.play`."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(encode("/interpret", self.scripts[script][step]), ("127.0.0.1", self.port))


class Turn:
    """One script on its way through one program.

    Args:
        player: The program.
        script: The script's name.
    """

    def __init__(self, player: Player, script: str) -> None:
        self.player, self._script = player, script
        self._played: set[int] = set()
        if player.unpassed is not None:  # it failed; where it is tried again, what it printed counts no more
            del player.lines[player.unpassed :]
        self._before = player.unpassed = len(player.lines)

    @property
    def name(self) -> str:
        """Of the program."""
        return self.player.name

    @property
    def lines(self) -> list[str]:
        """What the program has printed since the last step began."""
        return self.player.lines[self._before :]

    def play(self, step: int | None = None) -> None:
        """Play one step, or the next."""
        step = len(self._played) if step is None else step
        self._before = len(self.player.lines)
        self.player.play(self._script, step)
        self._played.add(step)

    def end(self) -> None:
        """Fail if not every step was played; else it has passed."""
        assert len(self._played) == len(self.player.scripts[self._script]), "not every step was played"
        self.player.unpassed = None

    def hears(self, pattern: str) -> re.Match[str]:
        """Return the first match in what the program has printed since the last step began."""
        wait_for(
            lambda: any(re.search(pattern, line) for line in self.lines),
            PATIENCE,
            lambda: f"{pattern!r} in what {self.name} printed:\n" + "\n".join(self.lines),
        )
        return next(match for line in self.lines if (match := re.search(pattern, line)))
