"""petrichor.latent and petrichor.voice in a real Pd: what is drawn is sent once, what is reported is never sent."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from petrichor.osc import encode
from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, Process, free_port, wait_for
from tests.patches.pure_data import PureData

VECTOR = [n / 8 for n in range(20)]  # not the 16 that the array begins with

# `point` writes into the array as the mouse does: the object finds it there by its next look.
_PATCH = """#N canvas 0 0 500 300 12;
#X obj 10 10 r point;
#X msg 10 40 point 3 \\$1;
#X obj 110 10 r pad;
#X msg 110 40 pad \\$1 -1;
#X obj 210 10 r directions;
#X msg 210 40 directions pc1 pc2;
#X obj 310 10 r ask;
#X msg 310 40 ask;
#X obj 10 100 petrichor.voice rain 127.0.0.1 {port};
#X obj 10 130 petrichor.latent {arguments};
#X obj 200 100 route latent;
#X obj 200 130 print shown;
#X connect 0 0 1 0;
#X connect 1 0 9 0;
#X connect 2 0 3 0;
#X connect 3 0 9 0;
#X connect 4 0 5 0;
#X connect 5 0 9 0;
#X connect 6 0 7 0;
#X connect 7 0 9 0;
#X connect 8 0 9 0;
#X connect 9 0 8 0;
#X connect 8 0 10 0;
#X connect 10 0 11 0;
"""


def patch(server: OscSocket, arguments: str = "") -> str:
    return _PATCH.format(port=server.port, arguments=arguments)


def heard(server: OscSocket) -> list[tuple[str, list[object]]]:
    """Return what has come, but for the subscription."""
    return [each for each in server.read() if each[0] != "/notify"]


def settle(server: OscSocket) -> list[tuple[str, list[object]]]:
    """Return what was sent until a silent server is asked again: a second, so twenty looks at the array, later."""
    before = len(server.read()) - len(heard(server))
    wait_for(lambda: len(server.read()) - len(heard(server)) > before, 30, "another subscription")
    return heard(server)


def test_a_drawing_is_sent_once_and_a_report_never() -> None:
    with OscSocket() as server, PureData(patch(server)) as pd:
        server.wait("/notify")
        server.answer(encode("/rain/latent", *VECTOR))
        pd.wait_line("^shown: 0 0.125 0.25 0.375")
        pd.send("point", 1.5)
        assert server.wait("/rain/latent") == [*VECTOR[:3], 1.5, *VECTOR[4:]]
        server.answer(encode("/rain/latent", *VECTOR[:7]))  # another file, a smaller vector
        pd.wait_line("^shown: 0 0.125 0.25 0.375 0.5 0.625 0.75$")
        pd.send("point", -9)
        expected = ("/rain/latent", [*VECTOR[:3], -3.0, *VECTOR[4:7]])
        wait_for(lambda: expected in heard(server), 30, lambda: f"{expected} in {server.received}")
        assert len(settle(server)) == 2, server.received
        pd.check()


def test_a_fast_hand_is_sent_twenty_times_a_second_at_most() -> None:
    start = time.monotonic()
    with OscSocket() as server, PureData(patch(server)) as pd:
        server.wait("/notify")
        for n in range(1, 201):
            pd.send("pad", n / 100)
            pd.send("point", n / 100)
        wait_for(lambda: ("/rain/direction/brightness", [2.0]) in heard(server), 30, lambda: str(server.received[-3:]))
        # Three addresses. A Pd that was held up makes up for it, so from its start on.
        assert len(heard(server)) <= 3 * (1 + 20 * (time.monotonic() - start))
        pd.check()


def test_the_pad_sets_two_directions_and_follows_reports() -> None:
    with OscSocket() as server, PureData(patch(server, "loudness pc3")) as pd:
        server.wait("/notify")
        pd.send("pad", 5)
        assert server.wait("/rain/direction/loudness") == [3.0]
        assert server.wait("/rain/direction/pc3") == [-1.0]
        pd.send("directions", 1)
        for name in ("pc1", "pc2"):
            assert server.wait(f"/rain/direction/{name}") == ["?"]
        server.received.clear()
        server.answer(encode("/rain/direction/pc1", 0.5))
        server.answer(encode("/rain/direction/pc3", 0.25))
        assert settle(server) == []
        pd.send("pad", -0.5)
        wait_for(lambda: ("/rain/direction/pc1", [-0.5]) in heard(server), 30, lambda: str(server.received))
        assert ("/rain/direction/pc2", [-1.0]) in heard(server)
        pd.check()


def test_ask() -> None:
    with OscSocket() as server, PureData(patch(server)) as pd:
        pd.send("ask", 1)
        for name in ("latent", "direction/brightness", "direction/density"):
            assert server.wait(f"/rain/{name}") == ["?"]
        pd.check()


# The mouse goes over the middle of the array, then takes hold of the slider under the square.
_WINDOW = """#N canvas 0 0 700 300 12;
#X obj 10 200 petrichor.voice rain 127.0.0.1 {port};
#X obj 200 10 petrichor.latent;
#X obj 10 230 netreceive -u;
#X msg 10 170 listen {mouse} 127.0.0.1;
#X obj 10 140 loadbang;
#X obj 10 260 s pd-window.pd;
#X connect 0 0 1 0;
#X connect 1 0 0 0;
#X connect 2 0 5 0;
#X connect 3 0 2 0;
#X connect 4 0 3 0;
"""
STROKE = "mouse 300 60 1 0;motion 302 40 0;motion 360 40 0;mouseup 360 40 1;"
SLIDE = "mouse 500 144 1 0;motion 520 144 0;mouseup 520 144 1;"


def test_a_hand_draws_in_the_window(tmp_path: Path) -> None:
    mouse = free_port()
    command = ["pd", "-nosound", "-noprefs", "-nomidi", "-path", str(PATCHES / "pd")]
    with OscSocket() as server, Process(["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24"]) as screen:
        (tmp_path / "window.pd").write_text(_WINDOW.format(port=server.port, mouse=mouse))
        display = f":{screen.wait_line(r'^[0-9]+$')[0]}"
        with Process([*command, "-open", str(tmp_path / "window.pd")], {"DISPLAY": display}) as pd:
            server.wait("/notify")
            server.answer(encode("/rain/latent", *[0.0] * 8))
            wait_for(  # the window takes its time, and what is drawn half may be sent before the whole
                lambda: move(mouse, STROKE, pd) or any(is_stroke(vector) for _, vector in heard(server)),
                60,
                lambda: f"a stroke in {server.received}",
            )
            assert {address for address, _ in heard(server)} == {"/rain/latent"}
            move(mouse, SLIDE, pd)
            server.wait("/rain/direction/brightness", 30)


def is_stroke(vector: Sequence[object]) -> bool:
    """Whether a latent vector is what STROKE draws: three coordinates as high as it went, and nothing beside them."""
    drawn = [float(str(value)) for value in vector]
    return drawn[:3] + drawn[6:] == [0.0] * 5 and drawn[3:6] == [drawn[3]] * 3 and 1.5 < drawn[3] < 2.5


def move(port: int, messages: str, pd: Process) -> None:
    """Send the window what Pd's own window sends of the mouse."""
    assert pd.running, pd.output
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in messages.split(";")[:-1]:
            sender.sendto(f"{message};\n".encode(), ("127.0.0.1", port))
