"""A server under attack: mutated datagrams by the million, mutated voice files by the thousand.

    python -m tests.measure.hostility --datagrams 1000000 --voices 1000

Every datagram is read (there is no limit on their rate here, and none is lost: the next come when both ports have
answered for the ones before). After all of it the server has to answer, and its voice to sound as it did. Every voice
file has to be refused with a reason, or to play finitely.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import random
import select
import socket
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from petrichor.bench.client import PATIENCE, Client
from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import stolen
from petrichor.bench.rig import PITCHES, PROBES, Rig
from petrichor.errors import PetrichorError
from petrichor.osc import LARGEST, encode, encode_bundle
from petrichor.parameters import TABLE
from tests.tiny_voices import build_voices

HEARD = 4800  # frames of a mutated voice that plays
WINDOW = 64  # datagrams before both ports have to answer for them
UNKNOWN = 1 << 23  # the first token that the server never gives
HARMFUL = ("/V/unload", "/record", "/V/load")  # lawful, and not what is tried here
EVIL_NUMBERS = (0.0, -1.0, 1e38, float("inf"), float("-inf"), float("nan"), 1e-45, 2**31 - 1, -(2**31))


def seeds(dice: random.Random) -> list[bytes]:
    """Return lawful datagrams of every address, to be mutated."""
    found = []
    for row in TABLE:
        if row.address in HARMFUL:
            continue
        address = row.address.replace("/V", dice.choice(["/a", "/*", "/{a,b}", "/[a-c]"])).replace("/N", "/3")
        for args in ((), (0.5,), (1,), ("text",), (b"\0" * 32,), tuple([0.25] * 8), (dice.choice(EVIL_NUMBERS),)):
            found.append(encode(address, *args))
    found += [encode_bundle(time.time() + dice.uniform(-1, 1), *dice.sample(found, 3)) for _ in range(20)]
    found += [encode_bundle(None, encode_bundle(None, dice.choice(found))) for _ in range(10)]
    found.append(encode("/a/latent", b"\0" * (LARGEST - 40)))
    found += [
        encode(f"/{'*' * 40}/{'{a,' * 20}", 1.0),
        encode("/" + "[!a-" * 30 + "/gain", 1.0),
        b"#bundle\0" + bytes(8),
    ]
    for address in ("/subscribe", "/pull", "/unsubscribe"):
        found += [encode(address, "f32", 2, 128, 1024, 48000), encode(address, 5, 0, 0, 0), encode(address)]
    return found


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Return a datagram with a few bytes flipped, cut, repeated or made large."""
    changed = bytearray(data)
    for _ in range(dice.randrange(0, 4)):
        place = dice.randrange(len(changed) + 1)
        kind = dice.randrange(6)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del changed[place:]
        elif kind == 2:
            changed += changed[place:]
        elif kind == 3:
            changed[place : place + 4] = dice.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"]
            )
        elif kind == 4:
            changed[place:place] = dice.randbytes(dice.randrange(1, 9))
        else:
            changed += bytes(-len(changed) % 4)
    return bytes(changed[:LARGEST])


def settle_stream(stream: socket.socket, token: int) -> None:
    """Wait until the stream port has read all that was sent to it: it says of a token that it does not know.

    Raises:
        PetrichorError: It says nothing, however often it is asked.
    """
    end, again = time.monotonic() + PATIENCE, 0.0
    while time.monotonic() < end:
        if time.monotonic() > again:  # what may have been lost
            again = time.monotonic() + 1.0
            with contextlib.suppress(OSError):
                stream.send(encode("/pull", token, 0, 0, 0))
        if select.select([stream], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):
                if stream.recv(65536) == encode("/expired", token):
                    return
    raise PetrichorError(f"no /expired {token} from the stream port in {PATIENCE:.0f} s")


def attack(rig: Rig, count: int, seed: int = 1) -> Counter[str]:
    """Send mutated datagrams to both ports, and return what became of them.

    Raises:
        PetrichorError: The server answers no more.
    """
    dice = random.Random(seed)
    control, stream = Client(rig.port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.connect(("127.0.0.1", rig.stream_port))
    stream.setblocking(False)
    sources = seeds(dice)
    told: Counter[str] = Counter()
    for number in range(count):
        datagram = mutate(dice.choice(sources), dice)
        try:
            (control.send_raw if number % 4 else stream.send)(datagram)
        except OSError:
            told["not sent"] += 1
        if number % WINDOW == WINDOW - 1:
            control.settle()
            settle_stream(stream, UNKNOWN + number)
            told.update(message.address for message in control.heard)
            control.heard.clear()
        if number % 20_000 == 0:
            sources = seeds(dice)
    told["sent"] = count
    control.send("/notify", 0)
    control.close()
    stream.close()
    return told


def set_right(rig: Rig) -> None:
    """Undo what lawful messages among the hostile ones have done."""
    rig.client.ask("/clearSched", reply="/done")
    usual = {"gain": 0.0, "mute": 0, "pan": 0.0, "truncation": 3.0, "glide": 0.0, "drift": 0.0, "freeze": 0}
    for message in (("/master/gain", 0.0), *((f"/a/{name}", value) for name, value in usual.items())):
        rig.client.send(*message)  # type: ignore[arg-type]
    rig.client.send("/a/latent", *([0.0] * 8))
    rig.client.send("/a/intensity", 1.0)
    rig.client.settle()


def level_heard(rig: Rig) -> float:
    """Return the amplitude of the probe's tone as a listener hears it: 0.25 where nothing has changed.

    It is the median of ten tenths of a second, so that one block lost on the way, which turns the phase, is no change.
    """
    with Ears(EarsOptions(rig.stream_port, fill=4096)) as ears:
        ears.wait_for(3 * ears.options.rate)
        sound = ears.came(2 * ears.options.rate, 3 * ears.options.rate)[:, 0].reshape(10, -1)
    length = sound.shape[1]
    turns = np.exp(-2j * np.pi * PITCHES["probe-1"] / ears.options.rate * np.arange(length))
    return float(np.median(2 * abs(np.mean(sound * turns * 2 * np.hanning(length), axis=1))))


def mutate_voice(path: Path, dice: random.Random) -> bytes:
    """Return a voice file with something wrong in it: as it lies there, or deeper, its hashes made to fit."""
    if dice.random() < 0.2:
        return mutate(path.read_bytes(), dice)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    description = json.loads(members["voice.json"])
    kind = dice.random()
    if kind < 0.5:
        which = dice.choice(sorted(name for name in members if name.endswith(".tflite")))
        network = bytearray(members[which])
        for _ in range(dice.choice([1, 1, 2, 8, 64])):
            place = dice.randrange(len(network))
            network[place] = dice.randrange(256)
        members[which] = bytes(network[: len(network) if dice.random() < 0.9 else dice.randrange(len(network))])
    elif kind < 0.9:
        name = dice.choice(sorted(description))
        evil = [None, 0, -1, 10**9, 1e308, "", "x" * 1000, [], {}, True, [[]], {"latent": [1, 10**9]}, 2**63]
        description[name] = dice.choice(evil)
        if dice.random() < 0.2:
            del description[name]
    else:
        members["arrays.npz"] = mutate(members["arrays.npz"], dice)
    if isinstance(description.get("sha256"), dict):
        hashed = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != "voice.json"}
        description["sha256"].update(hashed)
    members["voice.json"] = json.dumps(description).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def try_voices(rig: Rig, count: int, sources: list[Path], seed: int = 2) -> Counter[str]:
    """Let the server load mutated voice files under the name `b`, and return what it said of them.

    Those that play are heard for a while; "unfit" counts what is not finite then, or beyond full scale.

    Raises:
        PetrichorError: It says nothing of one of them in time.
    """
    dice = random.Random(seed)
    told: Counter[str] = Counter()
    with Ears(EarsOptions(rig.stream_port, fill=4096)) as ears:
        for _ in range(count):
            rig.client.read()
            rig.client.heard.clear()
            (rig.voices / ".b.next").write_bytes(mutate_voice(dice.choice(sources), dice))
            (rig.voices / ".b.next").replace(rig.voices / "b.voice")
            answer = rig.client.wait_any("/b/loaded", "/b/failed")
            told[answer.address] += 1
            if answer.address == "/b/failed":
                assert len(str(answer.args[1])) > len("b.voice: "), answer
                told["died"] += "died" in str(answer.args[1])
                continue
            begin = ears.received
            ears.wait_for(begin + HEARD)
            sound = ears.came(begin, begin + HEARD)
            told["unfit"] += not (np.isfinite(sound).all() and np.abs(sound).max() <= 1.0)
    return told


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datagrams", type=int, default=1_000_000)
    parser.add_argument("--voices", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Rig({"a": PROBES["probe-1"]}) as rig:
        set_right(rig)
        begin, kept = time.monotonic(), stolen()
        with Ears(EarsOptions(rig.stream_port, fill=8192)) as ears:
            told = attack(rig, options.datagrams, options.seed)
            underruns, late = ears.figure("underruns"), 1000 * ears.figure("late")
        took = time.monotonic() - begin
        set_right(rig)
        print(f"{options.datagrams} datagrams in {took:.0f} s: {dict(told.most_common(12))}")
        print(f"a listener meanwhile missed {underruns:.0f} blocks, and was itself late by {late:.0f} ms at most")
        print(f"the host withheld {stolen() - kept:.1f} s of processor time meanwhile, of all cores")
        print(f"the probe's amplitude (0.25 before): {level_heard(rig):.3f}")
        tiny = build_voices(Path(__file__).parents[2] / ".pytest_cache" / "measure")
        begin = time.monotonic()
        answers = try_voices(rig, options.voices, [PROBES["probe-2"], *tiny.values()], options.seed)
        took = time.monotonic() - begin
        print(f"{options.voices} voice files in {took:.0f} s: {dict(answers)}")
        if "b" in {voice[0] for voice in rig.status()["voices"]}:  # type: ignore[attr-defined]
            rig.client.ask("/b/unload", reply="/done")
        set_right(rig)
        print(f"the probe's amplitude (0.25 before): {level_heard(rig):.3f}; restarts {rig.status()['restarts']}")


if __name__ == "__main__":
    main()
