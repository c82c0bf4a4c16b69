"""The blocks of both .scd files, run as a player runs them, with a real scsynth: twice, out of order, after Cmd-Period.

The control server is one of the parameter table, the sound is noise.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from petrichor.parameters import VOICE_PARAMETERS
from tests.patches.jack import Jack
from tests.patches.process import PATCHES, wait_for
from tests.patches.stream_server import StreamServer, noise
from tests.patches.supercollider import Sclang, Scsynth
from tests.patches.table_server import VOICES, TableServer

FOLDER = PATCHES / "supercollider"
HINT = "Run block 1 first: it makes the sound."

# Every block is a file of its own, which ~run evaluates by its number. %RUN% is filled in, as all in percents.
_PLAYER = """
s = Server.remote(\\test, NetAddr("127.0.0.1", %SCSYNTH%));
Server.default = s;
~files = %FILES%;
~synths = {
    100.do { p !? { p.streams.any { |each| each.isPlaying && each.connected.not }.if { 0.1.wait } } };
    s.sync;
    s.sendStatusMsg;
    s.sync;
    0.1.wait;
    s.numSynths
};
~say = { |... what| ("SAYS" + what.join(" ")).postln };
~run = { |file, number|
    "BLOCK % %".format(file, number).postln;
    ~files[file][number].load;
    0.12.wait;
    #[1, 9].includes(number).if { 100.do { p.isPlaying.not.if { 0.05.wait } } } // they wait for scsynth
};
~all = { |file| (1..~files[file].lastIndex).do { |number| ~run.(file, number) } };
~waiting = { CmdPeriod.objects.count { |each| each.class.name.asString.beginsWith("Petrichor") } };
s.doWhenBooted { fork({
    ~synths.();
    ~groups = s.numGroups;
    %RUN%
    0.exit
}, AppClock) };
"""

_TRY = """
    ((2 .. 8) ++ (10 .. 19)).do { |number| ~run.(\\try, number) };
    2.do {
        (1..18).do { |number| ~run.(\\try, number) };
        ~say.("synths", ~synths.(), p.streams.size, p.dependants.size, p.rain.dependants.size)
    };
    ~run.(\\try, 9);
    CmdPeriod.run;
    0.2.wait;
    ~say.("silence", p.isPlaying, ~synths.());
    ~run.(\\try, 3);
    p.latency = 0.2;
    ~run.(\\try, 1);
    1.wait;
    ~say.("again", p.isPlaying, p.streams.size, ~synths.(), p.latency);
    ServerQuit.run(s);
    ~say.("quit", p.isPlaying);
    ~run.(\\try, 1);
    1.wait;
    ~run.(\\try, 18);
    ~run.(\\try, 19);
    ~run.(\\try, 19);
    ~say.("end", p, ~synths.(), s.numGroups - ~groups, ~waiting.());
"""

_SET = """
    ~all.(\\set);
    ~say.("after", p, ~scene);
    [3, 4].do { |number| ~run.(\\set, number) };
    ~all.(\\set);
    [1, 3, 4].do { |number| ~run.(\\set, number) };
    ~say.("plays", p.isPlaying, ~scene);
    CmdPeriod.run;
    [3, 4].do { |number| ~run.(\\set, number) };
    [1, 3].do { |number| ~run.(\\set, number) };
    ~say.("goes on", ~scene);
    ~run.(\\set, 8);
    ~say.("end", p, ~synths.());
"""


def blocks(file: str) -> dict[int, str]:
    """Return the blocks of a file by their numbers."""
    text = (FOLDER / file).read_text()
    found = re.findall(r"^// (\d+)\. .*?\n(\(\n.*?^\)$)", text, re.MULTILINE | re.DOTALL)
    return {int(number): block for number, block in found}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Jack() as jack, Scsynth(jack) as scsynth, StreamServer(noise()) as stream:
        yield Stage(scsynth, stream, tmp_path_factory.mktemp("blocks"))


class Stage:
    """A scsynth and a sound to play in it."""

    def __init__(self, scsynth: Scsynth, stream: StreamServer, folder: Path) -> None:
        self._scsynth, self._stream, self._folder = scsynth, stream, folder

    def play(self, run: str) -> tuple[list[str], TableServer]:
        """Run some blocks; returns what sclang said, and the control server as it was left."""
        with TableServer() as server:
            code = _PLAYER.replace("%SCSYNTH%", str(self._scsynth.port)).replace("%RUN%", run)
            with Sclang(code.replace("%FILES%", self._write(server.port))) as sclang:
                sclang.wait_end(60)
        assert "ERROR" not in sclang.output, sclang.output
        assert "FAILURE" not in sclang.output, sclang.output
        return sclang.lines, server

    def _write(self, port: int) -> str:
        """Write every block into a file; returns an Event of lists of their paths."""
        lists = []
        for name, file in (("try", "petrichor.scd"), ("set", "petrichor-set.scd")):
            there = blocks(file)
            paths = []
            for number in range(max(there) + 1):
                path = self._folder / f"{name}-{number}.scd"
                here = f'Petrichor("127.0.0.1", {port}, {self._stream.port})'
                block = there.get(number, "").replace("Petrichor.new", here)
                path.write_text(block.replace("elapsedTime + 10", "elapsedTime + 0.3"))  # listens no longer
                paths.append(json.dumps(str(path)) if number in there else "nil")
            lists.append(f"{name}: [{', '.join(paths)}]")
        return f"({', '.join(lists)})"


def said(lines: list[str], what: str) -> list[list[str]]:
    """Return what `~say` has posted under a name, by words."""
    return [line.split()[2:] for line in lines if line.startswith(f"SAYS {what}")]


def test_everything_twice(stage: Stage) -> None:
    lines, server = stage.play(_TRY)
    assert lines.count(HINT) == 16 + 1, "without block 1 all but 1, 9 and 19 say what to do; one does after Cmd-Period"
    assert said(lines, "synths") == [["3", "1", "1", "1"]] * 2, (
        "the player, the reverb and the wind, however often a block has run"
    )
    assert said(lines, "silence") == [["false", "0"]]
    assert said(lines, "again") == [["true", "1", "1", "nil"]], "block 1 brings the sound back, and sends nothing ahead"
    assert said(lines, "quit") == [["false"]]
    assert said(lines, "end") == [["nil", "0", "0", "0"]], "nothing is left: synths, groups, who waits for Cmd-Period"
    assert "Petrichor: recording into /recordings/from-supercollider-" in "\n".join(lines)
    assert "Petrichor: recorded 1.3 s into /recordings/from-supercollider-" in "\n".join(lines), "Cmd-Period ends it"
    assert not server.recording
    assert not server.notified
    for voice in VOICES:
        for name, row in VOICE_PARAMETERS.items():
            if row.default is not None:
                assert server.values[f"/{voice}/{name}"] == pytest.approx((row.default,)), (voice, name)
        assert server.values[f"/{voice}/direction/brightness"] == (0,)
        assert server.values[f"/{voice}/truncation"] == (2.0,), "as it was first told"
        assert server.values[f"/{voice}/seed"] == (1,)
    assert server.values["/master/gain"] == (0,)


def test_the_piece_twice(stage: Stage) -> None:
    lines, _ = stage.play(_SET)
    assert said(lines, "after") == [["nil", "-1"]]
    assert lines.count(HINT) == 2 + 2, "blocks 3 and 4 after the end, and after Cmd-Period"
    assert said(lines, "plays") == [["true", "0"]], "the end is no end for good"
    assert said(lines, "goes") == [["on", "1"]], "after Cmd-Period and block 1 comes the next scene"
    assert said(lines, "end") == [["nil", "0"]]


def test_the_folder_is_a_quark(tmp_path: Path) -> None:
    """As README.md beside the files says."""
    folder = tmp_path / "petrichor"
    shutil.copytree(FOLDER, folder)
    code = f'Quarks.install("{folder}"); LanguageConfig.includePaths.do(_.postln); 0.exit'
    with Sclang(code, folders=[]) as sclang:
        sclang.wait_line(f"^{folder}$", 60)
        sclang.wait_end()
        sclang.check()


def test_block_0_installs_the_classes(tmp_path: Path) -> None:
    """A sclang that has none finds them where the file is, and compiles itself anew."""
    folder = tmp_path / "supercollider"
    shutil.copytree(FOLDER, folder)
    for file in folder.glob("*.scd"):
        file.unlink()
    block = folder / "block.scd"
    block.write_text(blocks("petrichor.scd")[0])
    with Sclang(json.dumps(str(block)) + ".load;", folders=[]) as sclang:
        sclang.wait_line(f"^\\s+Compiling directory '{folder}'", 60)
        wait_for(lambda: sclang.lines.count("compile done") == 2, 60, lambda: sclang.output)
        sclang.check()
