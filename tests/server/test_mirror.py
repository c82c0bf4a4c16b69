"""What notified clients are told of parameters, without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from petrichor.mirror import INTERVAL, REST, Mirror
from petrichor.osc import Address

ONE, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


class Post:
    """Keeps what is sent, and holds the values."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, tuple[object, ...]]] = {
            "master": {"/master/gain": (0.0,)},
            "rain": {"/rain/gain": (0.0,), "/rain/latent": (0.0, 1.0)},
        }
        self.sent: dict[Address, list[tuple[object, ...]]] = {ONE: [], OTHER: []}
        self.bundles = 0

    def send_bundle(self, client: Address, messages: Sequence[tuple[object, ...]]) -> None:
        self.sent[client] += messages
        self.bundles += 1

    def parts(self) -> Iterator[Mapping[str, tuple[object, ...]]]:
        yield from self.values.values()

    def take(self) -> dict[Address, list[tuple[object, ...]]]:
        sent, self.sent = self.sent, {ONE: [], OTHER: []}
        return sent


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mirror(post: Post) -> Mirror:
    mirror = Mirror(post, lambda: {ONE, OTHER}, post.parts)
    mirror.touch()
    mirror.look(0.0)
    post.take()
    return mirror


def test_only_what_changed_is_told_and_not_to_who_set_it(post: Post, mirror: Mirror) -> None:
    post.values["rain"]["/rain/gain"] = (-6.0,)
    mirror.set_by("/rain/gain", ONE)
    post.values["master"]["/master/gain"] = (-3.0,)
    mirror.touch()
    mirror.look(1.0)
    assert post.take() == {
        ONE: [("/master/gain", -3.0)],
        OTHER: [("/master/gain", -3.0), ("/rain/gain", -6.0)],
    }


def test_many_changes_are_told_once_and_the_last_one_always(post: Post, mirror: Mirror) -> None:
    for number in range(1000):
        post.values["rain"]["/rain/gain"] = (-0.01 * number,)
        mirror.touch()
        mirror.look(1.0 + 0.001 * number)
    assert mirror.due is not None and mirror.due <= 2.0 + INTERVAL
    mirror.look(mirror.due)
    assert mirror.due is None
    sent = post.take()[OTHER]
    assert len(sent) <= 2 + 1 / INTERVAL
    assert sent[-1] == ("/rain/gain", -0.01 * 999)


def test_where_two_have_set_one_value_both_are_told(post: Post, mirror: Mirror) -> None:
    post.values["rain"]["/rain/gain"] = (-6.0,)
    for client in (ONE, OTHER, ONE):
        mirror.set_by("/rain/gain", client)
    mirror.look(1.0)
    assert post.take() == {ONE: [("/rain/gain", -6.0)], OTHER: [("/rain/gain", -6.0)]}


def test_who_set_a_value_is_told_of_the_next_change(post: Post, mirror: Mirror) -> None:
    mirror.set_by("/rain/gain", ONE)
    mirror.look(1.0)
    post.values["rain"]["/rain/gain"] = (-6.0,)
    mirror.touch()
    mirror.look(2.0)
    assert post.take()[ONE] == [("/rain/gain", -6.0)]


def test_who_is_new_is_told_all_and_a_voice_that_came_back_is_told_anew(post: Post, mirror: Mirror) -> None:
    mirror.tell_all(OTHER)
    assert [path for path, *_ in post.take()[OTHER]] == ["/master/gain", "/rain/gain", "/rain/latent"]
    rain = post.values.pop("rain")
    mirror.touch()
    mirror.look(1.0)
    assert post.take() == {ONE: [], OTHER: []}
    post.values["rain"] = rain
    mirror.touch()
    mirror.look(2.0)
    assert len(post.take()[ONE]) == 2


def test_nothing_is_sent_where_nothing_changed(post: Post, mirror: Mirror) -> None:
    before = post.bundles
    mirror.touch()
    mirror.look(1.0)
    assert post.bundles == before


def test_a_value_that_is_back_where_it_was_is_told_to_who_moved_it_first(post: Post, mirror: Mirror) -> None:
    """Within one interval ONE moved it and OTHER moved it back: ONE believes what it has sent."""
    mirror.look(1.0)
    post.take()
    mirror.set_by("/rain/gain", ONE)
    mirror.set_by("/rain/gain", OTHER)
    mirror.look(2.0)
    value = post.values["rain"]["/rain/gain"]
    assert post.take()[ONE] == [("/rain/gain", *value)]


def test_what_nobody_s_message_has_set_is_told_to_all(post: Post, mirror: Mirror) -> None:
    """A preset comes after a fader, within one interval."""
    mirror.set_by("/rain/gain", ONE)
    post.values["rain"]["/rain/gain"] = (-12.0,)
    mirror.set_by("/rain/gain", None)
    mirror.look(1.0)
    assert ("/rain/gain", -12.0) in post.take()[ONE]


def test_a_voice_that_went_and_came_back_at_once_is_told_anew(post: Post, mirror: Mirror) -> None:
    mirror.touch()
    mirror.look(1.0)
    post.take()
    mirror.forget("rain")
    mirror.look(2.0)
    assert len(post.take()[ONE]) == 2


def test_who_set_a_value_is_told_it_once_it_rests(post: Post, mirror: Mirror) -> None:
    """What he was told of an older one may have come to him after he had sent his own."""
    for number in range(4):
        post.values["rain"]["/rain/gain"] = (-1.0 * number,)
        mirror.set_by("/rain/gain", ONE)
        mirror.look(1.0 + 0.9 * REST * number)
    assert post.take()[ONE] == []
    assert mirror.due == pytest.approx(1.0 + 2.7 * REST + REST)
    mirror.look(mirror.due)
    assert post.take() == {ONE: [("/rain/gain", -3.0)], OTHER: []}
    assert mirror.due is None
