# SPDX-License-Identifier: Apache-2.0
"""The simulated robot."""

import math

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scene import Scene, StateError
from r3l_sim.core.servo import ServoConfig


def targets(steps: int, seed: int = 0) -> NDArray[np.float64]:
    """Return uniformly random joint targets, shape (steps, 9) [rad]."""
    return np.random.default_rng(seed).uniform(JOINT_LOW, JOINT_HIGH, (steps, 9))


def play(scene: Scene, steps: int = 20) -> None:
    """Move at random."""
    for target in targets(steps):
        scene.step(target)


def test_the_same_commands_give_bit_equal_states_and_images() -> None:
    scenes = [Scene(), Scene()]
    for scene in scenes:
        scene.reset(angle=0.7)
        play(scene)
    first, second = (scene.save_state() for scene in scenes)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    np.testing.assert_array_equal(scenes[0].image(), scenes[1].image())


def test_a_twin_moves_as_the_original_would_and_leaves_it_alone() -> None:
    scene = Scene()
    twin = scene.twin()
    play(twin)
    np.testing.assert_allclose(scene.joint_position, HOME)
    alone = Scene()
    play(alone)
    np.testing.assert_array_equal(twin.joint_position, alone.joint_position)


def test_a_loaded_state_goes_on_exactly() -> None:
    scene = Scene()
    play(scene, 15)
    saved = scene.save_state()
    play(scene, 10)
    expected = scene.save_state()
    other = Scene()
    other.load_state(saved)
    play(other, 10)
    found = other.save_state()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_step_lasts_one_control_period() -> None:
    for rate in (5.0, 10.0, 30.0):
        scene = Scene(control_rate=rate)
        play(scene, 3)
        assert scene.time == pytest.approx(3 / rate)


def test_the_fingers_go_where_they_are_told_in_free_space() -> None:
    scene = Scene()
    target = np.array(HOME) + 0.2
    for _ in range(5):
        scene.step(target)
    np.testing.assert_allclose(scene.joint_position, target, atol=0.03)
    np.testing.assert_allclose(scene.joint_velocity, 0.0, atol=0.05)


def test_the_scene_stays_finite_under_bang_bang_commands() -> None:
    scene = Scene(servos=ServoConfig(torque_limit=3.0, profile_speed=8.0))
    rng = np.random.default_rng(0)
    low, high = np.array(JOINT_LOW), np.array(JOINT_HIGH)
    for _ in range(300):
        scene.step(np.where(rng.uniform(size=9) < 0.5, low, high))
        assert np.abs(scene.joint_velocity).max() < 30.0
        assert np.abs(scene.joint_effort).max() <= 3.0 + 1e-9
    state = scene.save_state()
    assert all(np.isfinite(value).all() for value in state.values())
    margin = math.radians(15)  # joints have soft limits beyond the command range
    assert (scene.joint_position > low - margin).all()
    assert (scene.joint_position < high + margin).all()


def test_random_motion_turns_the_valve() -> None:
    scene = Scene()
    angles = []
    for target in targets(200):
        scene.step(target)
        angles.append(scene.object_state()['angle'])
    assert np.ptp(angles) > 1.0


def test_a_resting_hand_leaves_the_valve_alone() -> None:
    scene = Scene()
    scene.reset(angle=1.0)
    for _ in range(50):
        scene.step(np.array(HOME))
    assert scene.object_state()['angle'] == pytest.approx(1.0, abs=1e-6)


def test_the_image_shows_the_red_prong_where_the_angle_is() -> None:
    scene = Scene(image_size=64)
    rows = []
    for angle in (0.0, math.pi):
        scene.reset(angle=angle)
        image = scene.image().astype(int)
        red = (image[..., 0] > 150) & (image[..., 1] < 80) & (image[..., 2] < 80)
        rows.append(np.nonzero(red)[0].mean())
    # Angle 0 points to the camera, which looks down: low in the picture.
    assert rows[0] > 32 > rows[1]


def test_the_camera_matrix_maps_the_field_of_view_to_the_border() -> None:
    matrix = Scene(image_size=(48, 64)).camera_matrix()
    # tan(45/2 degrees) up is the upper border, 24 px from the middle.
    assert matrix[1, 1] * math.tan(math.radians(22.5)) == pytest.approx(24.0)
    np.testing.assert_array_equal(matrix[:2, 2], [32.0, 24.0])


@pytest.mark.parametrize(
    ('values', 'sentence'),
    [
        ({'angel': 0.0}, "valve has no 'angel': expected angle"),
        ({'angle': math.nan}, 'angle is nan: expected a finite number'),
    ],
)
def test_a_wrong_object_state_changes_nothing(values: dict[str, float], sentence: str) -> None:
    scene = Scene()
    scene.reset(angle=0.5)
    with pytest.raises(StateError, match=sentence):
        scene.set_object(**values)
    assert scene.object_state() == {'angle': 0.5}


def test_a_state_of_another_model_is_refused() -> None:
    scene = Scene()
    state = scene.save_state() | {'qpos': np.zeros(3)}
    with pytest.raises(StateError, match=r"'qpos' in the saved state is of shape \(3,\)"):
        scene.load_state(state)
    with pytest.raises(StateError, match="'act' in the saved state is missing"):
        scene.load_state({k: v for k, v in scene.save_state().items() if k != 'act'})


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'control_rate': 0.0}, 'control_rate is 0.0 Hz'),
        ({'image_size': 0}, 'image_size is 0 px'),
        ({'task': 'cups'}, "there is no task 'cups'"),
    ],
)
def test_impossible_scenes_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Scene(**options)  # type: ignore[arg-type]
