# SPDX-License-Identifier: Apache-2.0
"""Where the parts of a hand are: its URDF and the angles of its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError

Pose = NDArray[np.float64]  # homogeneous transform, shape (4, 4); lengths in m
BOX, CYLINDER, SPHERE = 'box', 'cylinder', 'sphere'


@dataclass(frozen=True, slots=True)
class Visual:
    """A shape that is fixed to a link."""

    link: str
    kind: str  # one of the constants above
    size: tuple[float, float, float]  # of the box around it [m]
    origin: Pose  # in the frame of the link
    color: tuple[float, float, float, float]  # red, green, blue, opacity; 0 to 1


@dataclass(frozen=True, slots=True)
class Joint:
    """What connects a link to the one before it."""

    name: str
    parent: str
    child: str
    origin: Pose  # in the frame of the parent
    axis: NDArray[np.float64]  # of the rotation, in the frame of the child; shape (3,); fixed: 0
    low: float  # [rad]
    high: float  # [rad]


@dataclass(frozen=True, slots=True)
class HandModel:
    """Joints, each after the joint of its parent, and what is seen of the links."""

    root: str
    joints: tuple[Joint, ...]
    visuals: tuple[Visual, ...]

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Lower and upper end of the range of each joint that turns, by its name [rad]."""
        return {joint.name: (joint.low, joint.high) for joint in self.joints if joint.axis.any()}

    def poses(self, angles: Mapping[str, float]) -> dict[str, Pose]:
        """
        Return the pose of every link in the frame of the root.

        :param angles: by joint name [rad]; a joint that is missing is at 0.
        """
        found = {self.root: np.eye(4)}
        for joint in self.joints:
            turn = _rotation(joint.axis, angles.get(joint.name, 0.0))
            found[joint.child] = found[joint.parent] @ joint.origin @ turn
        return found


def read_urdf(text: str) -> HandModel:
    """
    Read the joints and primitive shapes of a URDF document.

    :raises ConfigError: one sentence, if it is none or holds what we do not draw.
    """
    try:
        robot = ET.fromstring(text)
        joints = [_joint(element) for element in robot.findall('joint')]
        visuals = [
            _visual(link.attrib['name'], element)
            for link in robot.findall('link')
            for element in link.findall('visual')
        ]
        links = [link.attrib['name'] for link in robot.findall('link')]
    except (ET.ParseError, KeyError, ValueError, AttributeError) as error:
        raise ConfigError(f'the robot description cannot be read: {error!r}') from error
    children = {joint.child for joint in joints}
    roots = [link for link in links if link not in children]
    if len(roots) != 1:
        raise ConfigError(f'the robot description has the roots {roots}: expected one')
    return HandModel(roots[0], _ordered(joints, roots[0]), tuple(visuals))


def quaternion(pose: Pose) -> tuple[float, float, float, float]:
    """
    Return the rotation of a pose.

    :return: x, y, z and w of a unit quaternion.
    """
    m = pose[:3, :3]
    # The eigenvector of the largest eigenvalue (Bar-Itzhack 2000): right for half turns, too.
    above = np.zeros((4, 4))
    above[0, 1:] = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]
    above[1, 2:] = m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]
    above[2, 3] = m[1, 0] - m[0, 1]
    diagonal = 2.0 * np.append(np.diag(m), 0.5 * np.trace(m)) - np.append(
        np.full(3, np.trace(m)), 0
    )
    x, y, z, w = np.linalg.eigh(above + above.T + np.diag(diagonal))[1][:, -1]
    return float(x), float(y), float(z), float(w)


def _ordered(joints: list[Joint], root: str) -> tuple[Joint, ...]:
    placed, left = [root], list(joints)
    ordered: list[Joint] = []
    while left:
        ready = [joint for joint in left if joint.parent in placed]
        if not ready:
            raise ConfigError(f'joint {left[0].name} does not lead to {root}: expected a tree')
        ordered += ready
        placed += [joint.child for joint in ready]
        left = [joint for joint in left if joint not in ready]
    return tuple(ordered)


def _joint(element: ET.Element) -> Joint:
    axis, limit = element.find('axis'), element.find('limit')
    fixed = element.attrib['type'] == 'fixed'
    if not fixed and element.attrib['type'] != 'revolute':
        raise ValueError(f'joint of type {element.attrib["type"]}')
    return Joint(
        name=element.attrib['name'],
        parent=element.find('parent').attrib['link'],  # type: ignore[union-attr]
        child=element.find('child').attrib['link'],  # type: ignore[union-attr]
        origin=_origin(element),
        axis=np.zeros(3) if fixed else _numbers('1 0 0' if axis is None else axis.attrib['xyz']),
        low=0.0 if limit is None else float(limit.attrib['lower']),
        high=0.0 if limit is None else float(limit.attrib['upper']),
    )


def _visual(link: str, element: ET.Element) -> Visual:
    (shape,) = list(element.find('geometry'))  # type: ignore[arg-type]
    if shape.tag == BOX:
        size = tuple(float(value) for value in shape.attrib['size'].split())
    elif shape.tag == CYLINDER:
        across = 2.0 * float(shape.attrib['radius'])
        size = (across, across, float(shape.attrib['length']))
    elif shape.tag == SPHERE:
        size = (2.0 * float(shape.attrib['radius']),) * 3
    else:
        raise ValueError(f'shape {shape.tag}')
    rgba = element.find('material/color')
    color = (0.6, 0.6, 0.6, 1.0) if rgba is None else tuple(_numbers(rgba.attrib['rgba']))
    return Visual(link, shape.tag, size, _origin(element), color)  # type: ignore[arg-type]


def _origin(element: ET.Element) -> Pose:
    found = element.find('origin')
    pose: Pose = np.eye(4)
    if found is None:
        return pose
    roll, pitch, yaw = _numbers(found.attrib.get('rpy', '0 0 0'))
    axes = np.eye(3)
    pose = _rotation(axes[2], yaw) @ _rotation(axes[1], pitch) @ _rotation(axes[0], roll)
    pose[:3, 3] = _numbers(found.attrib.get('xyz', '0 0 0'))
    return pose


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array([float(value) for value in text.split()])


def _rotation(axis: NDArray[np.float64], angle: float) -> Pose:
    """Return the turn about an axis (Rodrigues' formula); about none: the identity."""
    pose: Pose = np.eye(4)
    length = np.linalg.norm(axis)
    if length == 0.0:
        return pose
    x, y, z = axis / length
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    pose[:3, :3] += np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return pose
