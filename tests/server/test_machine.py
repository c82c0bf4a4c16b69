"""A test is tried again only where the machine stood still, and then it is."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.machine import LONGEST, SHARE, Machine, Watch

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("standstills", "kept", "still"),
    [
        ([], 0.0, False),
        ([LONGEST / 2], 0.0, False),
        ([2 * LONGEST], 0.0, True),
        ([LONGEST / 2] * 5 * len(os.sched_getaffinity(0)), 0.0, True),
        ([], 0.5 * SHARE, False),
        ([], 2.0 * SHARE, True),
    ],
)
def test_what_counts_as_standing_still(
    monkeypatch: pytest.MonkeyPatch, standstills: list[float], kept: float, still: bool
) -> None:
    """In a test of a second, on as many cores as there are."""
    total = [7.0]
    machine = Machine(lambda begin, end: standstills, lambda: total[0])
    begun = time.monotonic()
    machine.begin()
    total[0] += kept * (os.cpu_count() or 1)
    monkeypatch.setattr(time, "monotonic", lambda: begun + 1.0)
    assert machine.stood_still() == still


def test_a_failure_is_excused_where_a_core_stood_still() -> None:
    watch = Watch()
    assert not watch.excuses(AssertionError()), "nobody has watched"
    watch.begin()
    try:
        if not watch.watched:
            pytest.skip("no real-time priority on this machine")
        os.kill(watch.watchers[0], signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(watch.watchers[0], signal.SIGCONT)
        time.sleep(0.1)
        assert not watch.excuses(None), "it passed"
        assert watch.excuses(AssertionError())
    finally:
        watch.close()


@pytest.mark.parametrize("still", [False, True])
def test_a_failure_counts_at_once_unless_the_machine_stood_still(pytester: pytest.Pytester, still: bool) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.flaky(reruns=2, condition=lambda: {still}))
        """
    )
    pytester.makepyfile("tries = []\ndef test_it():\n    tries.append(1)\n    assert len(tries) > 2")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=still, failed=not still)
    assert result.parseoutcomes().get("rerun", 0) == 2 * still
