"""The help patch plays as soon as it is opened."""

from __future__ import annotations

from tests.patches.osc_socket import OscSocket
from tests.patches.process import PATCHES, wait_for
from tests.patches.pure_data import PureData
from tests.patches.stream_server import StreamServer, noise


def test_it_plays_on_opening() -> None:
    text = (PATCHES / "pd" / "petrichor-help.pd").read_text()
    for defaults in ("petrichor~ 127.0.0.1 9001 4096", "control bird 127.0.0.1 9000", "control rain 127.0.0.1 9000"):
        assert defaults in text
    with StreamServer(noise()) as stream, OscSocket() as control:
        text = text.replace("127.0.0.1 9001", f"127.0.0.1 {stream.port}")
        text = text.replace("127.0.0.1 9000", f"127.0.0.1 {control.port}")
        with PureData(text) as pd:
            stream.wait(lambda _: stream.position > 24000)
            expected = {f"/{voice}/{name}" for voice in ("bird", "rain") for name in PARAMETERS}
            wait_for(lambda: expected <= {address for address, _ in control.read()}, 30, "every slider's value")
            pd.check()
    values = dict(control.received)
    assert values["/bird/intensity"] == [0.5]
    assert values["/rain/gain"] == [-6]


PARAMETERS = ("intensity", "truncation", "spread", "gain", "pan")
