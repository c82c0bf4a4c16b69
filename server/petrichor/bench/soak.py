"""A long set in short: two voices played without pause while files are replaced and renderers are killed.

Every second what was heard is searched for silence and clicks. What falls within a kill (from just before it until
the voice is live again) is counted by itself: there the sound is to go on, but it is not the voice's own. Beside what
was found stands for how long the machine itself stood still then, where that can be told.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from petrichor.bench.ears import BLOCK, Ears, EarsOptions
from petrichor.bench.figures import Figure
from petrichor.bench.listening import largest_step, longest_silence
from petrichor.bench.reload import CLICK
from petrichor.bench.rig import PROBES, Rig
from petrichor.bench.standstill import Standstills
from petrichor.bench.waits import Waits
from petrichor.osc import encode

VOICES = ("a", "b")
WARM = 10.0  # seconds before anything is counted
MARGIN = 0.3  # seconds around a kill that belong to it: the fill that is held, and the crossfade
SILENT = 16  # frames: two tones may cancel for less
STEP = 0.05  # seconds between two bursts of messages


@dataclass(frozen=True)
class SoakOptions:
    """What is done to the server.

    Attributes:
        minutes: How long.
        messages: In a second.
        reload: Seconds between two replaced files; 0 for none.
        kill: Seconds between two killed renderers; 0 for none.
        fill: Frames that the listener holds.
        ahead: `--ahead` of the server.
    """

    minutes: float
    messages: float = 1000.0
    reload: float = 10.0
    kill: float = 60.0
    fill: int = 4096
    ahead: int = 256


@dataclass
class _Tally:
    """What was found."""

    seconds: float = 0.0
    blocks: int = 0  # missed outside of kills
    silences: int = 0
    clicks: int = 0
    step: float = 0.0
    killed_blocks: int = 0
    killed_silence: int = 0
    killed_step: float = 0.0
    kills: int = 0
    reloads: int = 0
    memory: list[float] = field(default_factory=list)
    where: list[str] = field(default_factory=list)


class Soak:
    """One soak.

    Args:
        options: See `SoakOptions`.
    """

    def __init__(self, options: SoakOptions) -> None:
        """Prepare it."""
        self._options = options
        self._tally = _Tally()
        self._windows: list[tuple[float, float]] = []  # steady clock: kills, from … to
        self._waits = Waits()
        self._sent = 0
        self._stop = threading.Event()

    def run(self) -> list[Figure]:
        """Run it."""
        own = self._options
        voices = {"a": PROBES["probe-1"], "b": PROBES["probe-2"]}
        options = ["--query", "--ahead", str(own.ahead)]  # all that a server has
        with (
            Rig(voices, options) as rig,
            Ears(EarsOptions(rig.stream_port, fill=own.fill)) as ears,
            Standstills() as machine,
        ):
            player = threading.Thread(target=self._play, args=(rig,), name="player")
            player.start()
            try:
                time.sleep(WARM)
                concealed = int(str(rig.status()["concealed"]))
                self._watch(rig, ears, machine)
                concealed = int(str(rig.status()["concealed"])) - concealed
                late = 1000 * ears.figure("late")
            finally:
                self._stop.set()
                player.join()
        return self._figures(concealed, late)

    def _play(self, rig: Rig) -> None:
        """Send messages at their rate, from a thread of its own."""
        dice = random.Random(1)
        begin = time.monotonic()
        while not self._stop.wait(STEP):
            wanted = int((time.monotonic() - begin) * self._options.messages)
            for _ in range(wanted - self._sent):
                rig.client.send_raw(_message(dice))
            self._sent = wanted

    def _watch(self, rig: Rig, ears: Ears, machine: Standstills) -> None:
        own, rate = self._options, ears.options.rate
        begin = time.monotonic()
        heard = ears.played
        next_reload, next_kill = begin + (own.reload or 1e12), begin + (own.kill or 1e12)
        next_memory = begin
        while time.monotonic() < begin + 60 * own.minutes:
            time.sleep(0.1)
            now = time.monotonic()
            self._waits.look({**rig.children(), rig.process.pid: "server", ears.process: "listener"}, now)
            if now >= next_reload and not self._killing(now):
                self._reload(rig)
                next_reload += own.reload
            if now >= next_kill:
                self._kill(rig, now)
                next_kill += own.kill
            if now >= next_memory and not self._killing(now):
                self._tally.memory.append(rig.memory())
                next_memory += 5.0
            self._close_kill(rig, now)
            # What was played a second ago is complete, and every kill that it may belong to is known.
            while ears.played >= heard + 3 * rate:
                self._look(ears, heard, machine)
                heard += rate

    def _reload(self, rig: Rig) -> None:
        self._tally.reloads += 1
        voice = VOICES[self._tally.reloads % 2]
        rig.replace(voice, PROBES[("probe-1", "probe-2")[self._tally.reloads // 2 % 2]])

    def _kill(self, rig: Rig, now: float) -> None:
        voice = VOICES[self._tally.kills % 2]
        self._tally.kills += 1
        rig.client.read()
        rig.client.heard.clear()
        os.kill(rig.renderer(voice), signal.SIGKILL)
        self._windows.append((now - MARGIN, float("inf")))

    def _close_kill(self, rig: Rig, now: float) -> None:
        """Note the end of a kill: when its voice is heard to be loaded again."""
        rig.client.read()
        loaded = any(message.address.endswith("/loaded") for message in rig.client.heard)
        if loaded and self._windows and self._windows[-1][1] == float("inf"):
            self._windows[-1] = (self._windows[-1][0], now + MARGIN)
        rig.client.heard.clear()

    def _killing(self, now: float) -> bool:
        return bool(self._windows) and now < self._windows[-1][1] + MARGIN

    def _look(self, ears: Ears, start: int, machine: Standstills) -> None:
        """Search one second of what was heard."""
        tally, rate = self._tally, ears.options.rate
        sound = ears.heard(max(0, start - rate // 100), start + rate)
        moment = ears.figure("start") + start / rate
        killed = any(begin - 1.0 <= moment <= end for begin, end in self._windows)
        standstills = machine.between(moment - 0.5, moment + 1.0)  # asked always: what is not fetched has little room
        blocks = sound[-rate:].reshape(-1, BLOCK, 2)
        missed = int((np.abs(blocks).max((1, 2)) == 0).sum())  # a listener plays them as silence
        silence, (step, place) = longest_silence(sound), largest_step(sound)
        tally.seconds += 1.0
        if killed:
            tally.killed_blocks += missed
            tally.killed_silence = max(tally.killed_silence, silence)
            tally.killed_step = max(tally.killed_step, step)
            return
        tally.blocks += missed
        tally.silences += silence > SILENT
        tally.clicks += step > CLICK
        tally.step = max(tally.step, step)
        if missed or silence > SILENT or step > CLICK:
            at = tally.seconds + place / rate
            gap = 1000 * ears.longest_gap(moment - 0.5, moment + 1.0)
            tally.where.append(
                f"at {at:.2f} s: {missed} blocks missed, silence {silence} frames, step {step:.4f}; "
                f"just then the machine stood still {_told(standstills, machine.watched)}, "
                f"nothing came for {gap:.0f} ms, and for a core waited {self._waiting(moment - 0.5, moment + 1.0)}"
            )

    def _waiting(self, begin: float, end: float) -> str:
        waits = sorted(self._waits.between(begin, end).items(), key=lambda item: -item[1].queued)
        told = (
            f"{name.removeprefix('petrichor-')} {1000 * wait.queued:.0f} ms"
            + (f" ({wait.faults} times for a disk too)" if wait.faults else "")
            for name, wait in waits
        )
        return ", ".join(told) or "nobody knows who"

    def _figures(self, concealed: int, late: float) -> list[Figure]:
        tally, own = self._tally, self._options
        about = (
            f"{tally.seconds:.0f} s, {self._sent} messages, {tally.reloads} reloads, {tally.kills} kills; "
            f"fill {own.fill}, ahead {own.ahead}; the listener itself was late by {late:.1f} ms at most"
        )
        faults = {"blocks missed": tally.blocks, "silences": tally.silences, "clicks": tally.clicks}
        outside = {"all": float(sum(faults.values())), **{name: float(value) for name, value in faults.items()}}
        inside = {"blocks missed": float(tally.killed_blocks), "longest silence": float(tally.killed_silence)}
        memory = np.array(tally.memory)
        quarter = max(1, len(memory) // 4)
        first, last = float(np.median(memory[:quarter])), float(np.median(memory[-quarter:]))
        growth = 100 * (last - first) / first
        return [
            Figure("soak: dropouts outside of kills", outside, "", "0", 0, "all", notes=(about, *tally.where[:20])),
            Figure("soak: largest step outside of kills", {"max": tally.step}, "of full scale", "", None),
            Figure("soak: within kills", inside, "frames", "continuous", SILENT, "longest silence"),
            Figure("soak: concealed, kills included", {"all": float(concealed)}, "ms"),
            Figure("soak: memory", {"growth": growth, "first": first, "last": last}, "%, MB", "< 1 %", 1, "growth"),
        ]


def _told(standstills: list[float], watched: bool) -> str:
    if not watched:
        return "for nobody knows how long (that takes real-time priority)"
    return "for " + (", ".join(f"{1000 * each:.0f}" for each in standstills) or "0") + " ms"


def _message(dice: random.Random) -> bytes:
    """Return a message as a performer's controller sends them, which leaves both voices sounding."""
    voice = dice.choice(VOICES)
    kind = dice.random()
    if kind < 0.5:
        return encode(f"/{voice}/intensity", dice.uniform(0.4, 1.0))
    if kind < 0.7:
        return encode(f"/{voice}/gain", dice.uniform(-6.0, 0.0))
    if kind < 0.9:
        return encode(f"/{voice}/pan", dice.uniform(-0.3, 0.3))
    return encode(f"/{voice}/latent/1", dice.gauss(0.0, 1.0))
