"""The help patches: whole, complete, playing as soon as they are opened, and showing what the server has."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from petrichor import __version__
from petrichor.osc import encode
from petrichor.parameters import TABLE, Parameter
from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, free_port, wait_for
from tests.patches.pure_data import PureData
from tests.patches.stream_server import StreamServer, noise
from tests.patches.table_server import TableServer

FOLDER = PATCHES / "pd"
WINDOWS = sorted([*FOLDER.glob("*-help.pd"), FOLDER / "petrichor-set.pd"])
KNOBS = {"intensity": 0.25, "spread": 0.5, "truncation": 1.5, "drift": 0.125, "glide": 250.0, "gain": -6.0, "pan": 0.5}
SEED = (1 << 24) - 3  # as large as Pd's numbers can tell from the next one
NO_BOX = {"/clock": "wants a timetag"}  # what no box can do, and the words that say so instead


class ValueServer(TableServer):
    """A server that starts on a port, with some values that are not the usual ones."""

    def __init__(self, port: int, values: dict[str, float]) -> None:
        super().__init__()
        self._socket.close()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port = port
        self.values |= {address: (value,) for address, value in values.items()}

    def __enter__(self) -> ValueServer:
        super().__enter__()
        return self

    def changes(self) -> list[tuple[str, tuple[object, ...]]]:
        """Return what was asked of it that is more than a question."""
        return [
            (each.address, each.arguments)
            for each in self.received
            if each.address != "/notify" and each.arguments != ("?",)
        ]


def local(folder: Path, stream: int, control: int) -> Path:
    """Copy the patches, with servers of ours: a real one may be running."""
    for path in FOLDER.glob("*.pd"):
        text = path.read_text()
        text = text.replace("127.0.0.1 9001", f"127.0.0.1 {stream}").replace("127.0.0.1 9000", f"127.0.0.1 {control}")
        (folder / path.name).write_text(text)
    return folder


@contextmanager
def windows(folder: Path, stream: int, control: int, names: list[str], watched: list[str]) -> Iterator[PureData]:
    """Open patches in one Pd, where `\\$0-` is the patch's number and a dash, and print what some receivers get."""
    local(folder, stream, control)
    for number, name in enumerate(names):
        path = folder / name
        path.write_text(path.read_text().replace("\\$0-", f"{number}-"))
    lines = ["#N canvas 0 0 300 200 12;"]
    for number, name in enumerate(watched):
        lines += [f"#X obj 10 {50 * number} r {name};", f"#X obj 10 {50 * number + 20} print {name};"]
    lines += [f"#X connect {2 * number} 0 {2 * number + 1} 0;" for number in range(len(watched))]
    (folder / "watch.pd").write_text("\n".join(lines) + "\n")
    options = [word for name in ("watch.pd", *names[:-1]) for word in ("-open", str(folder / name))]
    with PureData(folder / names[-1], options=tuple(options)) as pd:
        yield pd
        pd.check()


def test_it_plays_on_opening(tmp_path: Path) -> None:
    text = (FOLDER / "petrichor-help.pd").read_text()
    for defaults in ("petrichor~ 127.0.0.1 9001 4096", "voice bird 127.0.0.1 9000", "voice rain 127.0.0.1 9000"):
        assert defaults in text
    with StreamServer(noise()) as stream, OscSocket() as control:
        patch = local(tmp_path, stream.port, control.port) / "petrichor-help.pd"
        with PureData(patch) as pd:
            stream.wait(lambda _: stream.position > 24000)
            pd.check()


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.pd")))
def test_it_opens_without_a_complaint(name: str, tmp_path: Path) -> None:
    with OscSocket() as stream, OscSocket() as control:
        patch = local(tmp_path, stream.port, control.port) / name
        with PureData(patch) as pd:
            pd.send("pd", "quit")
            pd.wait_end()
            pd.check()


def test_every_window_shows_what_the_server_has_and_changes_nothing(tmp_path: Path) -> None:
    """Opened before the server, which comes, ends and comes again with other values; only the first is heard."""
    names = [path.name for path in WINDOWS]
    overview, voice = names.index("petrichor-help.pd"), names.index("petrichor.voice-help.pd")
    shown = {f"{overview}-bird": "/bird", f"{overview}-rain": "/rain", f"{voice}-voice": "/rain"}
    knobs = [*KNOBS, "brightness"]
    watched = [f"{prefix}-turn-{knob}" for prefix in shown for knob in knobs]
    watched += [f"{prefix}-{what}" for prefix in shown for what in ("peak", "seed-label")]
    watched += [f"{number}-volume-set" for number in range(len(names))]
    port = free_port()
    with OscSocket() as stream, windows(tmp_path, stream.port, port, names, watched) as pd:
        for times, sign in ((1, 1.0), (2, 0.5)):
            values = {f"{at}/{knob}": sign * value for at in ("/bird", "/rain") for knob, value in KNOBS.items()}
            values |= {f"{at}/direction/brightness": sign for at in ("/bird", "/rain")}
            with ValueServer(port, values | {"/bird/seed": SEED, "/rain/seed": SEED}) as server:
                for prefix, at in shown.items():
                    for knob in knobs:
                        address = f"{at}/direction/{knob}" if knob == "brightness" else f"{at}/{knob}"
                        pd.wait_line(f"^{prefix}-turn-{knob}: set {values[address]:g}$")
                    pd.wait_line(f"^{prefix}-seed-label: label seed\\\\? {SEED}$")
                    wait_for(
                        lambda prefix=prefix, least=10 * times: pd.lines.count(f"{prefix}-peak: -20") > least,
                        30,
                        "a second of levels",
                    )
                assert server.changes() == []
            for prefix in shown:
                line = f"{prefix}-peak: -120"
                wait_for(lambda line=line, times=times: pd.lines.count(line) >= times, 30, f"{line} as it ended")
    volumes = [line for line in pd.lines if re.fullmatch(r"\d+-volume-set: [\d.]+", line)]
    assert sorted(line.split(": ")[1] for line in volumes) == ["0"] * (len(names) - 1) + ["0.8"]


def test_a_click_does_what_it_says(tmp_path: Path) -> None:
    port = free_port()
    with (
        OscSocket() as stream,
        ValueServer(port, {"/bird/seed": SEED, "/bird/gain": -20.0}) as server,
        windows(tmp_path, stream.port, port, ["petrichor-help.pd"], ["0-bird-turn-gain"]) as pd,
    ):
        pd.wait_line("^0-bird-turn-gain: set -20$")
        pd.send("0-bird-again", "bang")
        pd.send("0-bird-turn-gain", -12)
        wait_for(lambda: server.of("/bird/gain"), 30, "the gain")
        assert server.changes() == [("/bird/seed", (float(SEED),)), ("/bird/gain", (-12.0,))]
        pd.send("0-bird-back", "bang")
        expected = {row.address.replace("/V", "/bird"): row.default for row in TABLE if row.default is not None}
        expected |= {"/bird/direction/brightness": 0.0}
        del expected["/master/gain"]
        wait_for(lambda: len(server.changes()) == 2 + len(expected), 30, lambda: str(server.changes()))
        assert {address: pytest.approx(values[0]) for address, values in server.changes()[2:]} == expected
        pd.wait_line("^0-bird-turn-gain: set 0$")


def test_answers_are_shown_in_plain_words_and_levels_as_numbers(tmp_path: Path) -> None:
    watched = ["0-line-1", "0-line-2", "0-rain-level"]
    with OscSocket() as stream, OscSocket() as control:
        with windows(tmp_path, stream.port, control.port, ["petrichor.control-help.pd"], watched) as pd:
            pd.send("0-out", "status")
            control.wait("/status")
            control.answer(encode("/fail", "/scene/load", "this server has no set, it seems"))
            control.answer(encode("/rain/level", -20.0, -30.0))
            control.answer(encode("/pong"))
            pd.wait_line("^0-line-1: label pong$")
            pd.wait_line("^0-rain-level: -30$")
        shown = [line.replace("\\", "") for line in pd.lines if "fail" in line]
        words = "label fail /scene/load this server has no set, it seems"
        assert shown == [f"0-line-1: {words}", f"0-line-2: {words}"]
        assert "level" not in "".join(line for line in pd.lines if "line-" in line)


@pytest.mark.parametrize("name", ["petrichor.voice-help.pd", "petrichor.latent-help.pd"])
def test_knobs_follow_the_server_and_send_nothing_for_it(name: str, tmp_path: Path) -> None:
    with OscSocket() as stream, OscSocket() as control:
        patch = local(tmp_path, stream.port, control.port) / name
        with PureData(patch) as pd:
            control.wait("/notify")
            for parameter, value in KNOBS.items():
                control.answer(encode(f"/rain/{parameter}", value))
            control.answer(encode("/rain/mute", 1))
            control.answer(encode("/rain/direction/brightness", 2.0))
            control.answer(encode("/fail", "/rain", "all was heard"))
            pd.wait_line("event: fail all")
            before = len(control.read())
            wait_for(lambda: len(control.read()) > before, 30, "another subscription")
            pd.check()
    assert {address for address, arguments in control.received if arguments != ["?"]} == {"/notify"}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.address)
def test_every_row_of_the_table_can_be_clicked(row: Parameter) -> None:
    texts = [path.read_text() for path in FOLDER.glob("*-help.pd")]
    if words := NO_BOX.get(row.address):
        assert any(f"{row.address} {words}" in text for text in texts)
        return
    boxes = [
        re.sub(r"\s+", " ", box)
        for text in texts
        for box in re.findall(r"^#X msg -?\d+ -?\d+ (.*?)(?:, f \d+)?;$", text, re.MULTILINE | re.DOTALL)
    ]
    own = row.name.replace("/NAME", r"[/ ]\w+").replace("latent/N", r"latent/\d+")
    words = f"{own}|{row.address}|{row.address.removeprefix('/')}"
    values = {"": "", "f*": r"( -?[\d.]+){2,}", "s?f?": r"( \S+( [\d.]+)?)?", "sf?": r" \S+( [\d.]+)?"}.get(
        row.tags, r" \S+"
    )
    assert any(re.fullmatch(f"(?:{words}){values}", box) for box in boxes), f"no box says {words}"


@pytest.mark.parametrize("path", WINDOWS, ids=lambda path: path.name)
def test_no_box_on_the_window_sends_less_than_it_shows(path: Path) -> None:
    """A box with `$1` sends 0 where it is clicked: such boxes are in subpatches."""
    depth, found = 0, []
    for line in re.findall(r"^#[NX] .*?(?<!\\);$", path.read_text(), re.MULTILINE | re.DOTALL):
        depth += line.startswith("#N canvas") - line.startswith("#X restore")
        if depth == 1 and line.startswith("#X msg") and "$1" in line:
            found.append(line)
    assert not found


def test_deken_tells_the_version() -> None:
    text = (FOLDER / "petrichor-meta.pd").read_text()
    assert f"VERSION {__version__};" in text
    for key in ("NAME petrichor", "AUTHOR", "LICENSE MIT", "DESCRIPTION", "KEYWORDS"):
        assert f" {key}" in text
    for path in FOLDER.glob("*.pd"):
        named = path.name.startswith(("petrichor-", "petrichor~", "petrichor."))
        assert named, f"{path.name} could be taken for an object of another library"
