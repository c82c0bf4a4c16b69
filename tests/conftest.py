"""Fixtures that every test may use."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from petrichor.voice_file import Voice, read_voice
from tests.machine import TRIES, Watch
from tests.tiny_voices import break_voice, build_voices

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start what runs in the background deaf to Ctrl-C, and servers would inherit it: tests are to end them so.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LIVE = [Path(__file__).parent / folder for folder in ("server", "patches")]  # what is to sound in real time
WATCH = Watch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests of sound tried again where the machine stood still; see `tests.machine`."""
    for item in items:
        if item.path.parent in LIVE:
            again = {"reruns": TRIES - 1, "condition": WATCH.excuses, "rerun_except": "Timeout"}  # of pytest-timeout
            item.add_marker(pytest.mark.flaky(**again))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to watch."""
    if item.get_closest_marker("flaky"):
        if getattr(item, "execution_count", 1) > 1:
            WATCH.wait()
        WATCH.begin()


def pytest_sessionfinish() -> None:
    """End it."""
    WATCH.close()


@pytest.fixture(scope="session")
def voice_paths(pytestconfig: pytest.Config) -> dict[str, Path]:
    """Paths of the tiny voices "bird", "rain" and "stream"; copy them before changing anything."""
    return build_voices(Path(pytestconfig.cache.mkdir("tiny_voices")))


@pytest.fixture(scope="session")
def voices(voice_paths: dict[str, Path]) -> dict[str, Voice]:
    """The tiny voices, read."""
    return {name: read_voice(path) for name, path in voice_paths.items()}


@pytest.fixture
def broken_voice(voice_paths: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """`broken_voice(how, name="bird")` writes a broken voice file; for `how` see `tiny_voices.break_voice`."""
    return lambda how, name="bird": break_voice(voice_paths[name], tmp_path / f"broken_{how}.voice", how)
