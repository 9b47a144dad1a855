# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation."""

import math

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_sim.core.evaluation import (
    evaluate,
    EvaluationResult,
    EvaluationStoppedError,
    hold_still,
    random_motion,
)
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scene import Scene


def test_holding_still_succeeds_from_the_two_starts_beside_the_goal() -> None:
    scene = Scene(backend='rays')
    result = evaluate(scene, hold_still, scene.task.starts(32, 0), steps=5, film=False)
    # The starts are at (k + 1/2) * 11.25 degrees: 5.6 degrees = 0.098 rad is within both 0.26 and
    # 0.1 rad, the next, 16.9 degrees = 0.295 rad, is not.
    assert result.success.sum() == 2
    assert result.success_rate == result.success_rate_strict == 2 / 32
    # The mean distance of even starts on a circle is a quarter turn.
    assert result.final_distance_mean == pytest.approx(math.pi / 2, abs=1e-6)
    assert result.unit == 'rad'


def test_success_needs_every_step_of_the_last_second() -> None:
    scene = Scene(backend='rays')
    states: list[float] = []

    class Scripted(Scene):
        """The valve jumps to the next angle of a list at every step."""

        def step(self, target: NDArray[np.floating]) -> None:
            self.set_object(angle=states.pop(0))

    def run(script: list[float]) -> EvaluationResult:
        states[:] = script
        twin = object.__new__(Scripted)
        twin.__dict__.update(scene.__dict__)
        twin.twin = lambda: twin  # type: ignore[method-assign]
        return evaluate(twin, hold_still, [{'angle': 1.0}], steps=len(script), film=False)

    assert run([3.0, 0.2, -0.2, 0.25, 0.0, 0.2]).success.tolist() == [True]
    assert run([0.2, 0.2, 0.3, 0.2, 0.2, 0.2]).success.tolist() == [False]
    assert run([0.2, 0.2, 0.2, 0.2, 0.2, 0.27]).success.tolist() == [False]
    assert run([0.2, 0.09, 0.0, -0.09, 2 * math.pi, 0.05]).success_strict.tolist() == [True]
    assert run([0.09, 0.09, 0.0, -0.09, 0.11, 0.05]).success_strict.tolist() == [False]


def test_the_policy_sees_all_starts_at_once_and_is_told_of_the_first_step() -> None:
    scene = Scene(backend='rays')
    calls: list[tuple[tuple[int, ...], tuple[int, ...], bool]] = []

    def act(
        images: NDArray[np.uint8], joints: NDArray[np.float64], first: bool
    ) -> NDArray[np.float64]:
        calls.append((images.shape, joints.shape, first))
        np.testing.assert_allclose(joints[0], joints[1])
        return np.tile(HOME, (3, 1))

    evaluate(scene, act, scene.task.starts(3, 0), steps=6, film=False)
    shapes = ((3, 32, 32, 3), (3, 9))
    assert calls == [(*shapes, True)] + [(*shapes, False)] * 5


def test_the_episode_of_the_task_is_ten_seconds() -> None:
    for rate, steps in ((5.0, 50), (10.0, 100)):
        scene = Scene(control_rate=rate, backend='rays', image_size=8)
        result = evaluate(scene, hold_still, scene.task.starts(1, 1), film=False)
        assert result.distances.shape == (1, steps)


def test_an_evaluation_is_repeatable_and_leaves_the_scene_alone() -> None:
    scene = Scene(backend='rays', image_size=8)
    scene.reset(angle=0.4)
    runs = [
        evaluate(
            scene,
            random_motion(JOINT_LOW, JOINT_HIGH, 3),
            scene.task.starts(4, 0),
            steps=10,
            film=False,
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0].distances, runs[1].distances)
    assert scene.object_state() == {'angle': 0.4}


def test_random_motion_keeps_each_target_for_two_steps() -> None:
    act = random_motion(JOINT_LOW, JOINT_HIGH, 0)
    image, joints = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 9))
    seen = [act(image, joints, step == 0) for step in range(4)]
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[2], seen[3])
    assert not np.array_equal(seen[1], seen[2])
    assert not np.array_equal(seen[0][0], seen[0][1])


def test_an_evaluation_can_be_stopped() -> None:
    scene = Scene(backend='rays')
    with pytest.raises(EvaluationStoppedError, match='told to stop'):
        evaluate(scene, hold_still, scene.task.starts(2, 0), stop=lambda: True)


def test_an_evaluation_without_starts_is_refused() -> None:
    with pytest.raises(ValueError, match='0 starts of 50 steps'):
        evaluate(Scene(backend='rays'), hold_still, [])


def test_a_task_with_two_errors_needs_both_right_through_the_last_second() -> None:
    scene = Scene('object', backend='rays', image_size=8)
    starts = [
        {'x': 0.0, 'y': 0.02, 'yaw': 0.1},
        {'x': 0.0, 'y': 0.02, 'yaw': -0.3},
        {'x': 0.0, 'y': 0.038, 'yaw': 0.0},
    ]
    result = evaluate(scene, hold_still, starts, steps=6, film=False)
    assert result.success.tolist() == [True, True, False]
    assert result.success_strict.tolist() == [True, False, False]
    assert result.unit == '1'
    np.testing.assert_allclose(result.final_errors['position'], (0.02, 0.02, 0.038), atol=1e-3)
    np.testing.assert_allclose(result.final_errors['orientation'], (0.1, -0.3, 0.0), atol=0.02)
    assert result.distances[:, -1] == pytest.approx((0.571, 0.857, 1.086), abs=0.03)
