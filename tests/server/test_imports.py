"""Who may import whom: the server never training nor TensorFlow; training only the contract.

The contract is the voice file, and the pure functions that say what its latents and images stand for.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACT = {
    "petrichor",
    "petrichor.errors",
    "petrichor.inversion",
    "petrichor.latent",
    "petrichor.mel",
    "petrichor.voice_file",
}


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Give (file, imported module) for every import statement below `folder`."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} has a relative import"
                yield path.name, node.module or ""


def test_server_imports_neither_training_nor_tensorflow() -> None:
    banned = ("tensorflow", "keras", "petrichor_training")
    found = [row for row in imports(ROOT / "server" / "petrichor") if row[1].split(".")[0] in banned]
    assert not found


def test_training_imports_only_the_contract() -> None:
    rows = list(imports(ROOT / "training" / "petrichor_training"))
    assert rows
    found = [row for row in rows if row[1].split(".")[0] == "petrichor" and row[1] not in CONTRACT]
    assert not found


def test_running_server_has_loaded_no_tensorflow() -> None:
    code = "import sys, petrichor.server, petrichor.renderer, petrichor.play; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "petrichor.audio" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("tensorflow", "keras", "petrichor_training")]
