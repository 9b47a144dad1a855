# SPDX-License-Identifier: Apache-2.0
"""The URDF of the hand is the hand of the simulator."""

from pathlib import Path
import xml.etree.ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW, JOINT_NAMES, LINK_3
from r3l_sim.core.mjcf import build
from r3l_sim.core.scenes.valve import VALVE
from r3l_sim.core.urdf import hand_urdf, ROOT_LINK

FILE = Path(__file__).resolve().parents[2] / 'urdf' / 'dclaw.urdf'
Matrix = NDArray[np.float64]


@pytest.fixture(scope='module')
def robot() -> ET.Element:
    return ET.parse(FILE).getroot()


@pytest.fixture(scope='module')
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(build(VALVE, 0.004))


def numbers(text: str) -> Matrix:
    return np.array([float(word) for word in text.split()])


def turn(axis: Matrix, angle: float) -> Matrix:
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def frame(origin: ET.Element) -> Matrix:
    """Return the 4x4 matrix of an origin: turns about the fixed x, y and z axes, in that order."""
    roll, pitch, yaw = numbers(origin.attrib['rpy'])
    x, y, z = np.eye(3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn(z, yaw) @ turn(y, pitch) @ turn(x, roll)
    matrix[:3, 3] = numbers(origin.attrib['xyz'])
    return matrix


def link_frames(robot: ET.Element, angles: dict[str, float]) -> dict[str, Matrix]:
    """Return the pose of every link in the root link."""
    frames = {ROOT_LINK: np.eye(4)}
    waiting = robot.findall('joint')
    while waiting:
        ready = [j for j in waiting if j.find('parent').attrib['link'] in frames]  # type: ignore[union-attr]
        assert ready, 'a joint hangs on no link'
        for joint in ready:
            parent = joint.find('parent').attrib['link']  # type: ignore[union-attr]
            pose = frames[parent] @ frame(joint.find('origin'))  # type: ignore[arg-type]
            axis = joint.find('axis')
            if axis is not None:
                motion = np.eye(4)
                motion[:3, :3] = turn(numbers(axis.attrib['xyz']), angles[joint.attrib['name']])
                pose = pose @ motion
            frames[joint.find('child').attrib['link']] = pose  # type: ignore[union-attr]
            waiting.remove(joint)
    return frames


def test_the_file_is_what_the_generator_writes() -> None:
    assert FILE.read_text(encoding='utf-8') == hand_urdf()


def test_forward_kinematics_agree_with_mujoco_at_random_angles(
    robot: ET.Element, model: mujoco.MjModel
) -> None:
    data = mujoco.MjData(model)
    generator = np.random.default_rng(0)
    for _ in range(50):
        angles = dict(zip(JOINT_NAMES, generator.uniform(JOINT_LOW, JOINT_HIGH), strict=True))
        for name, angle in angles.items():
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        mount = np.eye(4)
        mount[:3, 3] = data.body('mount').xpos
        for link, pose in link_frames(robot, angles).items():
            world = mount @ pose
            if link.endswith('_tip'):
                body = data.body(link.replace('_tip', '_link3'))
                expected = body.xpos + body.xmat.reshape(3, 3) @ [0.0, 0.0, -LINK_3]
                np.testing.assert_allclose(world[:3, 3], expected, atol=1e-6)
                continue
            body = data.body('mount' if link == ROOT_LINK else link)
            np.testing.assert_allclose(world[:3, 3], body.xpos, atol=1e-6)
            np.testing.assert_allclose(world[:3, :3], body.xmat.reshape(3, 3), atol=1e-5)


def test_links_have_the_masses_and_inertias_of_the_simulator(
    robot: ET.Element, model: mujoco.MjModel
) -> None:
    heavy = [link for link in robot.findall('link') if link.find('inertial') is not None]
    assert len(heavy) == 1 + 3 * 4
    for link in heavy:
        name = link.attrib['name']
        body = model.body('mount' if name == ROOT_LINK else name)
        mass = float(link.find('inertial/mass').attrib['value'])  # type: ignore[union-attr]
        assert mass == pytest.approx(float(body.mass[0]), rel=1e-6)
        pose = frame(link.find('inertial/origin'))  # type: ignore[arg-type]
        np.testing.assert_allclose(pose[:3, 3], body.ipos, atol=1e-7)
        inertia = link.find('inertial/inertia')
        assert inertia is not None
        found = np.diag([float(inertia.attrib[name]) for name in ('ixx', 'iyy', 'izz')])
        expected = np.empty(9)
        mujoco.mju_quat2Mat(expected, body.iquat)
        axes = expected.reshape(3, 3)
        np.testing.assert_allclose(
            pose[:3, :3] @ found @ pose[:3, :3].T,
            axes @ np.diag(body.inertia) @ axes.T,
            atol=1e-10,
        )


def test_joints_have_the_names_and_command_limits_used_everywhere(robot: ET.Element) -> None:
    joints = [joint for joint in robot.findall('joint') if joint.attrib['type'] == 'revolute']
    assert tuple(joint.attrib['name'] for joint in joints) == JOINT_NAMES
    for joint, low, high in zip(joints, JOINT_LOW, JOINT_HIGH, strict=True):
        limit = joint.find('limit')
        assert limit is not None
        assert float(limit.attrib['lower']) == pytest.approx(low, abs=1e-6)
        assert float(limit.attrib['upper']) == pytest.approx(high, abs=1e-6)


def test_every_link_but_the_root_has_one_parent(robot: ET.Element) -> None:
    links = [link.attrib['name'] for link in robot.findall('link')]
    children = [joint.find('child').attrib['link'] for joint in robot.findall('joint')]  # type: ignore[union-attr]
    assert len(set(links)) == len(links)
    assert sorted([*children, ROOT_LINK]) == sorted(links)
