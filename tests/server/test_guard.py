"""Who may ask how much, and who is a client: floods, forged addresses, clients that went away."""

from __future__ import annotations

import pytest

from petrichor.clients import MAX_CLIENTS, SILENT, Clients
from petrichor.guard import BURST, COMPLAINTS, SOURCES, Guard

ONE, OTHER, FAR = ("127.0.0.1", 1), ("127.0.0.1", 2), ("192.0.2.7", 57120)


def admitted(guard: Guard, source: tuple[str, int], count: int, now: float, size: int = 20) -> int:
    return sum(guard.admit(source, size, now) for _ in range(count))


def test_a_flood_is_cut_to_the_rate_and_holds_up_nobody_else() -> None:
    guard = Guard(100)
    assert admitted(guard, ONE, 1000, 0.0) == BURST * 100
    assert guard.refused == 1000 - BURST * 100
    assert guard.take_refused(ONE) == guard.refused
    assert guard.take_refused(ONE) == 0
    assert admitted(guard, ONE, 1000, 1.0) == 100
    assert admitted(guard, OTHER, 50, 1.0) == 50


def test_large_datagrams_and_full_bundles_cost_more() -> None:
    guard = Guard(1000)
    assert admitted(guard, ONE, 1000, 0.0, 65507) < 40
    assert guard.admit(OTHER, 100, 0.0)
    guard.charge(OTHER, 5000)
    assert not guard.admit(OTHER, 100, 0.0)


def test_no_limit_is_no_limit() -> None:
    assert admitted(Guard(0), ONE, 100_000, 0.0) == 100_000


def test_complaints_have_a_limit_of_their_own() -> None:
    guard = Guard(1000)
    assert sum(guard.may_complain(ONE, 0.0) for _ in range(1000)) == COMPLAINTS
    assert guard.may_complain(ONE, 1.0)
    assert guard.may_complain(OTHER, 0.0)


def test_forgotten_sources_do_not_add_up() -> None:
    guard = Guard(10)
    for port in range(5000):
        guard.admit(("10.0.0.1", port), 20, float(port))
    assert len(guard._sources) == SOURCES


def test_clients_of_this_machine_are_taken_at_their_word() -> None:
    clients = Clients()
    assert clients.add(ONE, 0.0)
    assert ONE in clients
    clients.expire(1e9)
    assert clients.all == {ONE}
    clients.remove(ONE)
    assert not len(clients)


def test_clients_elsewhere_have_to_send_back_their_key() -> None:
    clients = Clients()
    assert not clients.add(FAR, 0.0)
    assert not clients.add(FAR, 0.0, clients.key_of(FAR) + 1)
    assert FAR not in clients
    assert clients.add(FAR, 0.0, clients.key_of(FAR))
    assert clients.key_of(FAR) != clients.key_of(("192.0.2.7", 57121)) or pytest.skip("one in eight million")
    clients.heard(FAR, 50.0)
    clients.expire(50.0 + SILENT)
    assert FAR in clients
    clients.expire(50.1 + SILENT)
    assert FAR not in clients


def test_the_client_longest_silent_makes_room() -> None:
    clients = Clients()
    for port in range(MAX_CLIENTS):
        clients.add(("127.0.0.1", port), float(port))
    clients.heard(("127.0.0.1", 0), 1000.0)
    clients.add(("127.0.0.1", 9999), 1001.0)
    assert len(clients) == MAX_CLIENTS
    assert ("127.0.0.1", 0) in clients
    assert ("127.0.0.1", 1) not in clients
