"""The harness itself: what Pd complains of fails a test."""

from __future__ import annotations

import pytest

from tests.patches.pure_data import PureData

_HEAD = "#N canvas 0 0 300 200 12;\n"
_SEND = "#X obj 10 10 loadbang;\n#X msg 10 30 {};\n#X obj 10 60 {};\n#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n"


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ("#X obj 10 10 no-such-object-here;\n", "couldn't create"),
        (_SEND.format("florp 1", "+"), "no method for"),
        (_SEND.format("connect no.such.host.invalid 9", "netsend -u -b"), "error:"),
    ],
)
def test_a_complaint_is_noticed(patch: str, complaint: str) -> None:
    with PureData(_HEAD + patch) as pd:
        pd.wait_line(complaint)
        with pytest.raises(AssertionError, match=complaint):
            pd.check()


def test_a_sound_patch_passes() -> None:
    with PureData(_HEAD + "#X obj 10 10 loadbang;\n#X obj 10 60 print;\n#X connect 0 0 1 0;\n") as pd:
        pd.wait_line("^print: bang$")
        pd.check()
