"""Letting a running server play what is being learned: a voice file every so many epochs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from petrichor.voice_file import SUFFIX
from petrichor_training.errors import ExportError

if TYPE_CHECKING:
    from petrichor_training.run import Run

log = logging.getLogger(__name__)


# Exporting is TensorFlow's, whatever trains.
ENVIRONMENT = {**os.environ, "KERAS_BACKEND": "tensorflow"}


def check_place(voice: Path) -> None:
    """See that a voice can be written there.

    Raises:
        ExportError: There is no such folder, or the file would be no voice.
    """
    if voice.suffix != SUFFIX or not voice.parent.is_dir():
        raise ExportError(f"{voice} cannot be published: expected NAME{SUFFIX} in a folder that is there")


class Publisher:
    """Exports a run into the voice folder of a server, beside the training and never in its way.

    Args:
        voice: The file to write, in the folder that a server watches.
        every: Epochs between two exports.
        recipe: As it was named on the command line.
        cache: That the run is trained on.
    """

    def __init__(self, voice: Path, every: int, recipe: str, cache: Path) -> None:
        """Keep where to and how often.

        Raises:
            ExportError: See `check_place`; or `every` is less than 1.
        """
        check_place(voice)
        if every < 1:
            raise ExportError(f"--publish-every: got {every}, expected 1 or more")
        self.voice, self.every = voice, every
        self._command = [sys.executable, "-m", "petrichor_training.command_line", "export", "--quick"]
        self._command += ["--recipe", recipe]
        self._cache = cache
        self._busy: subprocess.Popen[str] | None = None
        self._skipped: Path | None = (
            None  # run whose last epoch that was due came while an earlier one was being exported
        )

    def __call__(self, run: Run, _figures: dict[str, float]) -> None:
        """Export the run as it is, if an epoch for it has ended and no earlier export is under way."""
        if run.epoch % self.every:
            return
        if self._busy is not None and self._busy.poll() is None:
            log.info("epoch %d is not published: an earlier one still is being exported", run.epoch)
            self._skipped = run.folder
            return
        self._reap()
        run.save()
        self._export(run.folder)

    def close(self) -> None:
        """Wait for an export that is under way, and make up for one that was left out since, from what was saved."""
        self._reap()
        if self._skipped is not None:
            self._export(self._skipped)
            self._reap()

    def _export(self, run: Path) -> None:
        self._skipped = None
        arguments = [str(run), "--cache", str(self._cache), "--out", str(self.voice)]
        self._busy = subprocess.Popen(
            [*self._command, *arguments],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training, which saves and waits for it
        )

    def _reap(self) -> None:
        """Wait for the export, and tell if it failed."""
        if self._busy is None:
            return
        _, said = self._busy.communicate()
        if self._busy.returncode:
            log.warning("%s was not published: %s", self.voice.name, said.strip()[-500:])
        else:
            log.info("%s is published", self.voice)
        self._busy = None
