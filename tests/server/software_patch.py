"""A patch in software, the server's side of the subscriber protocol, and a clock that only tests move."""

from __future__ import annotations

import random
import struct

import numpy as np
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from petrichor.stream_protocol import MODULUS
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
