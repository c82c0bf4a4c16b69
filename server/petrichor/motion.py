"""Where latent vector and intensity are, on their way to where a performer wants them.

Directions move the latent vector, `glide` says how long anything takes, `drift` lets it wander, `freeze` holds it. All
goes in steps of one length and draws from the seed alone: the same messages give the same way, live and offline.
Owned by a take; called by the block loop of one renderer process.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np

from petrichor.controls import Controls
from petrichor.latent import clip, generator
from petrichor.voice_file import Voice

WANDER_SECONDS = 20.0  # a walk forgets where it was in about that time
SMOOTH_SECONDS = 4.0  # and turns in no less than that
DRIFT_SECONDS = 1.0  # in which drift itself sets in or ends, at the least: the walk may be far away
WALK = 3  # key of the walk's generator beside the seed: others draw noise and strays

T = TypeVar("T", float, np.ndarray)


class Ramp(Generic[T]):
    """A straight way to a goal, in steps.

    Attributes:
        value: Where it is.
        goal: Where it goes.
    """

    def __init__(self, value: T) -> None:
        """Rest at `value`."""
        self.value: T = value
        self.goal: T = value
        self._left = 0  # steps

    @property
    def resting(self) -> bool:
        """Whether it has arrived."""
        return not self._left

    @property
    def due(self) -> bool:
        """Whether the next step is the last."""
        return self._left == 1

    def to(self, goal: T, steps: int) -> None:
        """Set out for another goal, to be there in `steps` steps, at least one."""
        self.goal = goal
        self._left = max(1, steps)

    def step(self) -> T:
        """Go one step and return where that leads."""
        if self._left == 1:
            self.value = self.goal
        elif self._left:
            self.value = self.value + (self.goal - self.value) / self._left
        self._left = max(0, self._left - 1)
        return self.value


class Walk:
    """A smooth random walk around zero, of standard deviation 1 in every coordinate once it is far from its start.

    Args:
        size: Coordinates.
        step: Seconds of a step.
        seed: The same seed, the same walk.
    """

    def __init__(self, size: int, step: float, seed: int) -> None:
        """Start at zero."""
        self._random = generator(seed, WALK)
        self._keep = math.exp(-step / WANDER_SECONDS)
        self._follow = -math.expm1(-step / SMOOTH_SECONDS)
        self._scale = np.float32(math.sqrt(1 + SMOOTH_SECONDS / WANDER_SECONDS))  # what smoothing takes away
        self._aim = self._place = np.zeros(size, np.float32)

    def step(self) -> np.ndarray:
        """Go one step. Shape [size], float32"""
        kick = math.sqrt(1 - self._keep**2) * self._random.standard_normal(len(self._aim), np.float32)
        self._aim = np.float32(self._keep) * self._aim + kick.astype(np.float32)
        self._place = self._place + np.float32(self._follow) * (self._aim - self._place)
        return self._scale * self._place


class Motion:
    """Latent vector and intensity of a take, step by step.

    Args:
        axes: The voice's directions. Shape [directions, latent_size]
        step: Seconds of a step.
        controls: Where it starts, at rest.
        held: Where the latent vector starts instead, if not None. Shape [latent_size]

    Attributes:
        latent: Shape [latent_size], float32. Replaced, not changed, so that it may be kept.
        intensity: 0…1.
    """

    def __init__(self, axes: np.ndarray, step: float, controls: Controls, held: np.ndarray | None = None) -> None:
        """Start where the controls are."""
        self._axes, self._step = axes, step
        self._controls = controls
        self._latent = Ramp(self._target(controls) if held is None else held)
        self._intensity = Ramp(float(controls.intensity))
        self._drift = Ramp(float(controls.drift))
        self._walk = Walk(len(controls.latent), step, controls.seed)
        self._away = np.zeros(len(controls.latent), np.float32)  # by which drift has led the latent vector off
        self.latent, self.intensity = self._latent.value, self._intensity.value

    @property
    def resting(self) -> bool:
        """Whether nothing moves until the controls are others."""
        still = self._latent.resting and not self._drifting
        return self._intensity.resting and (self._controls.freeze or still)

    def advance(self, controls: Controls) -> None:
        """Go one step towards the controls."""
        if controls is not self._controls:
            self.attend(controls)
        drifting = self._drifting
        if not (controls.freeze or (self._latent.resting and not drifting)):
            if drifting:
                self._away = np.float32(self._drift.step()) * self._walk.step()
            self._step_latent()
        self.intensity = self._intensity.step()

    def hasten(self) -> None:
        """Arrive where a step would lead that is the last of its way; what else moves keeps its pace."""
        if self._latent.due and not self._controls.freeze:
            self._step_latent()
        if self._intensity.due:
            self.intensity = self._intensity.step()

    def _step_latent(self) -> None:
        self.latent = self._latent.step()
        if self._away.any():
            self.latent = clip(self.latent + self._away, self._controls.truncation)

    @property
    def _drifting(self) -> bool:
        return self._drift.value > 0 or not self._drift.resting

    def attend(self, controls: Controls) -> bool:
        """Set out for where the controls are; say whether anything is to go elsewhere."""
        elsewhere = self._controls.freeze and not controls.freeze
        hurried = controls.glide != self._controls.glide  # a way that was begun is gone in the new time
        self._controls = controls
        steps = round(controls.glide / self._step)
        target = self._target(controls)
        if not np.array_equal(target, self._latent.goal) or (hurried and not self._latent.resting):
            self._latent.to(target, steps)
            elsewhere = True
        if controls.intensity != self._intensity.goal or (hurried and not self._intensity.resting):
            self._intensity.to(float(controls.intensity), steps)
            elsewhere = True
        if controls.drift != self._drift.goal:
            self._drift.to(float(controls.drift), max(steps, round(DRIFT_SECONDS / self._step)))
            elsewhere = True
        return elsewhere

    def _target(self, controls: Controls) -> np.ndarray:
        if not controls.directions.any():
            return controls.latent.copy()  # whose it is may change it
        return clip(controls.latent + controls.directions @ self._axes, controls.truncation)


def axes_of(voice: Voice) -> np.ndarray:
    """Return a voice's directions as one matrix, in the order in which `Controls.directions` counts them.

    Returns:
        float32. Shape [directions, latent_size]
    """
    names, size = voice.info.directions, voice.info.latent_size
    return np.array([voice.arrays[f"direction/{name}"] for name in names], np.float32).reshape(len(names), size)
