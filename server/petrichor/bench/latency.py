"""How soon a control is heard: from the OSC packet to the changed sample, out of the server and in a listener."""

from __future__ import annotations

import random
import time

from petrichor.bench.ears import BLOCK, Ears, EarsOptions
from petrichor.bench.figures import Figure, percentiles
from petrichor.bench.listening import first_sound
from petrichor.bench.rig import PROBES, Rig
from petrichor.errors import PetrichorError

FILL = 1024  # frames that the listener holds, unless told
CALM = 0.55  # seconds until a probe at intensity 0 is below what counts as sound
LONGEST = 2.0  # seconds to wait for a change


def measure_latency(trials: int, fill: int, ahead: int) -> list[Figure]:
    """Raise a probe's intensity from 0, again and again, and look for the first sample that sounds.

    Args:
        trials: How often.
        fill: Frames that the listener holds ahead of what it plays.
        ahead: `--ahead` of the server.
    """
    out, heard = [], []
    with (
        Rig({"a": PROBES["probe-1"]}, ["--ahead", str(ahead)]) as rig,
        Ears(EarsOptions(rig.stream_port, fill=fill)) as ears,
    ):
        rig.client.send("/a/intensity", 0.0)
        for _ in range(trials):
            time.sleep(CALM + random.random() * 0.05)  # at any phase of the blocks
            before = ears.received
            sent = time.monotonic()
            rig.client.send("/a/intensity", 1.0)
            frame = _changed(ears, before, sent)
            rig.client.send("/a/intensity", 0.0)
            out.append(ears.arrival(frame) - sent)
            ears.wait_played(ears.played + fill + 2 * BLOCK)
            heard.append(ears.due(frame) - sent)
        late = 1000 * ears.figure("late")
    notes = (f"{trials} trials, ahead {ahead}; the listener itself was late by {late:.1f} ms at most",)
    return [
        Figure("OSC packet in → changed sample out", percentiles(out), "ms", "p99 ≤ 10 ms", 10, "p99", notes=notes),
        Figure(f"OSC packet in → changed sample played, fill {fill}", percentiles(heard), "ms"),
    ]


def _changed(ears: Ears, start: int, since: float) -> int:
    """Return the first frame received from `start` on that sounds."""
    while True:
        end = ears.received
        found = first_sound(ears.came(start, end))
        if found is not None:
            return start + found
        if time.monotonic() - since > LONGEST:
            raise PetrichorError(f"no change was heard in {LONGEST:.0f} s")
        start = end
        time.sleep(0.001)
