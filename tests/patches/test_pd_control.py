"""petrichor.control in a real Pd: every message reaches the server's port as it should."""

from __future__ import annotations

import pytest

from petrichor.stream_protocol import message
from tests.patches.osc_socket import OscSocket
from tests.patches.process import wait_for
from tests.patches.pure_data import PureData

# What is sent to the inlet, the address it becomes, and its arguments.
MESSAGES: list[tuple[str, str, list[object]]] = [
    ("intensity 0.75", "/rain/intensity", [0.75]),
    ("truncation 1.5", "/rain/truncation", [1.5]),
    ("latent 0.5 -0.25 0 1", "/rain/latent", [0.5, -0.25, 0.0, 1.0]),
    ("latent/3 0.5", "/rain/latent/3", [0.5]),
    ("seed 3", "/rain/seed", [3.0]),
    ("new", "/rain/new", []),
    ("spread 0.125", "/rain/spread", [0.125]),
    ("gain -6", "/rain/gain", [-6.0]),
    ("pan -1", "/rain/pan", [-1.0]),
    ("mute 1", "/rain/mute", [1.0]),
    ("load drizzle", "/rain/load", ["drizzle"]),
    ("direction/bright 0.5", "/rain/direction/bright", [0.5]),
    ("/master/gain -3", "/master/gain", [-3.0]),
    ("/bird/intensity 0.5", "/bird/intensity", [0.5]),
    ("/*/mute 0", "/*/mute", [0.0]),
    ("status", "/status", []),
    ("clearSched", "/clearSched", []),
    ("record take.wav", "/record", ["take.wav"]),
    ("record take.wav 20", "/record", ["take.wav", 20.0]),
    ("sync 7", "/sync", [7.0]),
    ("notify 1", "/notify", [1.0]),
]

_PATCH = """#N canvas 0 0 500 300 12;
#X obj 10 10 r go;
#X msg 10 40 {messages};
#X obj 10 100 petrichor.control {arguments};
#X obj 10 130 print answer;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
"""


def patch(messages: list[str], arguments: str) -> str:
    return _PATCH.format(messages=" \\, ".join(messages), arguments=arguments)


@pytest.mark.parametrize("given", ["arguments", "messages"])
def test_every_message(given: str) -> None:
    messages = [text for text, _, _ in MESSAGES]
    with OscSocket() as server:
        arguments = f"rain 127.0.0.1 {server.port}"
        if given == "messages":
            arguments, messages = "", ["voice rain", f"connect 127.0.0.1 {server.port}", *messages]
        with PureData(patch(messages, arguments)) as pd:
            pd.send("go", 1)
            server.wait("/notify")
            pd.check()
    assert server.received == [(address, arguments) for _, address, arguments in MESSAGES]


def test_answers_come_out() -> None:
    with OscSocket() as server, PureData(patch(["load other"], f"bird 127.0.0.1 {server.port}")) as pd:
        pd.send("go", 1)
        server.wait("/bird/load")
        server.answer(message("/done", "/bird/load", "other"))
        pd.wait_line("^answer: done /bird/load other$")
        server.answer(message("/fail", "/bird/load", "missing"))
        pd.wait_line("^answer: fail /bird/load missing$")
        pd.check()


def test_server_starts_late() -> None:
    """A message into the void is lost without harm; the next ones arrive once somebody listens."""
    with OscSocket() as gone:
        port = gone.port
    with PureData(patch(["intensity 0.5"], f"bird 127.0.0.1 {port}")) as pd:
        pd.send("go", 1)
        pd.send("go", 1)
        with OscSocket(port) as server:
            wait_for(lambda: pd.send("go", 1) or server.read(), 30)
        assert server.received[0] == ("/bird/intensity", [0.5])


def test_an_unknown_name_is_not_looked_up_for_every_message() -> None:
    with PureData(patch(["version"], "bird no..name 9000")) as pd:
        for _ in range(100):
            pd.send("go", 1)
        pd.send("pd", "quit")
        pd.wait_end()
        assert 1 <= pd.output.count("bad host") <= 3
