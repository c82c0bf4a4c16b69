"""How long a run's steps take, over all the times it was gone on with. ``pace.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from petrichor_training.replacement import replacing

NAME = "pace.json"


@dataclass(frozen=True)
class Pace:
    """Steps and their time.

    Attributes:
        steps: That were timed: all but the first of each process, which compiles.
        seconds: Of computation.
    """

    steps: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, folder: Path) -> Pace:
        """Return that of a run, or nothing yet where its folder tells none."""
        try:
            return cls(**json.loads((folder / NAME).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def after(self, seconds: float) -> Pace:
        """Return it after one more step."""
        return Pace(self.steps + 1, self.seconds + seconds)

    def write(self, folder: Path) -> None:
        """Write it into a run's folder."""
        with replacing(folder / NAME) as temporary:
            temporary.write_text(json.dumps(asdict(self)), "utf-8")
