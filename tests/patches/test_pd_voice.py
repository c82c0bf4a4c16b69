"""petrichor.voice in a real Pd: what it sends, what comes out of which outlet, and that it subscribes by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from petrichor.osc import encode, encode_bundle
from tests.patches.osc_socket import OscSocket
from tests.patches.process import wait_for
from tests.patches.pure_data import PureData

# What is sent to the inlet, the address it becomes, and its arguments.
MESSAGES: list[tuple[str, str, list[object]]] = [
    ("intensity 0.75", "/rain/intensity", [0.75]),
    ("latent 0.5 -0.25 0 1", "/rain/latent", [0.5, -0.25, 0.0, 1.0]),
    ("latent/3 0.5", "/rain/latent/3", [0.5]),
    ("direction brightness 0.5", "/rain/direction/brightness", [0.5]),
    ("direction/density -1", "/rain/direction/density", [-1.0]),
    ("seed 3", "/rain/seed", [3.0]),
    ("new", "/rain/new", []),
    ("truncation 1.5", "/rain/truncation", [1.5]),
    ("spread 0.125", "/rain/spread", [0.125]),
    ("glide 2000", "/rain/glide", [2000.0]),
    ("drift 0.25", "/rain/drift", [0.25]),
    ("freeze 1", "/rain/freeze", [1.0]),
    ("gain -6", "/rain/gain", [-6.0]),
    ("pan -1", "/rain/pan", [-1.0]),
    ("mute 1", "/rain/mute", [1.0]),
    ("load drizzle", "/rain/load", ["drizzle"]),
    ("unload", "/rain/unload", []),
    ("ask intensity", "/rain/intensity", ["?"]),
    ("ask latent/3", "/rain/latent/3", ["?"]),
    ("ask direction/brightness", "/rain/direction/brightness", ["?"]),
    ("ask", "/rain/*", ["?"]),
    ("/master/gain -3", "/master/gain", [-3.0]),
]

# What the server sends, and what comes out.
REPORTS: list[tuple[tuple[object, ...], str]] = [
    (("/rain/intensity", 0.75), "value: intensity 0.75"),
    (("/rain/latent", 0.5, -0.25, 0.0), "value: latent 0.5 -0.25 0"),
    (("/rain/latent", 0.5), "value: latent 0.5"),
    (("/rain/latent/3", 0.5), "value: latent/3 0.5"),
    (("/rain/direction/brightness", -0.5), "value: direction brightness -0.5"),
    (("/rain/freeze", 1), "value: freeze 1"),
    (("/rain/level", -6.5, -20.25), "level: level -6.5 -20.25"),
    (("/rain/loaded", "rain", "ab12", 16, 48000.0), "event: loaded rain ab12 16 48000"),
    (("/rain/failed", "rain", "cut"), "event: failed rain cut"),
    (("/rain/gone", "rain"), "event: gone rain"),
    (("/rain/unloaded", "rain"), "event: unloaded rain"),
    (("/fail", "/rain", "died"), "event: fail died"),
    (("/fail", "/rain/load", "missing"), "event: fail load missing"),
    (("/clamped", "/rain/gain", 12.0), "event: clamped gain 12"),
    (("/clamped", "/rain/direction/brightness", 3.0), "event: clamped direction brightness 3"),
    (("/done", "/rain/load", "rain.voice"), "event: done load rain.voice"),
    (("/late", "/rain/gain", 5.5), "event: late gain 5.5"),
]
OTHERS: list[tuple[object, ...]] = [
    ("/bird/intensity", 0.5),
    ("/bird/level", -1.0, -2.0),
    ("/master/level", -1.0, -2.0, 0.0),
    ("/master/gain", 0.0),
    ("/fail", "/bird/load", "of another"),
    ("/fail", "/rainy/load", "of another"),
    ("/fail", "/", "no address"),
    ("/done", "/notify"),
    ("/pong",),
    ("/status.reply", "0.1.0", 48000),
]

SILENCE = "level: level -120 -120"

_PATCH = """#N canvas 0 0 500 300 12;
#X obj 10 10 r go;
#X msg 10 40 {messages};
#X obj 10 100 petrichor.voice {arguments};
#X obj 10 130 print value;
#X obj 110 130 print level;
#X obj 210 130 print event;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 2 1 4 0;
#X connect 2 2 5 0;
"""


def patch(messages: list[str], arguments: str) -> str:
    return _PATCH.format(messages=" \\, ".join(messages), arguments=arguments)


def heard(server: OscSocket) -> list[tuple[str, list[object]]]:
    """Return what has come, but for the subscription."""
    return [each for each in server.read() if each[0] != "/notify"]


@pytest.fixture
def server() -> Iterator[OscSocket]:
    with OscSocket() as server:
        yield server


@pytest.mark.parametrize("given", ["arguments", "messages"])
def test_every_message(given: str, server: OscSocket) -> None:
    messages = [text for text, _, _ in MESSAGES]
    arguments = f"rain 127.0.0.1 {server.port}"
    if given == "messages":
        arguments, messages = "", ["voice rain", f"connect 127.0.0.1 {server.port}", *messages]
    with PureData(patch(messages, arguments)) as pd:
        pd.send("go", 1)
        wait_for(lambda: len(heard(server)) >= len(MESSAGES), 30, lambda: f"all messages in {server.received}")
        assert "/notify" in [address for address, _ in server.received]
        pd.check()
    assert heard(server) == [(address, arguments) for _, address, arguments in MESSAGES]


def test_each_report_has_its_outlet(server: OscSocket) -> None:
    with PureData(patch(["new"], f"rain 127.0.0.1 {server.port}")) as pd:
        assert server.wait("/notify") == [1.0]
        for report in OTHERS:
            server.answer(encode(*report))
        server.answer(encode_bundle(None, *(encode(*report) for report, _ in REPORTS)))
        pd.wait_line(REPORTS[-1][1])
        pd.check()
    lines = [line for line in pd.lines if line.split(":")[0] in ("value", "level", "event") and "connected" not in line]
    assert [line for line in lines if line != SILENCE] == [line for _, line in REPORTS]
    for event in ("gone rain", "unloaded rain"):  # what was told last must not stay on a meter
        assert SILENCE in lines[(at := lines.index(f"event: {event}")) - 1 : at + 2]


def test_it_subscribes_until_it_is_heard_and_again(server: OscSocket) -> None:
    """Before the server is there, when it has forgotten (it was started again), and with the key it asks for."""
    port = server.port
    server.__exit__()
    with PureData(patch(["voice bird"], f"rain 127.0.0.1 {port}")) as pd:
        pd.wait_line("^event: connected 0$")
        with OscSocket(port) as first:
            first.wait("/notify", 30)
            first.answer(encode("/key", 77))
            wait_for(lambda: ("/notify", [1.0, 77.0]) in first.read(), 30, "the key")
            pd.wait_line("^event: connected 1$")
        with OscSocket(port) as second:
            assert second.wait("/notify", 30) == [1.0]
            wait_for(lambda: pd.output.count("event: connected 0") == 2, 30, lambda: pd.output)
            second.received.clear()
            pd.send("go", 1)  # another voice: its values are wanted, at once
            assert second.wait("/notify", 30) == [1.0]
            second.answer(encode("/rain/gain", -1.0))
            second.answer(encode("/bird/gain", -2.0))
            pd.wait_line("^value: gain -2$")
    assert "value: gain -1" not in pd.output
