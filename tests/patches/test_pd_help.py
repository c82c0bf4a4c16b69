"""The help patches: whole, complete, and playing as soon as they are opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from petrichor import __version__
from petrichor.osc import encode
from petrichor.parameters import TABLE, Parameter
from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, wait_for
from tests.patches.pure_data import PureData
from tests.patches.stream_server import StreamServer, noise

FOLDER = PATCHES / "pd"
PARAMETERS = ("intensity", "truncation", "spread", "gain", "pan")
KNOBS = {"intensity": 0.25, "spread": 0.5, "truncation": 1.5, "drift": 0.125, "glide": 250.0, "gain": -6.0, "pan": 0.5}


def local(folder: Path, stream: int, control: int) -> Path:
    """Copy the patches, with servers of ours: a real one may be running."""
    for path in FOLDER.glob("*.pd"):
        text = path.read_text()
        text = text.replace("127.0.0.1 9001", f"127.0.0.1 {stream}").replace("127.0.0.1 9000", f"127.0.0.1 {control}")
        (folder / path.name).write_text(text)
    return folder


def test_it_plays_on_opening(tmp_path: Path) -> None:
    text = (FOLDER / "petrichor-help.pd").read_text()
    for defaults in ("petrichor~ 127.0.0.1 9001 4096", "control bird 127.0.0.1 9000", "control rain 127.0.0.1 9000"):
        assert defaults in text
    with StreamServer(noise()) as stream, OscSocket() as control:
        patch = local(tmp_path, stream.port, control.port) / "petrichor-help.pd"
        with PureData(patch) as pd:
            stream.wait(lambda _: stream.position > 24000)
            expected = {f"/{voice}/{name}" for voice in ("bird", "rain") for name in PARAMETERS}
            wait_for(lambda: expected <= {address for address, _ in control.read()}, 30, "every slider's value")
            pd.check()
    values = dict(control.received)
    assert values["/bird/intensity"] == [0.5]
    assert values["/rain/gain"] == [-6]


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.pd")))
def test_it_opens_without_a_complaint(name: str, tmp_path: Path) -> None:
    with OscSocket() as stream, OscSocket() as control:
        patch = local(tmp_path, stream.port, control.port) / name
        with PureData(patch) as pd:
            pd.send("pd", "quit")
            pd.wait_end()
            pd.check()


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
    assert {address for address, _ in control.received} == {"/notify"}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.address)
def test_every_row_of_the_table_can_be_clicked(row: Parameter) -> None:
    boxes = [
        re.sub(r"\s+", " ", box)
        for path in FOLDER.glob("*-help.pd")
        for box in re.findall(r"^#X msg -?\d+ -?\d+ (.*?)(?:, f \d+)?;$", path.read_text(), re.MULTILINE | re.DOTALL)
    ]
    own = row.name.replace("/NAME", r"[/ ]\w+").replace("latent/N", r"latent/\d+")
    words = f"{own}|{row.address}|{row.address.removeprefix('/')}"
    values = {"": "", "f*": r"( -?[\d.]+){2,}", "s?": r"( \S+)?", "sf?": r" \S+( [\d.]+)?"}.get(row.tags, r" \S+")
    assert any(re.fullmatch(f"(?:{words}){values}", box) for box in boxes), f"no box says {words}"


def test_deken_tells_the_version() -> None:
    text = (FOLDER / "petrichor-meta.pd").read_text()
    assert f"VERSION {__version__};" in text
    for key in ("NAME petrichor", "AUTHOR", "LICENSE MIT", "DESCRIPTION", "KEYWORDS"):
        assert f" {key}" in text
    for path in FOLDER.glob("*.pd"):
        named = path.name.startswith(("petrichor-", "petrichor~", "petrichor."))
        assert named, f"{path.name} could be taken for an object of another library"
