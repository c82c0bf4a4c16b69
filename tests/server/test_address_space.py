"""OSCQuery: the address space that is described."""

from __future__ import annotations

from typing import Any

import pytest

from petrichor.controls import MasterState, VoiceState
from petrichor.osc import Message
from petrichor.parameters import TABLE
from petrichor.query.address_space import AddressSpace


def space_of(*voices: VoiceState) -> AddressSpace:
    space = AddressSpace()
    space.hear(Message("/master/gain", MasterState().told["gain"]))
    for voice in voices:
        for name, args in voice.told.items():
            space.hear(Message(f"/{voice.name}/{name}", args))
    return space


def methods(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every node that can be sent to, by path."""
    found = {node["FULL_PATH"]: node} if "TYPE" in node else {}
    for child in node.get("CONTENTS", {}).values():
        found.update(methods(child))
    return found


def test_exactly_the_table_is_described_with_types_ranges_and_values() -> None:
    space = space_of(VoiceState("rain", 1, 2.0, directions=("bright",)))
    root = space.node("/")
    assert root is not None
    described = methods(root)
    addresses = {
        row.address.replace("/V/", "/rain/").replace("NAME", "bright").replace("/N", "/0"): row for row in TABLE
    }
    container = root["CONTENTS"]["rain"]["CONTENTS"]["latent"]
    assert container["DESCRIPTION"] == addresses.pop("/rain/latent").meaning, "a container of its coordinates"
    assert set(described) == set(addresses)
    for address, row in addresses.items():
        node = described[address]
        assert node["DESCRIPTION"] == row.meaning
        assert node["TYPE"] == (row.tags.replace("?", "").replace("*", "") or "N")
        if row.low is not None and "latent" not in address:
            assert node["RANGE"] == [{"MIN": row.low, "MAX": row.high}]
        assert ("VALUE" in node) == (node["ACCESS"] == 3)
    assert described["/rain/gain"]["UNIT"] == ["gain.db"] and described["/rain/glide"]["UNIT"] == ["time.ms"]
    assert described["/rain/new"]["ACCESS"] == 2


def test_latent_is_a_container_of_its_coordinates_and_can_be_listened_to() -> None:
    space = space_of(VoiceState("rain", 3, 2.0))
    node = space.node("/rain/latent")
    assert node is not None and "TYPE" not in node and set(node["CONTENTS"]) == {"0", "1", "2"}
    latent = space.values["/rain/latent"]
    assert [node["CONTENTS"][str(n)]["VALUE"] for n in range(3)] == [[value] for value in latent]
    assert space.hear(Message("/rain/latent", (*latent[:2], 0.125))) == ["/rain/latent", "/rain/latent/2"]
    assert space.value_of("/rain/latent/2") == (0.125,)
    assert space.value_of("/rain/latent/3") is None and space.value_of("/rain/new") is None


@pytest.mark.parametrize("path", ["/nobody", "/rain/colour", "/rain/latent/3", "/rain/gain/more", "//x"])
def test_what_is_not_there_has_no_node(path: str) -> None:
    assert space_of(VoiceState("rain", 3, 2.0)).node(path) is None


def test_shape_tells_voices_sizes_and_directions_apart() -> None:
    space = space_of(VoiceState("rain", 3, 2.0, directions=("bright",)), VoiceState("bird", 2, 2.0))
    before = space.shape()
    space.hear(Message("/rain/gain", (-3.0,)))
    assert space.shape() == before
    assert not space.changes - len(space.values)
    space.hear(Message("/rain/latent", (0.0,) * 4))
    assert space.shape()["rain"] != before["rain"] and space.changes == len(space.values) + 1
    space.hear(Message("/bird/unloaded", ("bird",)))
    assert space.voices == ["rain"]


def test_what_is_not_told_again_is_gone() -> None:
    """Without `/V/unloaded`, which may be lost, as may what is told of a file with fewer directions."""
    rain, bird = VoiceState("rain", 3, 2.0, directions=("bright",)), VoiceState("bird", 2, 2.0)
    space = space_of(rain, bird)
    space.hear(Message("/pong"))
    assert space.voices == ["rain", "bird"], "nobody was asked"
    space.hear(Message("/done", ("/notify",)))
    told = [("/master/gain", (0.0,)), *((f"/rain/{name}", args) for name, args in rain.told.items())]
    for address, args in told:
        if address != "/rain/direction/bright":
            assert not space.hear(Message(address, args)), "it is known"
    before = space.changes
    space.hear(Message("/pong"))
    assert space.changes > before and space.shape() == {"rain": (3,)}


def test_coordinate_has_one_spelling() -> None:
    space = space_of(VoiceState("rain", 3, 2.0))
    assert space.value_of("/rain/latent/0") is not None
    for index in ("00", "0" * 5000, "1" * 5000, "\u0661", "\u00b2", "-1", "+1", "1_0", " 1", ""):
        assert space.value_of(f"/rain/latent/{index}") is None


def test_of_a_leaf_only_the_leaf_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of(*(VoiceState(f"rain{number}", 128, 2.0) for number in range(8)))
    whole = space.node("/")
    assert whole is not None
    built: list[str] = []
    method = AddressSpace._method
    monkeypatch.setattr(
        AddressSpace, "_method", lambda self, address, row: built.append(address) or method(self, address, row)
    )
    for path in ("/rain3/gain", "/rain3/latent/17", "/preset/load"):
        built.clear()
        assert space.node(path) == methods(whole)[path] and built == [path]
    assert space.node("/rain3") == whole["CONTENTS"]["rain3"]
    assert space.node("/rain3/latent/") == whole["CONTENTS"]["rain3"]["CONTENTS"]["latent"]
