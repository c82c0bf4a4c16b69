"""Messages of the subscriber protocol: what is read, and what is refused with its reason."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from petrichor.errors import MessageError
from petrichor.stream_protocol import MODULUS, Pull, Subscribe, Unsubscribe, read_request
from tests.server.software_patch import BLOCK, Patch, Server, encode, run


def test_requests_are_read() -> None:
    assert read_request(encode("/subscribe", "f32", 2.0, 128.0, 2048.0, 48000.0)) == Subscribe(
        "f32", 2, 128, 2048, 48000
    )
    assert read_request(encode("/pull", 5, 64.0, 128, 0.0)) == Pull(5, 64, 128, 0)
    assert read_request(encode("/pull", 5, 64.0, 128, 0.0, 9)) == Pull(5, 64, 128, 0, 9)
    assert read_request(encode("/unsubscribe", 5)) == Unsubscribe(5)


BAD = [
    encode("/subscribe"),
    encode("/subscribe", "f16", 2, 128, 2048, 48000),
    encode("/subscribe", "f32", 2, 128, 2048),
    encode("/subscribe", "f32", 3, 128, 2048, 48000),
    encode("/subscribe", "f32", 2, 100, 2048, 48000),
    encode("/subscribe", "f32", 2, 128, 128, 48000),
    encode("/subscribe", "f32", 2, 128, 1 << 20, 48000),
    encode("/subscribe", "f32", 2, 128, 2048, 0),
    encode("/subscribe", "f32", 2, 128.5, 2048, 48000),
    encode("/subscribe", "f32", 2, float("nan"), 2048, 48000),
    encode("/subscribe", "f32", 2, float("inf"), 2048, 48000),
    encode("/subscribe", "scsynth", 2, 128, 2048, 48000),
    encode("/subscribe", "scsynth", 2, 128, 2048, 48000, 57110, 0, 10000, 0),
    encode("/subscribe", "scsynth", 2, 128, 32768, 48000, 57110, 0, 32768, 0),
    encode("/subscribe", "scsynth", 2, 128, 2048, 48000, 70000, 0, 32768, 0),
    encode("/pull", 1, 0, 0),
    encode("/pull", 1, MODULUS, 0, 0),
    encode("/pull", 1, -1, 0, 0),
    encode("/pull", "one", 0, 0, 0),
    encode("/play", 1),
]


@pytest.mark.parametrize("datagram", BAD, ids=range(len(BAD)))
def test_bad_messages_are_answered_with_the_reason(datagram: bytes) -> None:
    server = Server()
    ((address, (of, reason)),) = server.receive(datagram)
    assert (address, of) == ("/fail", OscMessage(datagram).address)
    assert len(reason) > 10


def test_impossible_positions_are_refused_and_change_nothing() -> None:
    server = Server()
    patch = Patch(server)
    run(server, [patch], 20)
    for rpos, wpos in ((0, patch.wpos + BLOCK), (patch.wpos, patch.rpos), (patch.rpos, patch.wpos - 1)):
        ((address, _),) = server.receive(encode("/pull", patch.token, rpos, wpos, 0))
        assert address == "/fail"
    run(server, [patch], 20)
    np.testing.assert_array_equal(patch.sound, server.sound[: patch.wpos])


def test_no_datagram_stops_it() -> None:
    """Cut, bent and random datagrams: an answer or none, never an exception but the one that is meant."""
    server = Server()
    dice = random.Random(1)
    whole = [*BAD, encode("/pull", 1, 0, 0, 0), encode("/subscribe", "f32", 2, 128, 2048, 48000), b"", b"#bundle\0"]
    for _ in range(20_000):
        datagram = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(4)):
            if datagram:
                datagram[dice.randrange(len(datagram))] = dice.randrange(256)
        cut = bytes(datagram[: dice.randrange(len(datagram) + 1)]) if dice.random() < 0.3 else bytes(datagram)
        server.receive(cut, port=dice.randrange(1, 40))
        server.turn() if dice.random() < 0.01 else None
    for raw in (b"\0" * 4, b"/a\0\0", b"/a\0\0,b\0\0", b"/\xff\0\0,\0\0\0", b"#bundle\0" + struct.pack(">qi", 1, -4)):
        with pytest.raises(MessageError):
            read_request(raw)


@pytest.mark.parametrize("address", ["/fail", "/expired", "/subscribed", "/block"])
def test_answers_are_never_answered(address: str) -> None:
    """Two servers that write to each other by mistake must not do so for ever."""
    assert Server().receive(encode(address, "/pull", "reason")) == []
