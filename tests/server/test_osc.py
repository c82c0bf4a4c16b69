"""OSC datagrams: well-formed ones are read as python-osc builds them, all others are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from petrichor.errors import MessageError
from petrichor.osc import EPOCH, Message, encode, parse_datagram


def bundle(*elements: bytes, tag: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


def test_reads_what_python_osc_builds() -> None:
    builder = OscMessageBuilder("/rain/latent")
    for value in (1, 2.5, "three", b"four", True, False, None):
        builder.add_arg(value)
    (message,) = parse_datagram(builder.build().dgram)
    assert message == Message("/rain/latent", (1, 2.5, "three", b"four", True, False, None))


def test_bundles_keep_order_and_time() -> None:
    inner = OscBundleBuilder(IMMEDIATELY)
    inner.add_content(OscMessageBuilder("/b").build())
    outer = OscBundleBuilder(1_800_000_000.25)
    outer.add_content(OscMessageBuilder("/a").build())
    outer.add_content(inner.build())
    outer.add_content(OscMessageBuilder("/c").build())
    messages = parse_datagram(outer.build().dgram)
    assert [m.address for m in messages] == ["/a", "/b", "/c"]
    assert [m.time for m in messages] == [1_800_000_000.25] * 3  # an inner "at once" is never before the outer bundle


def test_vectors_are_exact() -> None:
    values = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    builder = OscMessageBuilder("/bird/latent")
    for value in values.tolist():
        builder.add_arg(value, "f")
    (message,) = parse_datagram(builder.build().dgram)
    np.testing.assert_array_equal(np.array(message.args, np.float32), values)


def test_timetags_count_from_1900() -> None:
    (message,) = parse_datagram(bundle(encode("/a"), tag=EPOCH << 32))
    assert message.time == 0.0


def test_encode_is_read_back() -> None:
    assert parse_datagram(encode("/x", 1, 0.5, "é", b"\0\1")) == [Message("/x", (1, 0.5, "é", b"\0\1"))]
    with pytest.raises(ValueError, match="cannot send"):
        encode("/x", [1])


def nested(depth: int) -> bytes:
    data = encode("/a")
    for _ in range(depth):
        data = bundle(data)
    return data


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"abc",
        b"abcd",
        b"/abc",  # no end
        b"/\xff\xfe\0",
        b"/a\0\0,f\0\0",  # no argument
        b"/a\0\0,f\0\0\0\0\0\0\0\0\0\0",  # one too many
        b"/a\0\0,s\0\0abcd",
        b"/a\0\0,s\0\0\xff\xff\xff\0",
        b"/a\0\0,b\0\0\x7f\xff\xff\xff",
        b"/a\0\0,b\0\0\xff\xff\xff\xf0",
        b"/a\0\0,[\0\0",
        b"/a\0\0,z\0\0",
        b"/a\0\0,S\0\0ab\0\0",  # python-osc would say so in the log, and leave it out
        b"/a\0\0abcd\0\0\0\0",
        b"/" + b"a" * 300 + b"\0\0\0,\0\0\0",
        b"#bundle\0",
        b"#bundle\0\0\0\0\0\0\0\0",
        b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc" + bytes(4),
        b"#bundle\0" + bytes(8) + b"\0\0\0\0",
        b"#bundle\0" + bytes(8) + b"\0\0\0\3abcd",
        b"#bundle\0" + bytes(8) + b"\0\0\0\x40" + bytes(4),
        bundle(b"abcd"),
        nested(9),
        nested(400),
        bundle(*[encode("/a")] * 1025),
    ],
)
def test_malformed_datagrams_are_refused(datagram: bytes) -> None:
    with pytest.raises(MessageError):
        parse_datagram(datagram)


def test_nesting_within_reason_is_read() -> None:
    assert parse_datagram(nested(8)) == [Message("/a")]


def test_mutations_never_escape() -> None:
    """Whatever is flipped, cut or repeated: a list of messages or a MessageError."""
    random = np.random.default_rng(1)
    seeds = [encode("/rain/latent", *[0.5] * 20), bundle(encode("/a", 1, "b"), bundle(encode("/c", b"123")))]
    refused = 0
    for _ in range(20_000):
        data = bytearray(seeds[random.integers(len(seeds))])
        for _ in range(random.integers(1, 4)):
            data[random.integers(len(data))] = random.integers(256)
        cut = int(random.integers(len(data) // 4)) * 4 if random.random() < 0.3 else len(data)
        try:
            parse_datagram(bytes(data[:cut]))
        except MessageError:
            refused += 1
    assert refused > 1000
