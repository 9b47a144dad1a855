# SPDX-License-Identifier: Apache-2.0
"""The hand from its URDF, the marks and the nearest goal, against values by other means."""

import math

import numpy as np
import pytest
from r3l_bringup.core.kinematics import BOX, HandModel, quaternion, read_urdf
from r3l_bringup.core.marks import hand_marks, limit_marks, Seen, status_marks
from r3l_bringup.core.nearest import GoalIndex
from r3l_bringup.viewing import DESCRIPTION, file_of
from r3l_node.core.errors import ConfigError
from r3l_perception.core.vae import Vae, VaeConfig
from r3l_sim.core.backends import mujoco
from r3l_sim.core.hand import defaults_xml, hand_xml, JOINT_HIGH, JOINT_LOW, JOINT_NAMES
import torch

LIMITS = dict(zip(JOINT_NAMES, zip(JOINT_LOW, JOINT_HIGH, strict=True), strict=True))


@pytest.fixture(scope='module')
def hand() -> HandModel:
    return read_urdf(file_of(*DESCRIPTION).read_text(encoding='utf-8'))


def test_the_links_are_where_mujoco_puts_them(hand: HandModel) -> None:
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><compiler angle="degree" autolimits="true"/><default>{defaults_xml()}</default>'
        f'<worldbody>{hand_xml(0.0)}</worldbody></mujoco>'
    )
    data = mujoco.MjData(model)
    angles = dict(zip(JOINT_NAMES, np.linspace(-0.4, 0.4, len(JOINT_NAMES)), strict=True))
    for name, angle in angles.items():
        data.joint(name).qpos[0] = angle
    mujoco.mj_forward(model, data)
    poses = hand.poses(angles)
    for body in range(2, model.nbody):
        name = model.body(body).name
        np.testing.assert_allclose(poses[name][:3, 3], data.body(name).xpos, atol=2e-6)
        w, x, y, z = data.body(name).xquat
        found = np.array(quaternion(poses[name]))
        assert abs(found @ np.array([x, y, z, w])) == pytest.approx(1.0, abs=1e-6), name


def test_a_half_turn_about_any_axis_is_a_unit_quaternion() -> None:
    axis = np.array([1.0, -2.0, 2.0]) / 3.0
    pose = np.eye(4)
    pose[:3, :3] = 2.0 * np.outer(axis, axis) - np.eye(3)
    x, y, z, w = quaternion(pose)
    assert w == pytest.approx(0.0, abs=1e-9)
    assert abs(np.array([x, y, z]) @ axis) == pytest.approx(1.0)


def test_every_shape_of_the_description_is_drawn_where_its_link_is(hand: HandModel) -> None:
    marks = hand_marks(hand, hand.poses({}))
    assert len(marks) == len(hand.visuals) >= 20
    assert len({mark.number for mark in marks}) == len(marks)
    palm, first_servo = marks[:2]
    assert (palm.kind, palm.position) == ('cylinder', (0.0, 0.0, 0.0))
    assert palm.size == pytest.approx((0.15, 0.15, 0.008))
    assert (first_servo.kind, first_servo.size) == (BOX, (0.034, 0.028, 0.028))


@pytest.mark.parametrize(
    ('angle', 'colors'),
    [
        (0.0, []),
        (0.9 * JOINT_LOW[1], []),
        (0.95 * JOINT_LOW[1], ['orange']),
        (JOINT_LOW[1] - 0.01, ['orange']),
        (JOINT_LOW[1] - 0.05, ['red', 'text']),
        (JOINT_HIGH[1], ['orange']),
        (math.nan, []),
    ],
)
def test_a_joint_close_to_a_limit_is_marked(
    hand: HandModel, angle: float, colors: list[str]
) -> None:
    angles = {'finger1_joint2': angle, 'elbow': 9.0}
    poses = hand.poses({})
    marks = limit_marks(hand, poses, angles, LIMITS, near=0.04)
    found = [
        'text' if m.kind == 'text' else 'red' if m.color[1] < 0.4 else 'orange' for m in marks
    ]
    assert found == colors
    for mark in marks[:1]:
        np.testing.assert_allclose(mark.position, poses['finger1_link2'][:3, 3])
    if 'red' in colors:
        assert marks[1].text == 'finger1_joint2 -63° is beyond its limit'


def test_the_text_says_what_was_heard_and_what_was_not() -> None:
    silent = [mark.text for mark in status_marks(Seen())]
    assert silent == [
        'no agent heard', 'success: no classifier yet', 'novelty: nothing learned yet',
        'safety: no driver',
    ]  # fmt: skip
    seen = Seen('task', 12, 3, 456, 0.75, 1.5, 3, 'servo 21 is silent', 2.25, silent=('phase',))
    marks = status_marks(seen)
    assert [mark.text for mark in marks] == [
        'task: episode 12, step 3, 456 env steps',
        'success 0.750, nearest goal at 2.25',
        'novelty 1.500, mean of a batch',
        'safety HOLD: servo 21 is silent',
    ]
    heights = [mark.position[2] for mark in marks]
    assert heights == sorted(heights, reverse=True)
    assert marks[0].color != marks[1].color


def test_the_nearest_goal_is_the_one_of_brute_force() -> None:
    vae = Vae(VaeConfig(latent_size=3, channels=(4, 4)), torch.Generator().manual_seed(0)).eval()
    goals = np.random.default_rng(0).integers(0, 255, (9, 32, 32, 3)).astype(np.uint8)
    index = GoalIndex(goals, vae)
    latents = vae.encode(goals)[0].numpy()
    assert index.nearest(latents[4]) == (4, pytest.approx(0.0, abs=1e-6))
    wanted = latents.mean(axis=0)
    number, distance = index.nearest(wanted)
    distances = [float(np.linalg.norm(latent - wanted)) for latent in latents]
    assert (number, distance) == (int(np.argmin(distances)), pytest.approx(min(distances)))
    with pytest.raises(ConfigError, match='the latent has 5 values: expected 3'):
        index.nearest(np.zeros(5))


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('<robot', 'cannot be read'),
        ('<robot><link name="a"/><link name="b"/></robot>', r"has the roots \['a', 'b'\]"),
        (
            '<robot><link name="a"><visual><geometry><mesh/></geometry></visual></link></robot>',
            'shape mesh',
        ),
    ],
)
def test_a_description_that_cannot_be_drawn_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_urdf(text)
