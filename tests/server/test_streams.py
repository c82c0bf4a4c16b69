"""The subscriber protocol without sockets and without a clock: a patch in software pulls from it."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from petrichor.errors import MessageError
from petrichor.stream_protocol import MODULUS, Pull, Subscribe, Unsubscribe, read_request
from petrichor.streams import Subscribers
from petrichor.timeline import Timeline

RATE = 48000
BLOCK = 128
HOST = "127.0.0.1"
STEP = 0.004  # s of the simulated clock between two looks of the server


def encode(address: str, *arguments: float | str) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


def decode(datagram: bytes) -> tuple[str, list]:
    message = OscMessage(datagram)
    return message.address, list(message.params)


class Server:
    """`Subscribers` on a real timeline that is fed noise as far as it is demanded."""

    def __init__(self) -> None:
        self.subscribers = Subscribers(RATE)
        self.timeline = Timeline()
        self.random = np.random.default_rng(1)
        self.mixed: list[np.ndarray] = []
        self.now = 100.0

    def receive(self, datagram: bytes, port: int = 5000) -> list[tuple[str, list]]:
        answers = self.subscribers.receive(datagram, (HOST, port), self.now, self.timeline.position)
        assert all(address == (HOST, port) for _, address in answers)
        return [decode(answer) for answer, _ in answers]

    def mix(self, until: int) -> None:
        while self.timeline.position < until:
            block = self.random.uniform(-1, 1, (64, 2)).astype(np.float32)
            self.mixed.append(block)
            self.timeline.append(block)

    def turn(self) -> list[tuple[bytes, tuple[str, int]]]:
        self.now += STEP
        self.subscribers.expire(self.now)
        self.mix(self.subscribers.demand() or 0)
        return self.subscribers.blocks(self.timeline, self.now)

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.mixed)


class Patch:
    """The patch's side of the protocol, as petrichor~.pd has it."""

    def __init__(self, server: Server, port: int = 5000, rate: int = RATE, fill: int = 2048, channels: int = 2) -> None:
        self.server, self.port, self.channels = server, port, channels
        request = encode("/subscribe", "f32", channels, BLOCK, fill, rate)
        ((address, (self.token, *granted)),) = server.receive(request, port)
        assert address == "/subscribed"
        assert granted == [rate, channels, BLOCK, fill]
        assert 0 < self.token < 1 << 23
        self.rpos = self.wpos = self.underruns = self.gaps = 0
        self.got: list[np.ndarray] = []

    def take(self, datagram: bytes) -> None:
        if not self.got:
            assert decode(datagram)[0] == "/block"
        # All after the header, of known length, by numpy: python-osc would take most of the test's time.
        body = datagram[-4 * (1 + self.channels * BLOCK) :]
        (position,) = struct.unpack(">i", body[:4])
        if position == self.wpos % MODULUS:
            samples = np.frombuffer(body, ">f4", offset=4).astype(np.float32)
            self.got.append(samples.reshape(self.channels, BLOCK).T)
            self.wpos += BLOCK
        elif (position - self.wpos) % MODULUS < MODULUS // 2:
            self.gaps += 1

    def play(self, frames: int) -> None:
        for _ in range(frames // 64):
            if self.wpos - self.rpos >= 64:
                self.rpos += 64
            else:
                self.underruns += 1

    def pull(self) -> list[tuple[str, list]]:
        positions = (self.rpos % MODULUS, self.wpos % MODULUS)
        return self.server.receive(encode("/pull", self.token, *positions, self.underruns, self.gaps), self.port)

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.got)


def run(server: Server, patches: list[Patch], turns: int, loss: float = 0.0, shuffle: bool = False) -> None:
    """Let every patch play 192 frames, pull and be answered, `turns` times."""
    dice = random.Random(1)
    for _ in range(turns):
        for patch in patches:
            patch.play(192)
            assert patch.pull() == []
        datagrams = [each for each in server.turn() if dice.random() >= loss]
        if shuffle:
            dice.shuffle(datagrams)
        for datagram, address in datagrams:
            next(patch for patch in patches if (HOST, patch.port) == address).take(datagram)


def test_exact_and_filled() -> None:
    server = Server()
    patch = Patch(server)
    run(server, [patch], 100)
    assert patch.wpos - patch.rpos > 2048 - BLOCK - 192
    assert len(patch.sound) > 17000
    np.testing.assert_array_equal(patch.sound, server.sound[: patch.wpos])


@pytest.mark.parametrize("shuffle", [False, True])
def test_loss_and_reordering_are_repaired(shuffle: bool) -> None:
    server = Server()
    patch = Patch(server, fill=8192)
    run(server, [patch], 1500, loss=0.05, shuffle=shuffle)
    (status,) = server.subscribers.status()
    assert status.resends > 50
    assert patch.rpos > 200_000
    np.testing.assert_array_equal(patch.sound, server.sound[: patch.wpos])


def test_loss_without_gap_reports_is_repaired_by_the_timer() -> None:
    server = Server()
    patch = Patch(server, fill=8192)
    patch.pull = lambda: server.receive(  # type: ignore[method-assign]
        encode("/pull", patch.token, patch.rpos % MODULUS, patch.wpos % MODULUS, 0)
    )
    run(server, [patch], 1500, loss=0.02)
    np.testing.assert_array_equal(patch.sound, server.sound[: patch.wpos])
    assert patch.rpos > 200_000


def test_positions_wrap() -> None:
    server = Server()
    patch = Patch(server, fill=4096)
    run(server, [patch], (MODULUS + 50_000) // 192, loss=0.01)
    assert patch.wpos > MODULUS
    np.testing.assert_array_equal(patch.sound, server.sound[: patch.wpos])


def test_mono_is_the_mean() -> None:
    server = Server()
    patch = Patch(server, channels=1)
    run(server, [patch], 50)
    np.testing.assert_array_equal(patch.sound[:, 0], server.sound[: patch.wpos].mean(axis=1))


def test_another_rate_keeps_the_pitch() -> None:
    server = Server()
    patch = Patch(server, rate=44100, fill=4096)
    turns = np.arange(20 * RATE) / RATE * 2 * np.pi * 1000
    wave = np.sin(turns).astype(np.float32)

    def mix(until: int) -> None:
        start = server.timeline.position
        server.timeline.append(np.stack((wave[start:until], wave[start:until]), 1))

    server.mix = mix  # type: ignore[method-assign]
    run(server, [patch], 1000)
    assert patch.underruns < 200  # the resampler's delay at the start
    heard = patch.sound[44100:, 0].astype(float)
    spectrum = np.abs(np.fft.rfft(heard[:88200] * np.hanning(88200)))
    assert np.argmax(spectrum) == 2000  # in steps of half a Hz
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_two_subscribers_hear_the_same_and_the_first_leads() -> None:
    server = Server()
    first = Patch(server, 5000)
    run(server, [first], 50)
    joined = server.timeline.position
    second = Patch(server, 5001, fill=4096)
    run(server, [first, second], 200)
    np.testing.assert_array_equal(first.sound, server.sound[: first.wpos])
    np.testing.assert_array_equal(second.sound, server.sound[joined : joined + second.wpos])
    assert server.subscribers.demand() == max(first.wpos, joined + second.wpos)
    assert [each.jumps for each in server.subscribers.status()] == [0, 0]


def test_a_slow_clock_is_moved_up_without_a_click() -> None:
    server = Server()
    server.mix = lambda until: (  # type: ignore[method-assign]
        server.timeline.append(np.ones((max(0, until - server.timeline.position), 2), np.float32))
    )
    leader, slow = Patch(server, 5000), Patch(server, 5001)
    for turn in range(3000):
        run(server, [leader] if turn % 10 == 0 else [leader, slow], 1)
    statuses = {each.address[1]: each for each in server.subscribers.status()}
    assert statuses[5000].jumps == 0
    assert 3 <= statuses[5001].jumps <= 6
    assert slow.underruns < 10 + 40  # the start only
    # Equal power of two equal signals swells by 3 dB and never falls below one.
    assert 1 - 1e-6 <= slow.sound.min() <= slow.sound.max() <= 2**0.5 + 1e-6
    assert np.abs(np.diff(slow.sound[:, 0])).max() < 0.01


def test_one_that_hung_beyond_the_history_comes_back() -> None:
    server = Server()
    leader, hung = Patch(server, 5000), Patch(server, 5001)
    run(server, [leader, hung], 20)
    server.subscribers.expire = lambda now: None  # type: ignore[method-assign]
    run(server, [leader], (1 << 19) // 192 + 100)
    run(server, [leader, hung], 50)
    assert hung.wpos - hung.rpos > 1000
    assert {each.jumps for each in server.subscribers.status()} == {0, 1}


def test_bursts_are_bounded() -> None:
    server = Server()
    patch = Patch(server, fill=65536)
    patch.pull()
    sizes = []
    for _ in range(20):
        datagrams = server.turn()
        sizes.append(sum(len(datagram) for datagram, _ in datagrams))
    assert max(sizes) <= 16 * 1700
    assert 50_000 < sum(sizes) <= 65536, "no more is sent than a socket buffer holds before it is confirmed"


def test_nothing_is_sent_before_the_first_pull() -> None:
    server = Server()
    patch = Patch(server)
    assert server.subscribers.demand() is None
    assert server.turn() == []
    assert server.subscribers.status() == []
    patch.pull()
    assert server.subscribers.demand() == 2048
    assert server.turn() != []


def test_a_foreign_or_old_token_is_refused() -> None:
    server = Server()
    patch = Patch(server)
    pull = encode("/pull", patch.token, 0, 0, 0)
    assert server.receive(pull, port=6000) == [("/expired", [patch.token])], "another address"
    assert server.receive(encode("/pull", patch.token + 1, 0, 0, 0)) == [("/expired", [patch.token + 1])]
    again = Patch(server)
    assert again.token != patch.token
    assert patch.pull() == [("/expired", [patch.token])], "the same address has subscribed anew"
    assert again.pull() == []


def test_expiry_and_unsubscribing() -> None:
    server = Server()
    silent, leaving = Patch(server, 5000), Patch(server, 5001)
    run(server, [silent, leaving], 5)
    assert server.receive(encode("/unsubscribe", leaving.token), 5001) == []
    assert len(server.subscribers.status()) == 1
    for _ in range(round(0.9 / STEP)):
        server.turn()
    assert server.subscribers.demand() is not None
    for _ in range(round(0.2 / STEP)):
        server.turn()
    assert server.subscribers.demand() is None, "it has stopped, and holds up nobody"
    assert len(server.subscribers.status()) == 1
    for _ in range(round(2 / STEP)):
        server.turn()
    assert server.subscribers.status() == []
    assert silent.pull() == [("/expired", [silent.token])]


def test_too_many_subscribers_are_refused() -> None:
    server = Server()
    for port in range(32):
        Patch(server, 5000 + port)
    ((address, (of, reason)),) = server.receive(encode("/subscribe", "f32", 2, 128, 2048, RATE), 6000)
    assert (address, of) == ("/fail", "/subscribe")
    assert "32" in reason


def test_scsynth_is_answered_itself() -> None:
    server = Server()
    request = encode("/subscribe", "scsynth", 2, BLOCK, 1024, RATE, 57110, 7, 32768, 3)
    ((address, (token, *granted)),) = server.receive(request)
    assert (address, granted) == ("/subscribed", [RATE, 2, BLOCK, 1024, 57110, 7])
    other = server.receive(encode("/subscribe", "scsynth", 2, BLOCK, 1024, RATE, 57110, 8, 32768, 4))
    assert other[0][1][0] != token
    server.receive(encode("/pull", token, 0, 0, 0))
    datagrams = server.turn()
    assert len(datagrams) == 8
    for number, (datagram, destination) in enumerate(datagrams):
        assert destination == (HOST, 57110)
        fill, held = OscBundle(datagram)
        bufnum, start, count, *samples = fill.params
        assert (fill.address, bufnum, start, count) == ("/b_setn", 7, number * 2 * BLOCK, 2 * BLOCK)
        expected = server.sound[number * BLOCK : (number + 1) * BLOCK].reshape(-1)
        np.testing.assert_array_equal(np.array(samples, np.float32), expected)
        assert (held.address, held.params) == ("/c_set", [3, (number + 1) * BLOCK])


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
