"""A long set in short: two voices played without pause while files are replaced and renderers are killed.

One voice sounds left, the other right, so that neither can hide what happens to the other. Every second what was heard
is searched, voice by voice, for silence and clicks. What falls within a voice's kill (from just before it until the
voice is live again) is counted by itself: there the sound is to go on, but it is not the voice's own. Beside what was
found stands for how long the machine itself stood still then, who waited for a core and how long nothing came.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from dataclasses import dataclass

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure
from petrichor.bench.rig import PROBES, Rig
from petrichor.bench.soak_tally import SoakTally
from petrichor.bench.standstill import Standstills
from petrichor.bench.waits import Waits
from petrichor.osc import encode

VOICES = ("a", "b")  # left and right
WARM = 10.0  # seconds before anything is counted
END = 5.0  # seconds before the end in which nothing is done any more, so that what becomes of it is heard
BEHIND = 3  # seconds by which the search follows: what was heard is complete then, and every kill of that time known
MARGIN = 0.3  # seconds around a kill that belong to it: the fill that is held, and the crossfade
BACK = 3.0  # seconds in which a voice has to be live again
STEP = 0.05  # seconds between two bursts of messages
LOOK = 5.0  # seconds between two looks at the memory


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
class Kill:
    """One renderer that was killed.

    Attributes:
        voice: 0 or 1.
        begin: Steady clock from which it may be heard.
        end: From which it no more may; infinity as long as the voice is not back.
        concealed: Milliseconds that had been filled in before it.
    """

    voice: int
    begin: float
    concealed: int
    end: float = math.inf


class Soak:
    """One soak.

    Args:
        options: See `SoakOptions`.
    """

    def __init__(self, options: SoakOptions) -> None:
        """Prepare it."""
        self._options = options
        self._tally = SoakTally()
        self._kills: list[Kill] = []
        self._waits = Waits()
        self._sent = 0
        self._stop = threading.Event()
        self._failure: BaseException | None = None

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
            for place, voice in zip((-1.0, 1.0), VOICES, strict=True):
                rig.client.send(f"/{voice}/pan", place)
                rig.client.send(f"/{voice}/intensity", 0.7)
            player = threading.Thread(target=self._play, args=(rig,), name="player")
            player.start()
            try:
                time.sleep(WARM)
                self._tally.begin(rig.status())
                self._watch(rig, ears, machine)
                self._tally.end(rig.status())
                late = 1000 * ears.figure("late")
            finally:
                self._stop.set()
                player.join()
        if self._failure is not None:
            raise self._failure
        about = (
            f"{self._sent} messages sent, {self._tally.reloads} reloads, {len(self._kills)} kills; fill {own.fill}, "
            f"ahead {own.ahead}; the listener itself was late by {late:.1f} ms at most"
        )
        return self._tally.figures(about)

    def _play(self, rig: Rig) -> None:
        """Send messages at their rate, from a thread of its own."""
        dice = random.Random(1)
        begin = time.monotonic()
        try:
            while not self._stop.wait(STEP):
                wanted = int((time.monotonic() - begin) * self._options.messages)
                for _ in range(wanted - self._sent):
                    rig.client.send_raw(_message(dice))
                self._sent = wanted
        except BaseException as error:  # told by `run`
            self._failure = error

    def _watch(self, rig: Rig, ears: Ears, machine: Standstills) -> None:
        own, rate = self._options, ears.options.rate
        begin = time.monotonic()
        end = begin + 60 * own.minutes
        first = heard = ears.played
        next_reload = begin + (own.reload or math.inf)
        next_kill = begin + own.kill / 2 + own.reload / 2 if own.kill else math.inf  # between two reloads
        next_memory = begin
        rig.client.heard.clear()
        while heard < first + 60 * own.minutes * rate:
            time.sleep(0.1)
            now = time.monotonic()
            self._waits.look({**rig.children(), rig.process.pid: "server", ears.process: "listener"}, now)
            if next_reload <= now < end - END:
                self._reload(rig)
                next_reload += own.reload
            if next_kill <= now < end - END:
                self._kill(rig, now)
                next_kill += own.kill
            if now >= next_memory and not self._killing(now):
                self._tally.memory.append(rig.memory())
                next_memory += LOOK
            self._hear(rig, now)
            while ears.played >= heard + BEHIND * rate and heard < first + 60 * own.minutes * rate:
                self._look(ears, heard, machine)
                heard += rate

    def _reload(self, rig: Rig) -> None:
        voice = VOICES[self._tally.reloads % 2]
        rig.replace(voice, PROBES[("probe-1", "probe-2")[self._tally.reloads // 2 % 2]])
        self._tally.reloads += 1

    def _kill(self, rig: Rig, now: float) -> None:
        voice = len(self._kills) % 2
        self._kills.append(Kill(voice, now - MARGIN, int(str(rig.status()["concealed"]))))
        os.kill(rig.renderer(VOICES[voice]), signal.SIGKILL)

    def _killing(self, now: float) -> bool:
        return any(now < kill.end for kill in self._kills[-2:])

    def _hear(self, rig: Rig, now: float) -> None:
        """Take what the server tells, and note when a killed voice is back."""
        rig.client.read()
        told, rig.client.heard = rig.client.heard, []
        for message in told:
            self._tally.hear(message)
        for kill in self._kills:
            if kill.end < math.inf:
                continue
            back = any(message.address == f"/{VOICES[kill.voice]}/loaded" for message in told)
            if back or now > kill.begin + BACK:
                kill.end = now + MARGIN
                self._tally.killed(back, int(str(rig.status()["concealed"])) - kill.concealed)

    def _look(self, ears: Ears, start: int, machine: Standstills) -> None:
        """Search one second of what was heard, and a hundredth before it."""
        rate = ears.options.rate
        sound = ears.heard(max(0, start - rate // 100), start + rate)
        moment = ears.figure("start") + start / rate
        killed = {kill.voice for kill in self._kills if kill.begin < moment + 1.0 and kill.end > moment}
        standstills = machine.between(moment - 0.5, moment + 1.0)  # asked always: what is not fetched has little room
        found = self._tally.look(sound, rate, killed)
        if found:
            gap = 1000 * ears.longest_gap(moment - 0.5, moment + 1.0)
            self._tally.where.append(
                f"{found}; just then the machine stood still {_told(standstills, machine.watched)}, "
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


def _told(standstills: list[float], watched: bool) -> str:
    if not watched:
        return "for nobody knows how long (that takes real-time priority)"
    return "for " + (", ".join(f"{1000 * each:.0f}" for each in standstills) or "0") + " ms"


def _message(dice: random.Random) -> bytes:
    """Return a message as a performer's controller sends them, which leaves both voices sounding at their places."""
    voice = dice.choice(VOICES)
    kind = dice.random()
    if kind < 0.6:
        return encode(f"/{voice}/intensity", dice.uniform(0.4, 1.0))
    if kind < 0.85:
        return encode(f"/{voice}/gain", dice.uniform(-6.0, 0.0))
    return encode(f"/{voice}/latent/1", dice.gauss(0.0, 1.0))
