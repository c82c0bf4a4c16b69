"""The next step's batches, drawn while the present step is computed: a fast GPU would wait for them otherwise."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petrichor_training.run import Batch, Run

Place = tuple[int, int]  # epochs finished, steps taken in the unfinished one


class Ahead:
    """Draws batches one step ahead, in a thread.

    Args:
        run: Whose batches; where it is, is looked at each time.
    """

    def __init__(self, run: Run) -> None:
        """Draw nothing yet."""
        self._run = run
        self._thread = ThreadPoolExecutor(1, "batches")
        self._drawn: tuple[Place, Future[list[Batch]]] | None = None

    def take(self) -> list[Batch]:
        """Return the batches of the step that the run is at, and begin to draw those of the step after it."""
        run, place = self._run, (self._run.epoch, self._run.within)
        if self._drawn is None or self._drawn[0] != place:
            self._begin(place)
        assert self._drawn is not None
        batches = self._drawn[1].result()
        self._begin((run.epoch, run.within + 1) if run.within + 1 < run.steps_per_epoch else (run.epoch + 1, 0))
        return batches

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _begin(self, place: Place) -> None:
        self._drawn = place, self._thread.submit(self._run.batches, *place)
