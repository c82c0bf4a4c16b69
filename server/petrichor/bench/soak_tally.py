"""What was found in a soak: seconds searched, voice by voice, and whether all that was done had its effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from petrichor.bench.ears import BLOCK
from petrichor.bench.figures import Figure
from petrichor.bench.listening import largest_step, longest_silence
from petrichor.bench.reload import CLICK
from petrichor.osc import Message

SILENT = 16  # frames below which a tone may lie where it passes through zero, and two that cross may cancel
FILLED = 200.0  # ms that may be filled in outside of kills in a run: 0.01 % of half an hour; nothing of it is silence
PLACES = 20  # of faults that are told with the figures
NAMES = ("left", "right")


@dataclass
class _Side:
    """What was found of one kind of seconds."""

    seconds: int = 0
    blocks: int = 0
    silences: int = 0
    clicks: int = 0
    silence: int = 0
    step: float = 0.0

    def add(self, missed: int, silence: int, step: float) -> bool:
        """Add one voice's second; say whether something is wrong with it."""
        self.seconds += 1
        self.blocks += missed
        self.silences += silence > SILENT
        self.clicks += not step < CLICK
        self.silence = max(self.silence, silence)
        self.step = max(self.step, step)
        return bool(missed) or silence > SILENT or not step < CLICK


@dataclass
class SoakTally:
    """What was found.

    Attributes:
        reloads: Files that were replaced.
        memory: MB of all processes, over time.
        where: What was wrong, and when.
    """

    reloads: int = 0
    memory: list[float] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    _seconds: int = 0
    _outside: _Side = field(default_factory=_Side)
    _within: _Side = field(default_factory=_Side)
    _kills: int = 0
    _lost: int = 0  # voices that were not back in time
    _concealed: tuple[int, int] = (0, 0)  # ms: at the begin and at the end
    _concealed_within: int = 0
    _restarts: tuple[int, int] = (0, 0)
    _told: Counter[str] = field(default_factory=Counter)

    def begin(self, status: Mapping[str, object]) -> None:
        """Note the server's own figures when it begins."""
        self._concealed = (int(str(status["concealed"])), 0)
        self._restarts = (int(str(status["restarts"])), 0)

    def end(self, status: Mapping[str, object]) -> None:
        """Note them at the end."""
        self._concealed = (self._concealed[0], int(str(status["concealed"])))
        self._restarts = (self._restarts[0], int(str(status["restarts"])))

    def hear(self, message: Message) -> None:
        """Count what the server tells of its voices."""
        self._told[message.address.rpartition("/")[2]] += 1

    def killed(self, back: bool, concealed: int) -> None:
        """Note that a kill is over.

        Args:
            back: Whether its voice came back in time.
            concealed: Milliseconds that were filled in meanwhile.
        """
        self._kills += 1
        self._lost += not back
        self._concealed_within += concealed

    def look(self, sound: np.ndarray, rate: int, killed: set[int]) -> str:
        """Search one second, and a little before it.

        Args:
            sound: The first voice left, the second right. Shape [frames, 2]
            rate: Hz.
            killed: Voices that were killed then.

        Returns:
            What is wrong, or "".
        """
        faults = []
        self._seconds += 1
        for voice in range(2):
            own = sound[:, voice : voice + 1]
            blocks = own[-rate:].reshape(-1, BLOCK)
            missed = int((np.abs(blocks).max(1) == 0).sum())  # a listener plays them as silence
            silence, (step, place) = longest_silence(own), largest_step(own)
            side = self._within if voice in killed else self._outside
            if side.add(missed, silence, step):
                faults.append(
                    f"{NAMES[voice]}{' (killed)' if voice in killed else ''}: {missed} blocks missed, "
                    f"silence {silence} frames, step {step:.4f} at {self._seconds + place / rate:.2f} s"
                )
        return "; ".join(faults)

    def figures(self, about: str) -> list[Figure]:
        """Return the figures.

        Args:
            about: What was done.
        """
        out, within, told = self._outside, self._within, self._told
        restarts = self._restarts[1] - self._restarts[0]
        undone = {
            "voices not back": self._lost,
            "restarts of no kill": abs(restarts - self._kills),
            "reloads not told": abs(told["loaded"] - self.reloads - self._kills),
            "files refused": told["failed"],
            "failures told": abs(told["fail"] - self._kills),
        }
        dropouts = {"blocks missed": out.blocks, "silences": out.silences, "clicks": out.clicks}
        share = f"{self._seconds} s of two voices, {within.seconds} of {2 * self._seconds} within kills"
        inside = {"longest silence": within.silence, "blocks missed": within.blocks}
        filled = self._concealed[1] - self._concealed[0]
        memory = np.array(self.memory or [np.nan])
        quarter = max(1, len(memory) // 4)
        first, last = float(np.median(memory[:quarter])), float(np.median(memory[-quarter:]))
        growth = 100 * (last - first) / first
        notes = (f"{share}; {about}", *self.where[:PLACES])
        own = {"outside": float(filled - self._concealed_within), "within": float(self._concealed_within)}
        return [
            Figure("soak: dropouts outside of kills", _summed(dropouts), "", "0", 0, "all", notes=notes),
            Figure("soak: what had not its effect", _summed(undone), "", "0", 0, "all"),
            _step("soak: largest step outside of kills", out.step),
            Figure("soak: within kills", _floats(inside), "frames", "continuous", SILENT, "longest silence"),
            _step("soak: largest step within kills", within.step),
            Figure("soak: filled in, of kills and besides", own, "ms", f"outside ≤ {FILLED:g}", FILLED, "outside"),
            Figure("soak: memory", {"growth": growth, "first": first, "last": last}, "%, MB", "< 1 %", 1, "growth"),
        ]


def _step(what: str, step: float) -> Figure:
    return Figure(what, {"max": step}, "of full scale", f"< {CLICK}: no click", CLICK, "max")


def _summed(counts: Mapping[str, int]) -> dict[str, float]:
    return {"all": float(sum(counts.values())), **_floats(counts)}


def _floats(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: float(value) for name, value in counts.items()}
