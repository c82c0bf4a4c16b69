"""Live sets: read and checked without a server, then one performance on a real one."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from petrichor.bench.client import Client
from petrichor.command_line import main
from petrichor.errors import OptionError
from petrichor.live_set import read_live_set
from petrichor.live_set_check import check_live_set
from tests.live_server import live_server, wait_until

ROOT = Path(__file__).parents[2]
SET = """
[serve]
device = "none"
seed = 7
recordings = "takes"

[voice.bird]
intensity = 0.25
gain = -6

[voice.drops]
file = "stream"
drift = 0.25

[master]
gain = -3

[[scene]]
name = "calm"
preset = "presets/calm"

[[scene]]
name = "storm"
seconds = 0.2
[scene.voice.drops]
intensity = 0.9
[scene.master]
gain = -1.5

[[map]]
from = "/1/fader1"
to = "/drops/intensity"

[[map]]
from = "/1/fader1"
to = "/*/pan"
low = -1
high = 0.5

[[map]]
from = "/1/push1"
to = "/scene/next"
"""


@pytest.fixture
def stage(tmp_path: Path, voice_paths: dict[str, Path]) -> Path:
    """A folder with a set, a preset and voices."""
    for name in ("bird", "stream"):
        (tmp_path / "voices").mkdir(exist_ok=True)
        shutil.copy(voice_paths[name], tmp_path / "voices" / f"{name}.voice")
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "calm.toml").write_text("[voice.bird]\nintensity = 0.125\n")
    (tmp_path / "presets" / "loud.toml").write_text("[voice.bird]\ngain = 40\n")
    (tmp_path / "set.toml").write_text(SET)
    return tmp_path


def test_a_set_is_read_with_its_paths_beside_it(stage: Path) -> None:
    live_set = read_live_set(stage / "set.toml")
    assert live_set.serve == {"device": "none", "seed": 7, "recordings": stage / "takes"}
    assert live_set.start.voices["bird"] == {"intensity": (0.25,), "gain": (-6,)}
    assert live_set.start.files == {"bird": "bird", "drops": "stream"} and live_set.start.master == {"gain": (-3,)}
    assert [(scene.name, scene.seconds) for scene in live_set.scenes] == [("calm", 0.0), ("storm", 0.2)]
    assert live_set.scenes[1].preset.files == {"drops": "stream"}, "what it began with"
    assert live_set.scenes[0].preset.voices == {"bird": {"intensity": (0.125,)}}
    assert [(each.source, each.target, each.low, each.high) for each in live_set.maps] == [
        ("/1/fader1", "/drops/intensity", 0.0, 1.0),
        ("/1/fader1", "/*/pan", -1.0, 0.5),
        ("/1/push1", "/scene/next", 0.0, 1.0),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[voice", "set.toml: "),
        ("[voices.rain]", "got voices, expected serve, voice, master, scene, map"),
        ("[serve]\nhost = '0.0.0.0'", "got serve.host, expected port, stream_port"),
        ("[serve]\nport = 'http'", "serve.port is 'http', expected a whole number"),
        ("[serve]\nstream_port = 70000", "serve.stream_port: got 70000, expected 0…65535"),
        ("[serve]\nvoices = 'nowhere'", "serve.voices: .*nowhere is not a folder"),
        ("[voice.bird]\ngain = 'loud'", "voice.bird.gain is 'loud', expected a finite number"),
        ("[voice.bird]\ngain = 40", "voice.bird.gain is 40, expected -60…12"),
        pytest.param("voice = " + 5000 * "[", "without end", id="lists in lists"),
        ("[serve]\nvoices = '~nobody-knows-them/v'", "serve.voices is '~nobody-knows-them/v'"),
        ("[[scene]]\nname = 'a'\npreset = 'presets/loud'", r"scene 1 \(a\): voice.bird.gain is 40, expected"),
        ("[master]\npan = 0", "got master.pan, expected"),
        ("[voice.parrot]", "voice.parrot.file is 'parrot', expected a voice of .*: bird, stream"),
        ("[voice.bird]\nlatent = [1, 2]", "voice.bird.latent has 2 numbers, expected 8"),
        ("[voice.bird]\ndirection = { dark = 1 }", "voice.bird.direction is 'dark', expected one of"),
        ("[scene]\nname = 'a'", r"scene is .*, expected \[\[scene\]\]"),
        ("[[scene]]\npreset = 'presets/calm'", "scene 1: name is None, expected"),
        ("[[scene]]\nname = 'a'", r"scene 1 \(a\): got neither, expected either preset or"),
        ("[[scene]]\nname = 'a'\npreset = 'gone'", r"scene 1 \(a\): preset is 'gone': .*gone.toml cannot be read"),
        ("[[scene]]\nname = 'a'\nseconds = -1\npreset = 'presets/calm'", "seconds is -1, expected 0…3600"),
        ("[[scene]]\nname = 'a'\n[scene.voice.bird]\npan = 2", r"scene 1 \(a\): voice.bird.pan is 2, expected -1…1"),
        ("[[scene]]\nname = 'a'\npreset = 'presets/calm'\n" * 2, "scene 2: name is 'a', expected another"),
        ("[[map]]\nfrom = '/1'", "map 1: to is None, expected a text"),
        ("[[map]]\nfrom = '/1'\nto = '/parrot/gain'", "map 1: to is '/parrot/gain', expected a voice that is there: b"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/colour'", "map 1: to is '/bird/colour', expected an address of ours"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/latent/0'", "map 1: low is missing, expected a number"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/latent/8'\nlow = -1\nhigh = 1", "expected a coordinate 0…7"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/direction/dark'", "its direction is 'dark', expected one of"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/gain'\ncurve = 'x**2'", "curve is 'x\\*\\*2', expected one of linear"),
        ("[[map]]\nfrom = '/1'\nto = '/bird/gain'\nlow = '1'", "map 1: low is '1', expected a number"),
    ],
)
def test_faults_are_told_before_the_server_starts(
    stage: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    (stage / "set.toml").write_text(text)
    status = main(["serve", str(stage / "set.toml"), "--port", "0", "--device", "none", *_voices(stage, text)])
    told = capsys.readouterr().err
    assert status == 1 and told.startswith("petrichor: set.toml: ")
    assert re.search(reason, told), told


def _voices(stage: Path, text: str) -> list[str]:
    return [] if "voices =" in text else ["--voices", str(stage / "voices")]


def test_the_example_of_the_readme_fits_the_voices_that_ship(tmp_path: Path) -> None:
    (text,) = re.findall(
        r"^## Live sets$.*?```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "set.toml").write_text(text)
    live_set = read_live_set(tmp_path / "set.toml")
    check_live_set(live_set, ROOT / "voices")
    assert (len(live_set.start.voices), len(live_set.scenes), len(live_set.maps)) == (2, 2, 4)


def test_a_set_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path / "gone.toml")]) == 1
    assert "gone.toml: cannot be read (No such file" in capsys.readouterr().err


def test_a_broken_voice_is_told_where_its_latent_matters(stage: Path) -> None:
    (stage / "set.toml").write_text("[voice.bird]\nlatent = [1, 2]")
    (stage / "voices" / "bird.voice").write_bytes(b"no zip")
    with pytest.raises(OptionError, match=r"^set.toml: bird.voice: not a whole zip"):
        check_live_set(read_live_set(stage / "set.toml"), stage / "voices")


def test_options_that_are_given_go_before_those_of_the_set(stage: Path, voice_paths: dict[str, Path]) -> None:
    (stage / "set.toml").write_text("[serve]\nport = 70000")
    code = "import sys; from petrichor.command_line import _parser; print(vars(_parser({'port': 1, 'rate': 8000})\
.parse_args(['serve', 'x', '--port', '2'])))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'port': 2" in told and "'rate': 8000" in told and "'ahead': 256" in told


def test_a_performance(stage: Path) -> None:
    with contextlib.ExitStack() as stack:
        options = str(stage / "set.toml"), "--ahead", "512"
        server = stack.enter_context(live_server(stage / "voices", stage / "recordings", "none", *options))
        assert {name for name, _, _ in server.status()["voices"]} == {"bird", "drops", "stream"}  # type: ignore[attr-defined]

        client = stack.enter_context(contextlib.closing(Client(server.port)))  # not notified: it hears answers only

        def asked(address: str) -> float:
            return float(str(client.ask(address, "?", reply=address).args[0]))

        assert asked("/bird/intensity") == 0.25 and asked("/bird/gain") == -6.0
        assert asked("/drops/drift") == 0.25 and asked("/master/gain") == -3.0
        client.send("/1/fader1", 0.75)
        assert asked("/drops/intensity") == 0.75 and asked("/bird/pan") == 0.125
        assert client.ask("/scene/list", reply="/scene/list.reply").args == ("calm", "storm")
        client.send_at(time.time() + 0.3, ("/1/fader1", 0.5), ("/1/push1", 0.0))
        assert asked("/drops/intensity") == 0.75, "not before its time"
        wait_until(lambda: asked("/drops/intensity") == 0.5, "the timed fader")
        assert client.ask("/1/push1", 1.0, reply="/done").args == ("/scene/next", "calm")
        assert asked("/bird/intensity") == 0.125
        assert client.ask("/scene/load", 2.0, reply="/done").args == ("/scene/load", "storm")
        assert asked("/drops/intensity") == pytest.approx(0.9) and asked("/master/gain") == -1.5
        assert "'storm' is the last" in str(client.ask("/scene/next", reply="/fail").args[1])
        assert "there: calm, storm" in str(client.ask("/scene/load", "hail", reply="/fail").args[1])
        assert client.ask("/scene/load", "calm", reply="/done").args == ("/scene/load", "calm")
        for address, args in (("/1/fader1", ("loud",)), ("/1/fader2", (0.5,)), ("/scene/load", ())):
            assert client.ask(address, *args, reply="/fail").args[0] == address


def test_a_voice_that_is_late_begins_as_the_set_says(stage: Path) -> None:
    """Its file is broken at first."""
    whole = (stage / "voices" / "bird.voice").read_bytes()
    (stage / "voices" / "bird.voice").write_bytes(b"no zip")
    (stage / "set.toml").write_text("[voice.bird]\nintensity = 0.25\nmute = 1\nfreeze = 1")
    with live_server(stage / "voices", stage / "recordings", "none", str(stage / "set.toml")) as server:
        (stage / "voices" / "bird.voice").write_bytes(whole)
        server.client.wait("/bird/loaded")
        with contextlib.closing(Client(server.port)) as client:
            for parameter, value in (("intensity", 0.25), ("mute", 1), ("freeze", 1)):
                assert client.ask(f"/bird/{parameter}", "?", reply=f"/bird/{parameter}").args == (value,)
