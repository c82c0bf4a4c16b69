"""The subscriber protocol without sockets and without a clock: a patch in software pulls from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from petrichor.stream_protocol import MODULUS
from tests.server import software_patch
from tests.server.software_patch import BLOCK, HOST, RATE, STEP, Patch, Server, decode, encode, run


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
    assert 1 - 1e-6 <= slow.sound.min() <= slow.sound.max() <= 1 + 1e-6, "what is limited stays so"
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
    patches = [Patch(server, 5000 + port) for port in range(32)]
    for patch in patches:
        patch.pull()
    ((address, (of, reason)),) = server.receive(encode("/subscribe", "f32", 2, 128, 2048, RATE), 6000)
    assert (address, of) == ("/fail", "/subscribe")
    assert "32" in reason


def test_those_that_never_pull_make_room() -> None:
    """Their addresses may be forged."""
    server = Server()
    patches = [Patch(server, 5000 + port) for port in range(32)]
    for patch in patches[1:]:
        patch.pull()
    assert Patch(server, 6000).pull() == []
    assert patches[0].pull() == [("/expired", [patches[0].token])]
    assert patches[1].pull() == []


def test_nobody_ends_a_stream_by_asking_for_another_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request from elsewhere may be forged, a pull cannot be: it holds the token that was sent to that address."""
    monkeypatch.setattr(software_patch, "HOST", "192.0.2.7")
    server = Server()
    patch = Patch(server)
    run(server, [patch], 5)
    forged = Patch(server, patch.port)
    run(server, [patch], 5)
    assert len(server.subscribers.status()) == 1
    assert forged.pull() == [], "it was not forged, but begun anew"
    assert patch.pull() == [("/expired", [patch.token])]
    assert len(server.subscribers.status()) == 1


def test_what_subscribes_anew_on_this_machine_is_sent_nothing_of_before() -> None:
    """Blocks of the old subscription would be taken for the new one's, in a buffer that is made ready anew."""
    server = Server()
    patch = Patch(server)
    run(server, [patch], 5)
    patch.play(1024)
    patch.pull()
    again = Patch(server, patch.port)
    assert server.turn() == [], "though the old one is owed blocks"
    again.pull()
    assert decode(server.turn()[0][0])[1][0] == 0


def test_what_the_one_holds_that_holds_least() -> None:
    server = Server()
    assert server.subscribers.hold() == math.inf
    for port, fill in ((5000, 4096), (5001, 512)):
        Patch(server, port, fill=fill).pull()
    assert server.subscribers.hold() == (512 - BLOCK) / RATE


def test_one_that_runs_dry_is_seen_before_it_is() -> None:
    server = Server()
    patch = Patch(server)
    assert not server.subscribers.run_dry(0), "it has not begun"
    run(server, [patch], 20)
    position = server.timeline.position
    assert not server.subscribers.run_dry(position)
    patch.play(1152)
    patch.pull()
    assert server.subscribers.run_dry(position)
    assert not server.subscribers.run_dry(position + 1152)


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
