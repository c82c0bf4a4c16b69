"""The probe voices that ship with the bench are those that their module makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from petrichor.bench.rig import PITCHES as SHIPPED_PITCHES
from petrichor.bench.rig import PROBES
from petrichor.interpreter import Network
from petrichor.voice_file import read_voice
from petrichor_training.probe import PITCHES, write


def test_shipped_probes_are_what_the_module_makes(tmp_path: Path) -> None:
    assert PITCHES == SHIPPED_PITCHES
    random = np.random.default_rng(0)
    for path in write(tmp_path):
        made, shipped = read_voice(path), read_voice(PROBES[path.stem])
        assert made.info.inputs == shipped.info.inputs
        networks = [Network(voice) for voice in (made, shipped)]
        inputs = {name: 0.3 * random.standard_normal(shape, np.float32) for name, shape in made.info.inputs.items()}
        one, other = (network(inputs) for network in networks)
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-3)
