"""Glide, drift, freeze and directions: where the latent vector goes, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from petrichor.controls import Controls
from petrichor.motion import DRIFT_SECONDS, SMOOTH_SECONDS, WANDER_SECONDS, Motion, Ramp, Walk

STEP = 0.01
SIZE = 4
AXES = np.eye(2, SIZE, dtype=np.float32)


def controls(latent: float = 0.0, **others: float | bool | np.ndarray) -> Controls:
    return Controls(np.full(SIZE, latent, np.float32), 2.0, **others)  # type: ignore[arg-type]


def way(motion: Motion, wanted: Controls, steps: int) -> np.ndarray:
    """Where the latent is after each step. Shape [steps, SIZE]"""
    places = []
    for _ in range(steps):
        motion.advance(wanted)
        places.append(motion.latent)
    return np.array(places)


def test_ramp_is_straight_and_ends_where_it_should() -> None:
    ramp = Ramp(0.0)
    ramp.to(1.0, 4)
    assert [ramp.step() for _ in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    ramp.to(0.5, 0)
    assert ramp.step() == 0.5
    assert ramp.resting


def test_without_a_glide_it_is_there_at_the_next_step() -> None:
    motion = Motion(AXES, STEP, controls())
    assert motion.resting
    motion.advance(controls(1.0, intensity=0.9))
    assert (motion.latent == 1.0).all() and motion.intensity == 0.9
    assert motion.resting


def test_glide_takes_its_time_for_latent_directions_and_intensity() -> None:
    motion = Motion(AXES, STEP, controls(intensity=0.0))
    wanted = controls(1.0, intensity=1.0, glide=1.0, directions=np.array([0.0, 0.5], np.float32))
    places = way(motion, wanted, 50)
    np.testing.assert_allclose(places[-1], [0.5, 0.75, 0.5, 0.5], rtol=1e-5)
    assert motion.intensity == pytest.approx(0.5)
    places = way(motion, wanted, 50)
    np.testing.assert_array_equal(places[-1], [1.0, 1.5, 1.0, 1.0])
    assert motion.intensity == 1.0 and motion.resting
    assert np.abs(np.diff(places, axis=0)).max() < 0.016


def test_another_intensity_does_not_begin_the_way_of_the_latent_anew() -> None:
    motion = Motion(AXES, STEP, controls(intensity=0.0))
    way(motion, controls(1.0, glide=1.0, intensity=0.0), 50)
    way(motion, controls(1.0, glide=1.0, intensity=1.0), 50)
    assert (motion.latent == 1.0).all()
    assert motion.intensity == pytest.approx(0.5)


def test_another_glide_holds_for_a_way_that_was_begun() -> None:
    motion = Motion(AXES, STEP, controls(intensity=0.0))
    way(motion, controls(1.0, glide=60.0, intensity=1.0), 10)
    assert motion.latent.max() < 0.01
    way(motion, controls(1.0, intensity=1.0), 1)
    assert (motion.latent == 1.0).all() and motion.intensity == 1.0 and motion.resting


def test_what_takes_no_time_arrives_between_two_steps_and_hurries_nothing_else() -> None:
    motion, other = (Motion(AXES, STEP, controls()) for _ in range(2))
    for each in (motion, other):
        way(each, controls(1.0, glide=1.0, drift=1.0), 30)
    for value in np.linspace(0, 1, 50):  # a fader, between two steps
        motion.attend(
            controls(1.0, glide=0.0, drift=1.0, intensity=float(value))
            if value == 1
            else controls(1.0, glide=1.0, drift=1.0, intensity=float(value))
        )
        motion.hasten()
    assert motion.intensity == 1.0
    np.testing.assert_allclose(motion.latent - other.latent, 0.7, atol=0.01)  # with the glide gone it is there as well
    np.testing.assert_allclose(
        way(motion, controls(1.0, drift=1.0, intensity=1.0), 9)[-1], way(other, controls(1.0, drift=1.0), 9)[-1]
    )


def test_directions_are_within_the_truncation() -> None:
    motion = Motion(AXES, STEP, controls(1.5))
    motion.advance(controls(1.5, directions=np.array([3.0, -1.0], np.float32)))
    np.testing.assert_array_equal(motion.latent, [2.0, 0.5, 1.5, 1.5])


def test_frozen_latent_stays_and_goes_on_where_it_was() -> None:
    motion = Motion(AXES, STEP, controls())
    way(motion, controls(1.0, glide=1.0), 50)
    held = motion.latent
    places = way(motion, controls(-1.0, glide=1.0, freeze=True, drift=1.0, intensity=0.9), 300)
    assert (places == held).all()
    assert motion.intensity == pytest.approx(0.9), "only the latent is held"
    assert motion.attend(controls(-1.0, glide=1.0)), "it may move again"
    assert (way(motion, controls(-1.0, glide=1.0), 300)[-1] == -1.0).all()


def test_drift_is_slow_smooth_bounded_repeatable_and_ends_where_it_began() -> None:
    def drifted(seed: int) -> np.ndarray:
        return way(Motion(AXES, STEP, controls()), controls(0.5, drift=1.0, seed=seed), 20_000)

    motion = Motion(AXES, STEP, controls(seed=3))
    places = way(motion, controls(0.5, drift=1.0, seed=3), 20_000)
    assert np.abs(np.diff(places[round(DRIFT_SECONDS / STEP) :], axis=0)).max() < 5 * STEP / SMOOTH_SECONDS
    assert places.std() > 0.3 and np.abs(places).max() <= 2.0
    np.testing.assert_array_equal(
        places, way(Motion(AXES, STEP, controls(seed=3)), controls(0.5, drift=1.0, seed=3), 20_000)
    )
    assert not np.array_equal(places, drifted(4))
    back = way(motion, controls(0.5, seed=3), 200)
    assert (back[-1] == 0.5).all() and motion.resting
    assert np.abs(np.diff(back, axis=0)).max() < 0.1


def test_walk_has_the_deviation_it_is_said_to() -> None:
    walk = Walk(64, 0.5, seed=1)
    places = np.array([walk.step() for _ in range(4000)])[round(WANDER_SECONDS / 0.5) :]
    assert places.std() == pytest.approx(1.0, abs=0.08)
    assert abs(places.mean()) < 0.1
