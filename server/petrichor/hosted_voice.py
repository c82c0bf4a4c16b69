"""A voice by its name: its parameters, and the renderer processes that play it. Owned by the control process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from petrichor.controls import VoiceState
from petrichor.cues import Cue
from petrichor.plan import Plan
from petrichor.preset_file import Values
from petrichor.renderer import Loaded

Reply = Callable[[str], None] | None  # called with "" on success, else with the reason


@dataclass(eq=False)
class Renderer:
    """One renderer process and what is known of it.

    Attributes:
        voice: Its voice.
        path: The voice file it was asked to load.
        source: The file it reads: `path`, or a copy of what played before; once loaded, what to come back from.
        copy: Where it puts a copy of what it reads.
        slot: Its slot in the shared memory.
        process: The process.
        report: Where it reports.
        reply: Told when it is heard, or why it is not.
        loaded: What it said of its voice file.
        plan: The voice's parameters; its own for an incoming network of another latent size.
        unsent: Cues that have not found room yet.
        attached: Whether the mixer knows its slot.
        ending: Whether it was asked to end, or is known to be dead.
        fault: Why it was killed, or "".
        since: Steady clock at its start, then at its entry into the mix.
        stopped: Steady clock when it was asked to end, or None.
        slow: Frames that had been concealed when it was last looked at whether it keeps up, and when that was.
        late: Frames by which its beginnings came too late, as far as that was told.
        values: What its voice begins with, if its plan is a new one.
    """

    voice: HostedVoice
    path: Path
    source: Path
    copy: Path
    slot: int
    process: BaseProcess
    report: Connection
    reply: Reply = None
    loaded: Loaded | None = None
    plan: Plan[VoiceState] | None = None
    unsent: list[Cue] = field(default_factory=list)
    attached: bool = False
    ending: bool = False
    fault: str = ""
    since: float = field(default_factory=time.monotonic)
    stopped: float | None = None
    slow: tuple[int, float] = (0, 0.0)
    late: int = 0
    values: Values = field(default_factory=dict)


@dataclass(eq=False)
class HostedVoice:
    """A voice.

    Attributes:
        name: Its name in OSC addresses.
        path: The voice file it plays; of one that never played, the file it first tried to.
        plan: Its parameters, or None while it is loaded for the first time.
        playing: The renderer that sounds, or that the mixer conceals since it died.
        incoming: The renderer that is being loaded.
        deaths: How often in a row its renderer has died.
        since: Steady clock since which it has played without a death, by however many files.
        restart_at: Steady clock at which it is to be started again, or None.
    """

    name: str
    path: Path
    plan: Plan[VoiceState] | None = None
    playing: Renderer | None = None
    incoming: Renderer | None = None
    deaths: int = 0
    since: float = 0.0
    restart_at: float | None = None

    @property
    def file(self) -> Path:
        """The file that sounds, or will once it is loaded."""
        return self.incoming.path if self.incoming is not None else self.path

    @property
    def renderers(self) -> list[Renderer]:
        """The renderers that follow its parameters."""
        return [each for each in (self.playing, self.incoming) if each is not None and each.plan is not None]

    @property
    def status(self) -> str:
        """ "playing", "loading" or "failed"."""
        if self.playing is not None and not self.playing.ending:
            return "playing"
        return "loading" if self.incoming or self.restart_at else "failed"
