"""Who may ask how much, and who is a client: floods, forged addresses, clients that went away."""

from __future__ import annotations

from petrichor.clients import MAX_CLIENTS, SILENT, Clients
from petrichor.guard import BURST, COMPLAINTS, PAUSES, SOURCES, Allowance, Guard
from petrichor.osc import Address

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
    assert len({clients.key_of((f"192.0.2.{host}", 57121)) for host in range(8)}) > 6
    assert len({clients.key_of((FAR[0], port)) for port in range(8)}) > 6
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


def pour(guard: Guard, source: Address, rate: float, begin: float, end: float) -> tuple[Address, float] | None:
    """Let a source keep the queue full from one time to another; return who is said to flood."""
    for number in range(int((end - begin) * rate)):
        guard.admit(source, 20, begin + number / rate)
    return guard.flooder(end)


def test_who_keeps_the_queue_full_floods() -> None:
    guard = Guard(100)
    guard.emptied(0.0)
    for number in range(10):
        guard.admit(FAR, 20, number / 100)
    assert pour(guard, ONE, 1000, 0.0, 0.1) is None  # a burst
    assert pour(guard, ONE, 1000, 0.1, 0.3) == (ONE, PAUSES[0])
    assert not guard.admit(ONE, 20, 0.3 + PAUSES[0])
    guard.emptied(2.0)
    assert pour(guard, ONE, 1000, 2.0, 2.2) is None
    guard.emptied(2.2)
    assert pour(guard, OTHER, 1000, 2.2, 2.4) is None  # it was read meanwhile
    assert pour(guard, ONE, 1000, 2.4, 2.7) == (ONE, 2 * PAUSES[0])  # so soon again
    pauses = []
    now = 3.0
    for _ in range(5):
        guard.emptied(now)
        flooder = pour(guard, ONE, 1000, now, now + 0.3)
        assert flooder is not None
        pauses.append(flooder[1])
        now += 0.3 + flooder[1]
    assert pauses[-1] == PAUSES[1]
    guard.emptied(now + 60)
    assert pour(guard, ONE, 1000, now + 60, now + 60.3) == (ONE, PAUSES[0])  # long forgiven


def test_who_keeps_within_half_its_rate_never_floods() -> None:
    guard = Guard(100)
    guard.emptied(0.0)
    assert pour(guard, ONE, 45, 0.0, 1.0) is None  # the machine is slow: that is not its fault
    assert pour(Guard(0), ONE, 1000, 0.0, 1.0) is None


def test_what_is_costly_is_allowed_so_often() -> None:
    allowance = Allowance(4.0, 8.0)
    assert sum(allowance.take(100.0) for _ in range(100)) == 8
    assert sum(allowance.take(101.0) for _ in range(100)) == 4
    assert sum(allowance.take(200.0) for _ in range(100)) == 8
