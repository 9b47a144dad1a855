# SPDX-License-Identifier: Apache-2.0
"""A free object in an arena."""

import math

import numpy as np
import pytest
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks import State, TASKS
from r3l_sim.core.tasks.object import fits, object_near_goal, object_random, REACH

OBJECT = TASKS['object']


def at(x: float, y: float, yaw: float) -> dict[str, float]:
    """Return an object state [m, m, degrees]."""
    return {'x': x, 'y': y, 'yaw': math.radians(yaw)}


@pytest.mark.parametrize(
    ('state', 'distance', 'lenient', 'strict'),
    [
        (at(0, 0, 0), 0.0, True, True),
        (at(0.021, -0.028, 0), 1.0, False, False),  # 35 mm
        (at(0.0, -0.028, 360 + 5), 0.8, True, True),
        (at(0.0, 0.0, -15), math.radians(15) / 0.35, True, False),
        (at(0.0, 0.0, 120), math.radians(120) / 0.35, False, False),
        (at(0.07, 0.0, 10), 2.0, False, False),
    ],
)
def test_place_and_yaw_must_both_be_right(
    state: State, distance: float, lenient: bool, strict: bool
) -> None:
    assert OBJECT.distance(state) == pytest.approx(distance)
    assert OBJECT.is_success(state) is lenient
    assert OBJECT.is_success(state, strict=True) is strict


def test_errors_have_names_and_units() -> None:
    errors = OBJECT.errors(at(0.03, 0.04, -190))
    assert errors == {
        'position': pytest.approx(0.05),
        'orientation': pytest.approx(math.radians(170)),
    }
    assert OBJECT.error_units == {'position': 'm', 'orientation': 'rad'}


def test_the_object_fits_where_no_prong_is_in_a_wall() -> None:
    # Walls are at 100 mm, a prong reaches 67.5 mm: at yaw 60 those at +-45 degrees come first.
    assert fits(at(0.0484, 0, 60))
    assert not fits(at(0.0486, 0, 60))
    assert fits(at(0.0324, 0, 0))
    assert not fits(at(0.0326, 0, 0))


@pytest.mark.parametrize('starts', [OBJECT.starts(64, 0), OBJECT.starts(64, 3),
                                    OBJECT.published_starts])  # fmt: skip
def test_starts_fit_into_the_arena_and_are_no_success(starts: list[State]) -> None:
    assert all(fits(state) for state in starts)
    assert not any(OBJECT.is_success(state) for state in starts)


def test_starts_are_spread_over_places_and_yaws() -> None:
    states = OBJECT.starts(96, 0)
    quadrants = [(state['x'] > 0, state['y'] > 0, state['yaw'] > 0) for state in states]
    assert min(quadrants.count(one) for one in set(quadrants)) >= 8
    assert len(set(quadrants)) == 8
    assert max(abs(state['x']) for state in states) > REACH - 0.01
    assert len(OBJECT.published_starts) == 24


def test_random_states_fit_into_the_arena() -> None:
    rng = np.random.default_rng(0)
    states = [object_random(rng) for _ in range(100)]
    assert all(fits(state) for state in states)
    assert max(math.hypot(state['x'], state['y']) for state in states) > 0.04


def test_goals_begin_in_and_just_outside_the_success_set() -> None:
    rng = np.random.default_rng(0)
    states = [object_near_goal(rng) for _ in range(400)]
    assert all(fits(state) for state in states)
    assert 0.4 < np.mean([OBJECT.is_goal(state) for state in states]) < 0.8


def test_random_motion_moves_the_object_but_does_not_flip_it() -> None:
    scene = Scene('object', backend='rays')
    rng = np.random.default_rng(0)
    found = []
    for step in range(600):
        if step % 2 == 0:
            target = rng.uniform(JOINT_LOW, JOINT_HIGH)
        scene.step(target)
        found.append(list(scene.object_state().values()))
        tilt = [float(scene._data.joint(f'object_{axis}').qpos[0]) for axis in ('roll', 'pitch')]
        assert np.abs(tilt).max() < math.radians(25)
    track = np.array(found)
    assert (np.ptp(track[:, :2], axis=0) > 0.06).all()
    assert np.ptp(track[:, 2]) > 1.0
    # The walls give way by a few millimetres.
    assert np.hypot(track[:, 0], track[:, 1]).max() < REACH + 0.01


def test_an_object_that_is_put_somewhere_lies_flat_and_at_rest() -> None:
    scene = Scene('object', backend='rays')
    for name, value in (('roll', 0.3), ('z', 0.05)):
        scene._data.joint(f'object_{name}').qpos[0] = value
        scene._data.joint(f'object_{name}').qvel[0] = 1.0
    scene.set_object(x=0.03, y=0.0, yaw=1.0)
    for _ in range(5):
        scene.step(np.array(HOME))
    assert scene._data.joint('object_roll').qpos[0] == pytest.approx(0.0, abs=1e-3)
    assert scene._data.joint('object_z').qpos[0] == pytest.approx(0.0, abs=1e-3)
    assert scene.object_state() == {
        'x': pytest.approx(0.03, abs=1e-3),
        'y': pytest.approx(0.0, abs=1e-3),
        'yaw': pytest.approx(1.0, abs=1e-2),
    }


def test_the_red_prong_is_seen_where_the_yaw_is() -> None:
    scene = Scene('object', image_size=64, backend='rays')
    middles = []
    for yaw in (0.0, math.pi / 2, math.pi):
        scene.reset(yaw=yaw)
        image = scene.image().astype(int)
        red = (image[..., 0] > 140) & (image[..., 1] < 70) & (image[..., 2] < 70)
        middles.append(np.array(np.nonzero(red)).mean(axis=1))
    rows, columns = np.array(middles).T
    # Yaw 0 points to the camera, low in the picture; +90 degrees points along +y, to the right.
    assert rows[0] > rows[1] > rows[2]
    assert columns[1] > columns[0] + 4
