"""The conditions under which training stops and says why."""

from __future__ import annotations

from pathlib import Path


class TrainingError(Exception):
    """Base of every error that the training command reports without a traceback."""


class RecipeError(TrainingError):
    """A recipe setting is unknown, of the wrong type, or outside its range."""

    def __init__(self, setting: str, got: object, expected: str) -> None:
        """Keep the setting's dotted name, what was got and what was expected."""
        super().__init__(f"recipe setting {setting}: got {got!r}, expected {expected}")
        self.setting = setting
        self.got = got
        self.expected = expected


class DataError(TrainingError):
    """A folder of recordings or a prepared cache cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the path and the reason."""
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class WindowError(TrainingError):
    """A recording gives no training window."""


class CheckpointError(TrainingError):
    """A run folder's checkpoint does not belong to this recipe or is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the path and the reason."""
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class DivergedError(TrainingError):
    """A loss is no longer a number; the last good checkpoint is untouched."""

    def __init__(self, epoch: int, step: int, diagnosis: str) -> None:
        """Keep where it happened and what was found."""
        super().__init__(f"training diverged in epoch {epoch}, step {step}: {diagnosis}")
        self.epoch = epoch
        self.step = step
        self.diagnosis = diagnosis


class ExportError(TrainingError):
    """The network could not be converted, or what was converted sounds different."""


class EvaluationError(TrainingError):
    """A voice cannot be played for its figures, or two things cannot be compared."""
