"""The quark: its help is whole, its examples are code, its Specs are the table, its tests stay out of the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from petrichor.parameters import SERVER_COMMANDS, TABLE, VOICE_PARAMETERS
from tests.patches.process import PATCHES
from tests.patches.supercollider import Sclang

FOLDER = PATCHES / "supercollider"
HELP = sorted((FOLDER / "HelpSource").rglob("*.schelp"))
CLASSES = sorted(path.stem for path in (FOLDER / "HelpSource" / "Classes").glob("*.schelp"))

_REPORT = """
PetrichorVoice.specs.keysValuesDo {{ |key, spec|
    "SPEC % % % % %".format(key, spec.minval, spec.maxval, spec.default, spec.units).postln
}};
[{classes}].do {{ |class|
    class.methods.do {{ |method| "METHOD % %".format(class.name, method.name).postln }};
    class.class.methods.do {{ |method| "METHOD % *%".format(class.name, method.name).postln }}
}};
[{examples}].do {{ |path| File.readAllString(path).compile ?? {{ "BAD %".format(path).postln }} }};
[{help}].do {{ |path| SCDoc.parseFileFull(path) ?? {{ "BAD %".format(path).postln }} }};
"TESTS %".format(\\TestPetrichor.asClass).postln;
"QUARK %".format(thisProcess.interpreter.compileFile("{quark}").value.version).postln;
0.exit
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a sclang that has the whole folder, as from a quark, says of it."""
    folder = tmp_path_factory.mktemp("examples")
    for path in HELP:
        for number, block in enumerate(examples(path)):
            (folder / f"{path.stem}-{number}.scd").write_text(block)
    code = _REPORT.format(
        classes=", ".join(CLASSES),
        examples=quoted(sorted(folder.iterdir())),
        help=quoted(HELP),
        quark=FOLDER / "petrichor.quark",
    )
    with Sclang(code, ["."]) as sclang:
        sclang.wait_line("^QUARK")
        sclang.wait_end()
        sclang.check()
    return sclang.lines


def examples(path: Path) -> list[str]:
    return re.findall(r"^code::\n(.*?)^::$", path.read_text(), re.MULTILINE | re.DOTALL)


def quoted(paths: list[Path]) -> str:
    return ", ".join(json.dumps(str(path)) for path in paths)


def test_specs_are_the_table(report: list[str]) -> None:
    specs = {line.split()[1]: line.split(maxsplit=5)[2:] for line in report if line.startswith("SPEC ")}
    rows = {name.removesuffix("/NAME"): row for name, row in VOICE_PARAMETERS.items() if row.low is not None}
    assert set(specs) == {*rows, "latent"}
    for name, row in rows.items():
        low, high, default, *unit = specs[name]
        assert (float(low), float(high)) == (row.low, row.high), name
        assert float(default) == row.default or row.default is None, name
        assert "".join(unit) == row.unit.partition("(")[0].strip().replace("standard deviations", "sd"), name
    assert [float(each) for each in specs["latent"][:2]] == [
        -VOICE_PARAMETERS["truncation"].high,
        VOICE_PARAMETERS["truncation"].high,
    ], "latents are clipped to the truncation"
    assert SERVER_COMMANDS["/master/gain"].low == float(specs["gain"][0])


def test_every_row_of_the_table_is_explained() -> None:
    guide = (FOLDER / "HelpSource" / "Guides" / "Petrichor-Guide.schelp").read_text()
    for row in TABLE:
        found = re.search(rf"^## teletype::{re.escape(row.address)}:: \|\| (\S+)(.*) \|\| (.*)$", guide, re.MULTILINE)
        assert found, row.address
        assert found[1] == (row.tags or "–")
        assert found[2] == ("" if row.low is None else f" {row.low:.0f}…{row.high:.0f}{suffix(row.unit)}"), row.address
        assert found[3].replace("teletype::", "`").replace("::", "`").startswith(row.meaning), row.address


def suffix(unit: str) -> str:
    return f" {unit}" if unit in ("dB", "ms") else ""


def test_every_example_is_code(report: list[str]) -> None:
    assert sum(len(examples(path)) for path in HELP) > 20
    assert not [line for line in report if line.startswith(("BAD", "WARNING"))]


def test_every_method_is_explained(report: list[str]) -> None:
    """Also: no help of what is not there."""
    for name in CLASSES:
        text = (FOLDER / "HelpSource" / "Classes" / f"{name}.schelp").read_text()
        of_class, of_instance = text.split("\ninstancemethods::")
        told = {f"*{each}" for each in names(of_class)} | {*names(of_instance)}
        there = {line.split()[2].removesuffix("_") for line in report if line.startswith(f"METHOD {name} ")}
        assert told - there == set(), name
        assert there - told == set(), name


def names(text: str) -> list[str]:
    lines = re.findall(r"^(?:method|private):: (.*)$", text, re.MULTILINE)
    return [each.strip() for line in lines for each in line.split(",")]


def test_it_is_a_quark_whose_tests_are_not_loaded(report: list[str]) -> None:
    assert "TESTS nil" in report
    assert "QUARK 0.1.0" in report
