# SPDX-License-Identifier: Apache-2.0
"""The measure of success and the starts of an evaluation."""

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_sim.core.tasks import distance, task_named, TaskError, TASKS
from r3l_sim.core.tasks.valve import valve_error, valve_starts


@pytest.mark.parametrize(
    ('task', 'state', 'expected'),
    [
        ('valve', {'angle': 2 * math.pi}, 1.0),
        ('valve', {'angle': -0.26}, math.exp(-4 / 9)),
        ('valve', {'angle': 0.78}, math.exp(-4.0)),
        # The larger of two errors, in its own units.
        ('object', {'x': 0.0, 'y': 0.035, 'yaw': -0.175}, math.exp(-4 / 9)),
        ('object', {'x': 0.0, 'y': 0.0175, 'yaw': 0.7}, math.exp(-16 / 9)),
    ],
)
def test_the_true_reward_falls_with_the_largest_error(
    task: str, state: dict[str, float], expected: float
) -> None:
    assert task_named(task).reward(state) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('angle', 'expected'),
    [
        (0.0, 0.0),
        (0.25, 0.25),
        (-0.25, 0.25),
        (math.pi, math.pi),
        (2 * math.pi - 0.1, 0.1),
        (-2 * math.pi + 0.1, 0.1),
        (7 * math.pi, math.pi),
        (12 * math.pi + 0.26, 0.26),
    ],
)
def test_the_distance_of_the_valve_wraps_around(angle: float, expected: float) -> None:
    assert distance('valve', {'angle': angle}) == pytest.approx(expected)


@given(st.floats(-1e3, 1e3))
def test_the_error_of_the_valve_differs_from_the_angle_by_whole_turns(angle: float) -> None:
    error = valve_error({'angle': angle})
    assert -math.pi <= error < math.pi
    assert (angle - error) / (2 * math.pi) == pytest.approx(round((angle - error) / 2 / math.pi))


def test_the_fixed_starts_are_even_and_none_is_at_the_goal() -> None:
    angles = [start['angle'] for start in valve_starts(32)]
    np.testing.assert_allclose(np.diff(angles), 2 * math.pi / 32)
    assert min(abs(angle) for angle in angles) == pytest.approx(math.pi / 32)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_other_seeds_turn_the_starts_and_stay_off_the_goal(seed: int) -> None:
    angles = [start['angle'] for start in valve_starts(32, seed)]
    assert angles == [start['angle'] for start in valve_starts(32, seed)]
    assert angles != [start['angle'] for start in valve_starts(32)]
    assert min(abs(angle) for angle in angles) > 0.05 * 2 * math.pi / 32 - 1e-9


def test_the_published_starts_are_eight_every_45_degrees_from_a_goal_at_minus_75() -> None:
    errors = sorted(math.degrees(start['angle']) for start in TASKS['valve'].published_starts)
    np.testing.assert_allclose(errors, [-150, -105, -60, -15, 30, 75, 120, 165])


def test_an_unknown_task_is_named_in_one_sentence() -> None:
    with pytest.raises(TaskError, match="there is no task 'valv': expected valve"):
        task_named('valv')
