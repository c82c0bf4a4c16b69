"""Whatever arrives: a message or a refusal, never another error, never a value that is not finite. By hypothesis."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petrichor.controls import VoiceState
from petrichor.cues import Part
from petrichor.errors import MessageError
from petrichor.namespace import Namespace
from petrichor.osc import MAX_MESSAGES, Message, encode, encode_bundle, parse_datagram
from petrichor.parameters import TABLE, VOICE_PARAMETERS
from petrichor.stream_protocol import read_request
from petrichor.streams import Subscribers

# The same examples every time: a fuzz that finds something new on Sundays belongs into tests/measure/hostility.py.
thorough = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
texts = st.text(max_size=24)
numbers = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.floats(width=32), st.integers(-3, 3), st.floats(-3, 3, width=32)
)
arguments = st.lists(st.one_of(numbers, texts, st.binary(max_size=40)), max_size=10)
names = st.one_of(st.sampled_from(["bird", "rain", "*", "b*", "{bird,rain}", "[br]*", "?", "", "nobody"]), texts)
parameters = st.one_of(
    st.sampled_from(
        [*VOICE_PARAMETERS, "latent/0", "latent/7", "latent/8", "direction/bright", "direction/*", "*", ""]
    ),
    texts,
)
commands = st.sampled_from([row.address for row in TABLE if not row.address.startswith("/V")])
addresses = st.one_of(st.builds("/{}/{}".format, names, parameters), commands, texts)


def encoded(address: str, args: list[object]) -> bytes:
    try:
        return encode(address, *args)
    except (ValueError, UnicodeError):  # a text that UTF-8 cannot hold
        return encode("/x")


messages = st.builds(encoded, addresses, arguments)
bundles = st.recursive(messages, lambda inner: st.builds(encode_bundle, st.none(), inner, inner), max_leaves=6)
mutations = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "repeat", "insert"]), st.integers(0, 400), st.binary(max_size=8)),
    max_size=4,
)


def mutated(datagram: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    data = bytearray(datagram)
    for kind, where, what in changes:
        place = where % (len(data) + 1)
        if kind == "flip":
            data[place : place + len(what)] = what
        elif kind == "cut":
            del data[place:]
        elif kind == "repeat":
            data += data[place : place + 64]
        else:
            data[place:place] = what
    return bytes(data)


datagrams = st.one_of(st.binary(max_size=200), st.builds(mutated, bundles, mutations))


class Voices:
    """Two voices in memory."""

    def __init__(self) -> None:
        self.states = {name: VoiceState(name, 8, 1.0, directions=("bright", "7")) for name in ("bird", "rain")}

    def names(self) -> list[str]:
        return list(self.states)

    def loaded(self, name: str) -> bool:
        return True

    def perform(self, name: str, parameter: str, message: Message) -> float | None:
        return self.states[name].apply(parameter, message.args)

    def values(self, name: str) -> Mapping[str, tuple[object, ...]]:
        return self.states[name].told

    def load(self, name: str, message: Message) -> None:
        pass

    unload = load


@thorough
@given(datagrams)
def test_datagrams_are_read_or_refused(datagram: bytes) -> None:
    try:
        found = parse_datagram(datagram)
    except MessageError as error:
        assert error.reason
        return
    assert len(found) <= MAX_MESSAGES
    assert all(message.address.startswith("/") for message in found)


@thorough
@given(st.lists(datagrams, max_size=8))
def test_voices_stay_finite_and_in_range(sent: list[bytes]) -> None:
    voices = Voices()
    commands = {"/ping": lambda message: None}
    namespace = Namespace(voices, commands, lambda address, value: None, dict, lambda address, args: None)
    for datagram in sent:
        try:
            found = parse_datagram(datagram)
        except MessageError:
            continue
        for message in found:
            try:
                namespace.obey(message)
            except MessageError as error:
                assert error.reason
    for state in voices.states.values():
        controls, strip = state.controls, state.strip
        assert np.isfinite(controls.latent).all()
        assert controls.latent.shape == (8,)
        assert np.abs(controls.latent).max() <= controls.truncation <= 3
        assert 0 <= controls.intensity <= 1
        assert 0 <= controls.spread <= 1
        assert 0 <= strip.gain <= 4
        assert -1 <= strip.pan <= 1


@thorough
@given(datagrams)
def test_encoding_is_read_back(datagram: bytes) -> None:
    """What python-osc builds from what was read is read as the same; infinities and their like too."""
    try:
        (message,) = parse_datagram(datagram)
    except (MessageError, ValueError):
        return
    if all(type(arg) in (int, float, str, bytes) for arg in message.args):
        ints = [arg for arg in message.args if isinstance(arg, int)]
        if all(-(2**31) <= number < 2**31 for number in ints):
            (again,) = parse_datagram(encode(message.address, *message.args))
            for one, other in zip(message.args, again.args, strict=True):
                assert one == other or (isinstance(one, float) and (math.isnan(one) or abs(one) > 3e38 or one != 0))


requests = st.one_of(
    datagrams,
    st.builds(
        mutated,
        st.builds(encoded, st.sampled_from(["/subscribe", "/pull", "/unsubscribe"]), arguments),
        mutations,
    ),
    st.builds(
        lambda *values: encode("/pull", *values),
        *[st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(width=32))] * 4,
    ),
)


@thorough
@given(st.lists(requests, max_size=12))
def test_stream_requests_are_answered_or_refused(sent: list[bytes]) -> None:
    subscribers = Subscribers(48000)
    for datagram in [encode("/subscribe", "f32", 2, 128, 1024, 48000), *sent]:
        try:
            read_request(datagram)
        except MessageError as error:
            assert error.reason
        for answer, address in subscribers.receive(datagram, ("127.0.0.1", 9), 1.0, 5000):
            assert address == ("127.0.0.1", 9)
            assert len(answer) < 300
    assert subscribers.demand() is None or subscribers.demand() < 5000 + (1 << 18)  # type: ignore[operator]


@thorough
@given(st.binary(min_size=4, max_size=4), st.binary(max_size=60))
def test_blobs_of_any_claimed_size(size: bytes, rest: bytes) -> None:
    datagram = b"/bird/latent\0\0\0\0,b\0\0" + size + rest
    try:
        (message,) = parse_datagram(datagram + bytes(-len(datagram) % 4))
    except MessageError:
        return
    assert len(message.args[0]) == struct.unpack(">i", size)[0]  # type: ignore[arg-type]


@thorough
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["reach", "adopt", "clear"]), st.integers(0, 60))))
def test_parts_take_anything_in_any_order(steps: list[tuple[int, str, int]]) -> None:
    from petrichor.cues import Cue

    part = Part({"gain": 0.0})
    for sequence, (position, what, number) in enumerate(steps):
        part.add([Cue(sequence, position, {"gain": float(sequence)})])
        if what == "reach":
            part.reach(number)
            assert part.next_position > number
        elif what == "adopt":
            part.adopt({"gain": -1.0}, number)
        else:
            part.clear(number)
        assert set(part.fields) == {"gain"}
