"""`petrichor send`: what words mean, and its answers and exit status, against a real server and against none."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from petrichor.command_line import main
from petrichor.errors import OptionError
from petrichor.osc import encode
from petrichor.send import read_arguments, send
from tests.live_server import LiveServer
from tests.patches.process import free_port

Printed = pytest.CaptureFixture[str]


def told(server: LiveServer, capsys: Printed, *words: str) -> tuple[int, str, str]:
    status = main(["send", "--port", str(server.port), *words])
    printed = capsys.readouterr()
    return status, printed.out.strip(), printed.err.strip()


def test_words_are_numbers_where_they_look_like_it() -> None:
    words = ["1", "-6", "0.5", "-.5", "2.", "1e3", "calm", "?", '"5"', "nan", "1_000", "4294967296", ""]
    meant = [1, -6, 0.5, -0.5, 2.0, 1000.0, "calm", "?", "5", "nan", "1_000", 4294967296.0, ""]
    found = read_arguments(words, False)
    assert found == meant and list(map(type, found)) == list(map(type, meant))
    assert read_arguments(words, True) == words


def test_a_value_is_set_asked_for_and_refused(kept_server: LiveServer, capsys: Printed) -> None:
    began = time.monotonic()
    assert told(kept_server, capsys, "/rain/gain", "-6.5") == (0, "", "")
    assert told(kept_server, capsys, "/rain/gain", "?") == (0, "/rain/gain -6.5", "")
    assert told(kept_server, capsys, "/*/pan", "?") == (0, "/bird/pan 0\n/rain/pan 0", "")
    assert told(kept_server, capsys, "/rain/gain", "-1e1", "--wait", "1") == (0, "", "")
    assert told(kept_server, capsys, "/rain/gain", "--wait", "1", "?") == (0, "/rain/gain -10", "")
    assert told(kept_server, capsys, "/ping") == (0, "/pong", "")
    assert told(kept_server, capsys, "/sync", "5") == (0, "/synced 5", "")
    assert told(kept_server, capsys, "/preset/save", "-s", "5")[1].startswith("/done /preset/save ")
    assert "5" in told(kept_server, capsys, "/preset/list")[1].split()
    assert told(kept_server, capsys, "--wait", "20", "/bird/load", "bird") == (0, "/done /bird/load bird.voice", "")
    status, out, err = told(kept_server, capsys, "/rain/colour", "red")
    assert (status, out) == (1, "") and err.startswith("/fail /rain/colour ")
    assert time.monotonic() - began < 10.0


def test_what_is_done_later_is_waited_for_no_longer_than_asked(kept_server: LiveServer, capsys: Printed) -> None:
    kept_server.client.ask("/preset/save", "long", reply="/done")
    kept_server.client.send("/rain/intensity", 0.9)
    status, out, _ = told(kept_server, capsys, "--wait", "0.1", "/preset/load", "long", "60000")
    assert status == 0 and out.startswith("petrichor: not done yet")


def test_no_server_is_told_at_once(capsys: Printed) -> None:
    port = free_port()
    assert main(["send", "--port", str(port), "--wait", "30", "/ping"]) == 1
    assert capsys.readouterr().err == f"petrichor: no server answers at 127.0.0.1:{port}\n"


def test_a_port_that_is_silent_does_not_hold_it_up(capsys: Printed) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        assert main(["send", "--port", str(mute.getsockname()[1]), "--wait", "0.1", "/ping"]) == 1
    assert "no server answers" in capsys.readouterr().err


def test_a_port_that_babbles_neither_holds_it_up_nor_steers_the_terminal() -> None:
    over = threading.Event()

    def babble(sock: socket.socket) -> None:
        _, sender = sock.recvfrom(65536)
        while not over.wait(0.005):
            sock.sendto(encode("/odd", "\x1b[2J"), sender)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=babble, args=(sock,))
        thread.start()
        began = time.monotonic()
        lines = list(send("127.0.0.1", sock.getsockname()[1], 0.3, "/rain/gain", 1))
        seconds = time.monotonic() - began
        over.set()
        thread.join()
    assert seconds < 3.0 and lines[0] == ("/odd '\\x1b[2J'", False)
    assert lines[-1][0].startswith("petrichor: not done yet")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["rain/gain", "1"], "expected one that starts with /"),
        (["--wait", "nan", "/ping"], "--wait: got nan"),
        (["--port", "0", "/ping"], "--port: got 0, expected 1…65535"),
        (["--host", "no.such.host.invalid", "/ping"], "--host: no.such.host.invalid: "),
        (["/rain gain", "1"], "without spaces"),
    ],
)
def test_what_cannot_be_sent_is_told(words: list[str], reason: str, capsys: Printed) -> None:
    assert main(["send", *words]) == 1
    assert reason in capsys.readouterr().err


def test_a_message_too_large_is_told() -> None:
    with pytest.raises(OptionError, match="cannot be sent"):
        list(send("127.0.0.1", 9, 0.1, "/x", "y" * 70_000))


def test_a_misspelt_option_is_no_argument(capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        main(["send", "/rain/gain", "1", "--prot", "9001"])
    assert "unrecognized arguments: --prot 9001" in capsys.readouterr().err
