"""The control methods of the SuperCollider classes: every message reaches the server's port as it should."""

from __future__ import annotations

import re

import pytest

from petrichor.stream_protocol import message
from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES
from tests.patches.supercollider import Sclang

# What is evaluated, the address it becomes, and its arguments; in this order.
CALLS: list[tuple[str, str, list[object]]] = [
    ("p.rain.intensity = 0.75", "/rain/intensity", [0.75]),
    ("p.rain.truncation = 1", "/rain/truncation", [1.0]),
    ("p.rain.latent = FloatArray[0.5, -0.25]", "/rain/latent", [0.5, -0.25]),
    ("p.rain.latent = (0..3)", "/rain/latent", [0.0, 1.0, 2.0, 3.0]),
    ("p.rain.latentAt(3, 0.5)", "/rain/latent/3", [0.5]),
    ("p.rain.seed = 3", "/rain/seed", [3]),
    ("p.rain.draw", "/rain/new", []),
    ("p.rain.spread = 0.125", "/rain/spread", [0.125]),
    ("p.rain.gain = -6", "/rain/gain", [-6.0]),
    ("p.rain.pan = -1", "/rain/pan", [-1.0]),
    ("p.rain.mute = true", "/rain/mute", [1]),
    ('p.voice(\\rain).load("drizzle")', "/rain/load", ["drizzle"]),
    ("p.bird.set('direction/bright', 0.5)", "/bird/direction/bright", [0.5]),
    ("p.gain = -3", "/master/gain", [-3.0]),
    ('p.send("/*/mute", 0)', "/*/mute", [0]),
    ('p.record("take.wav")', "/record", ["take.wav"]),
    ("p.stopRecording", "/record", []),
    ("p.notify", "/notify", [1]),
    ("p.clearSched", "/clearSched", []),
    ("p.rain.unload", "/rain/unload", []),
    ("p.status({ |state| state.postcs; 0.exit })", "/status", []),
]


def test_every_message() -> None:
    calls = ";\n".join(call for call, _, _ in CALLS)
    with OscSocket() as server, Sclang(f'p = Petrichor("127.0.0.1", {server.port});\n{calls};') as sclang:
        server.wait("/status")
        figures = ("0.1.0", 48000, 9001, 1, 0, "", "card", 44100, 0, 0, 0, 5, 0, 0)
        server.answer(message("/status.reply", *figures, 1, "bird", "playing", 32))
        sclang.wait_end()
        sclang.check()
    assert server.received == [(address, arguments) for _, address, arguments in CALLS]
    parts = ("'rate': 48000", "'streamPort': 9001", "'deviceRate': 44100", "'waiting': 5", "'name': 'bird'")
    for part in (*parts, "'latentSize': 32"):
        assert part in sclang.output or part.replace("'", "", 2) in sclang.output


def test_failures_and_silence_are_told() -> None:
    code = 'p.sync({{ "early".postln }}, 0.3, {{ "nothing".postln; p.rain.load("gone") }});'
    with OscSocket() as server, Sclang(f'p = Petrichor("127.0.0.1", {server.port});\n{code.format()}') as sclang:
        sclang.wait_line("^nothing$")
        server.wait("/rain/load")
        server.answer(message("/fail", "/rain/load", "there is no gone.voice"))
        sclang.wait_line("WARNING: Petrichor: /rain/load there is no gone.voice")
    assert "early" not in sclang.output


@pytest.mark.parametrize("file", ["petrichor.scd", "petrichor-set.scd"])
def test_blocks_compile(file: str) -> None:
    """Each numbered block is code by itself, and all name the classes as they are."""
    text = (PATCHES / "supercollider" / file).read_text()
    blocks = re.findall(r"^\(\n.*?^\)$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    code = "\n".join(f'if({quoted(block)}.compile.isNil) {{ "BAD {n}".postln }};' for n, block in enumerate(blocks))
    with Sclang(code + '\n"CHECKED".postln; 0.exit') as sclang:
        sclang.wait_line("CHECKED")
        sclang.wait_end()
        sclang.check()
    assert "BAD" not in sclang.output


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
