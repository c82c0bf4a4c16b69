"""Sources whose datagrams the system throws away: real sockets, the real filter."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from petrichor.deafness import MAX_SOURCES, Deafness
from petrichor.osc import Address

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="socket filters are Linux's")


@pytest.fixture
def ears() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def mouths(ears: socket.socket) -> Iterator[list[socket.socket]]:
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
        sock.connect(ears.getsockname())
    yield socks
    for sock in socks:
        sock.close()


def name(sock: socket.socket) -> Address:
    host, port = sock.getsockname()
    return str(host), int(port)


def heard(ears: socket.socket, mouths: list[socket.socket]) -> list[bool]:
    """Let everybody speak once; return whose words arrived."""
    for sock in mouths:
        sock.send(b"/ping\0\0\0,\0\0\0")
    senders = []
    while True:
        try:
            senders.append(ears.recvfrom(100)[1])
        except BlockingIOError:
            return [name(sock) in senders for sock in mouths]


def test_only_the_named_sources_are_not_heard(ears: socket.socket, mouths: list[socket.socket]) -> None:
    deafness = Deafness(ears)
    assert heard(ears, mouths) == [True, True, True]
    assert deafness.add(name(mouths[1]), 10.0)
    assert name(mouths[1]) in deafness
    assert heard(ears, mouths) == [True, False, True]
    assert deafness.add(name(mouths[0]), 20.0)
    assert heard(ears, mouths) == [False, False, True]
    deafness.lift(15.0)
    assert heard(ears, mouths) == [False, True, True]
    deafness.lift(25.0)
    assert heard(ears, mouths) == [True, True, True]


def test_as_many_as_there_may_be_leave_the_others_heard(ears: socket.socket, mouths: list[socket.socket]) -> None:
    deafness = Deafness(ears)
    for port in range(MAX_SOURCES - 1):
        assert deafness.add(("192.0.2.7", 1 + port), 10.0)
    assert deafness.add(name(mouths[2]), 10.0)
    assert heard(ears, mouths) == [True, True, False]
    assert not deafness.add(("192.0.2.8", 1), 10.0)
    assert deafness.add(name(mouths[2]), 20.0)  # known already
    deafness.lift(15.0)
    assert heard(ears, mouths) == [True, True, False]


def test_where_the_system_takes_no_filter_everybody_is_heard() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.close()
    deafness = Deafness(sock)
    assert not deafness.add(("192.0.2.7", 1), 10.0)
    assert ("192.0.2.7", 1) not in deafness
    assert not deafness.add(("192.0.2.7", 1), 10.0)


def test_an_older_filter_of_the_socket_goes(ears: socket.socket, mouths: list[socket.socket]) -> None:
    """The audio process that set it has died; the socket outlives it."""
    assert Deafness(ears).add(name(mouths[1]), 10.0)
    assert heard(ears, mouths) == [True, False, True]
    Deafness(ears)
    assert heard(ears, mouths) == [True, True, True]
