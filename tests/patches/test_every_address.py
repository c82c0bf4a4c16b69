"""Every address of the table, sent by a real Pd and by a real sclang to a real server: what the table says happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from petrichor.parameters import TABLE, Parameter
from petrichor.voice_file import Voice
from tests.patches import judges
from tests.patches.players import PdPlayer, Player, SclangPlayer, Turn
from tests.patches.stage import Stage, staged


@dataclass(frozen=True)
class Row:
    """How one row of the table is shown to be true.

    Attributes:
        address: As in the table.
        judge: Plays the steps one by one, and sees what happens.
        pd: What Pd sends, step after step.
        sclang: What sclang evaluates.
    """

    address: str
    judge: Callable[[Stage, Turn], None]
    pd: tuple[str, ...]
    sclang: tuple[str, ...]


ROWS = (
    Row(
        "/V/latent",
        judges.latent,
        ("latent 1 -1 0 0 0 0 0 0.5",),
        ("~probe.latent = [1, -1, 0, 0, 0, 0, 0, 0.5]",),
    ),
    Row("/V/latent/N", judges.coordinate, ("latent/0 0.5",), ("~probe.latentAt(0, 0.5)",)),
    Row(
        "/V/seed",
        judges.seed,
        ("/stream/seed 3", "/stream/seed 4", "/stream/seed 3"),
        ("p.voice(\\stream).seed = 3", "p.voice(\\stream).seed = 4", "p.voice(\\stream).seed = 3"),
    ),
    Row("/V/new", judges.new, ("new",), ("~probe.draw",)),
    Row("/V/direction/NAME", judges.direction, ("direction high 0.5",), ("~probe.direction(\\high, 0.5)",)),
    Row("/V/glide", judges.glide, ("glide 500", "latent/0 1"), ("~probe.glide = 500", "~probe.latentAt(0, 1)")),
    Row("/V/drift", judges.drift, ("drift 1", "drift 0"), ("~probe.drift = 1", "~probe.drift = 0")),
    Row("/V/freeze", judges.freeze, ("freeze 1", "freeze 0"), ("~probe.freeze = true", "~probe.freeze = false")),
    Row("/V/truncation", judges.truncation, ("truncation 0.5",), ("~probe.truncation = 0.5",)),
    Row("/V/intensity", judges.intensity, ("intensity 1",), ("~probe.intensity = 1",)),
    Row("/V/spread", judges.spread, ("/bird/spread 0", "/bird/spread 1"), ("p.bird.spread = 0", "p.bird.spread = 1")),
    Row("/V/gain", judges.gain, ("gain -12", "gain -60"), ("~probe.gain = -12", "~probe.gain = -60")),
    Row("/V/pan", judges.pan, ("pan 1", "pan -1"), ("~probe.pan = 1", "~probe.pan = -1")),
    Row("/V/mute", judges.mute, ("mute 1", "mute 0"), ("~probe.mute = true", "~probe.mute = false")),
    Row(
        "/V/load",
        judges.load,
        ("/creek/load stream",),
        ("~answer.('/done'); p.voice(\\creek).load(\"stream\")",),
    ),
    Row("/V/unload", judges.unload, ("/creek/unload",), ("~answer.('/done'); p.voice(\\creek).unload",)),
    Row("/master/gain", judges.master_gain, ("/master/gain -12", "/master/gain -60"), ("p.gain = -12", "p.gain = -60")),
    Row(
        "/preset/save",
        judges.preset_save,
        ("/preset/save pd",),
        ('p.savePreset("sclang", { |path| ~post.("done /preset/save", path) })',),
    ),
    Row(
        "/preset/load",
        judges.preset_load,
        ("/preset/load kept 300", "/preset/load kept"),
        (
            'p.loadPreset("kept", 0.3, { |name| ~post.("done /preset/load", name) })',
            'p.loadPreset("kept")',
        ),
    ),
    Row(
        "/preset/list",
        judges.preset_list,
        ("/preset/list",),
        ('p.presets({ |names| ~post.("preset list.reply", *names) })',),
    ),
    Row(
        "/scene/load",
        judges.scene_load,
        ("/scene/load calm", "/scene/load 2"),
        (
            '~answer.(\'/done\'); p.send("/scene/load", "calm")',
            "~answer.('/done'); p.send(\"/scene/load\", 2)",
        ),
    ),
    Row("/scene/next", judges.scene_next, ("/scene/next",), ("~answer.('/done'); p.send(\"/scene/next\")",)),
    Row(
        "/scene/list", judges.scene_list, ("/scene/list",), ("~answer.('/scene/list.reply'); p.send(\"/scene/list\")",)
    ),
    Row(
        "/record",
        judges.record,
        ("record pd.wav", "record"),
        ("~answer.('/done'); p.record(\"sclang.wav\")", "~answer.('/done'); p.stopRecording"),
    ),
    Row(
        "/clearSched",
        judges.clear_sched,
        ("clearSched",),
        ("p.latency = 1.1; ~probe.pan = 1; p.latency = nil", "p.clearSched"),
    ),
    Row(
        "/clock",
        judges.clock,
        ("/clock",),
        ('p.clock({ |milliseconds| ~post.("clock.reply", milliseconds) })',),
    ),
    Row(
        "/status",
        judges.status,
        ("status",),
        ('p.status({ |state| ~post.("status.reply", state.version, state.rate, state.streamPort, state.voices) })',),
    ),
    Row("/ping", judges.ping, ("ping",), ("~answer.('/pong'); p.send(\"/ping\")",)),
    Row("/version", judges.version, ("version",), ("~answer.('/version.reply'); p.send(\"/version\")",)),
    Row(
        "/sync",
        judges.sync,
        ("/creek/load stream, sync 7",),
        ('~answer.(\'/done\'); p.voice(\\creek).load("stream"); p.sync({ ~post.("synced") })',),
    ),
    Row(
        "/notify",
        judges.notify,
        ("notify 1", "notify 0, sync 7", "sync 8"),
        (
            '~told = { |voice, what ... values| ~post.("probe", what, *values) }; ~probe.addDependant(~told); p.notify',
            'p.notify(false); p.sync({ ~post.("synced") })',
            'p.sync({ ~post.("synced"); ~probe.removeDependant(~told) })',
        ),
    ),
)
RANGES = {row.address: row for row in TABLE if row.high is not None and row.address != "/notify"}


def beyond(row: Parameter) -> dict[str, tuple[str, ...]]:
    """Return, by program, the steps that set a row above its range and below it."""
    assert row.low is not None and row.high is not None
    address = row.address.replace("/V/", "/probe/").replace("NAME", "high")
    values = (f"{row.high + 1:.1f}", f"{row.low - 1:.1f}")
    return {
        "pd": tuple(f"{address} {value}" for value in values),
        "sclang": tuple(f'p.send("{address}", {value})' for value in values),
    }


@pytest.fixture(scope="module")
def stage(voices: dict[str, Voice], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(voices, tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="module", params=[PdPlayer, SclangPlayer], ids=["pd", "sclang"])
def player(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Player]:
    kind = request.param
    scripts = {row.address: getattr(row, kind.name) for row in ROWS}
    scripts |= {f"beyond {address}": beyond(row)[kind.name] for address, row in RANGES.items()}
    with kind(stage.server.port, scripts) as player:
        yield player
        player.check()


def test_no_row_of_the_table_is_left_out() -> None:
    assert [row.address for row in ROWS] == [row.address for row in TABLE]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.address)
def test_it_does_what_the_table_says(row: Row, player: Player, stage: Stage) -> None:
    stage.reset()
    turn = Turn(player, row.address)
    row.judge(stage, turn)
    turn.end()


def test_what_is_out_of_range_is_clamped_and_told(player: Player, stage: Stage) -> None:
    stage.reset()
    for address, row in RANGES.items():
        turn = Turn(player, f"beyond {address}")
        own = address.replace("/V/", "/probe/").replace("NAME", "high")
        for limit in (row.high, row.low):
            turn.play()
            told = stage.told.wait("/clamped", lambda message, own=own: message.args[0] == own)  # type: ignore[misc]
            assert told.args[1] == limit and stage.value(own) == (limit,)
        turn.end()
