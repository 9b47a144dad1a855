# SPDX-License-Identifier: Apache-2.0
"""
The hand as URDF, for robot_state_publisher and rviz: ``python3 -m r3l_sim.core.urdf FILE``.

Frames, masses and shapes are read from the compiled MuJoCo model, so that there is one
description of the hand only. ``base_link`` is the mount; z points up, as in the model.
"""

from pathlib import Path
import sys

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.files import write_atomic
from r3l_sim.core import servo
from r3l_sim.core.backends import mujoco
from r3l_sim.core.hand import (
    defaults_xml,
    FINGERS,
    hand_xml,
    JOINT_HIGH,
    JOINT_LOW,
    JOINT_NAMES,
    LINK_3,
)

ROOT = 'mount'  # name of the body that is the root
ROOT_LINK = 'base_link'

HEADER = """<?xml version="1.0"?>
<!-- Written by "python3 -m r3l_sim.core.urdf FILE" from the MuJoCo model: do not edit by hand.
     The limits of the joints are those of commands; the mechanics reach a little further. -->
<robot name="dclaw">
"""


def hand_urdf() -> str:
    """Return the URDF document of the hand; lengths in m, angles in rad, masses in kg."""
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><compiler angle="degree" autolimits="true"/><default>{defaults_xml()}</default>'
        f'<worldbody>{hand_xml(0.0)}</worldbody></mujoco>'
    )
    bodies = range(1, model.nbody)  # without the world
    parts = [_link(model, body) for body in bodies]
    parts += [_joint(model, body) for body in bodies if model.body(body).name != ROOT]
    parts += [_tip(finger) for finger in FINGERS]
    return HEADER + ''.join(parts) + '</robot>\n'


def _link(model: mujoco.MjModel, body: int) -> str:
    first, count = int(model.body_geomadr[body]), int(model.body_geomnum[body])
    shapes = ''.join(_shapes(model, geom) for geom in range(first, first + count))
    x, y, z = (_number(value) for value in model.body_inertia[body])
    return f"""  <link name="{_name(model, body)}">
    <inertial>
      {_origin(model.body_ipos[body], model.body_iquat[body])}
      <mass value="{_number(model.body_mass[body])}"/>
      <inertia ixx="{x}" ixy="0" ixz="0" iyy="{y}" iyz="0" izz="{z}"/>
    </inertial>
{shapes}  </link>
"""


def _shapes(model: mujoco.MjModel, geom: int) -> str:
    size = [float(value) for value in model.geom_size[geom]]
    position, turn = model.geom_pos[geom], model.geom_quat[geom]
    colour = ' '.join(_number(value) for value in model.geom_rgba[geom])
    kind = int(model.geom_type[geom])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        sides = ' '.join(_number(2 * half) for half in size)
        return _visual(f'<box size="{sides}"/>', position, turn, colour)
    radius, length = _number(size[0]), _number(2 * size[1])
    shape = _visual(f'<cylinder radius="{radius}" length="{length}"/>', position, turn, colour)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        # URDF has no capsule.
        axis = np.empty(3)
        mujoco.mju_rotVecQuat(axis, np.array([0.0, 0.0, size[1]]), turn)
        for end in (position - axis, position + axis):
            shape += _visual(f'<sphere radius="{radius}"/>', end, turn, colour)
    return shape


def _visual(
    shape: str, position: NDArray[np.float64], turn: NDArray[np.float64], colour: str
) -> str:
    return f"""    <visual>
      {_origin(position, turn)}
      <geometry>{shape}</geometry>
      <material name="{colour.replace(' ', '_')}"><color rgba="{colour}"/></material>
    </visual>
"""


def _joint(model: mujoco.MjModel, body: int) -> str:
    parent = _name(model, int(model.body_parentid[body]))
    child = _name(model, body)
    frame = f"""{_origin(model.body_pos[body], model.body_quat[body])}
    <parent link="{parent}"/>
    <child link="{child}"/>"""
    if model.body_jntnum[body] == 0:
        return f"""  <joint name="{child}_fixed" type="fixed">
    {frame}
  </joint>
"""
    joint = model.joint(int(model.body_jntadr[body]))
    index = JOINT_NAMES.index(joint.name)
    axis = ' '.join(_number(value) for value in joint.axis)
    return f"""  <joint name="{joint.name}" type="revolute">
    {frame}
    <axis xyz="{axis}"/>
    <limit lower="{_number(JOINT_LOW[index])}" upper="{_number(JOINT_HIGH[index])}"\
 effort="{_number(servo.STALL_TORQUE)}" velocity="{_number(servo.NO_LOAD_SPEED)}"/>
    <dynamics damping="{_number(servo.GEARBOX_DAMPING)}"\
 friction="{_number(servo.FRICTION_LOSS)}"/>
  </joint>
"""


def _tip(finger: int) -> str:
    """Return the frame at the centre of a fingertip's sphere."""
    return f"""  <link name="finger{finger}_tip"/>
  <joint name="finger{finger}_tip_fixed" type="fixed">
    <origin xyz="0 0 {_number(-LINK_3)}" rpy="0 0 0"/>
    <parent link="finger{finger}_link3"/>
    <child link="finger{finger}_tip"/>
  </joint>
"""


def _name(model: mujoco.MjModel, body: int) -> str:
    name = str(model.body(body).name)
    return ROOT_LINK if name == ROOT else name


def _origin(position: NDArray[np.float64], turn: NDArray[np.float64]) -> str:
    xyz = ' '.join(_number(value) for value in position)
    rpy = ' '.join(_number(value) for value in _roll_pitch_yaw(turn))
    return f'<origin xyz="{xyz}" rpy="{rpy}"/>'


def _roll_pitch_yaw(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert a unit quaternion (w, x, y, z) to turns about the fixed x, y and z axes [rad]."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, turn)
    m = matrix.reshape(3, 3)
    pitch = np.arctan2(-m[2, 0], np.hypot(m[0, 0], m[1, 0]))
    if np.hypot(m[0, 0], m[1, 0]) < 1e-9:
        # Roll and yaw turn about one axis: all of it is yaw.
        return np.array([0.0, pitch, np.arctan2(-m[0, 1], m[1, 1])])
    return np.array([np.arctan2(m[2, 1], m[2, 2]), pitch, np.arctan2(m[1, 0], m[0, 0])])


def _number(value: float) -> str:
    # Seven digits are 10 nm; the last bits differ between versions of MuJoCo.
    text = f'{float(value):.7g}'
    return '0' if abs(float(text)) < 1e-9 else text


if __name__ == '__main__':
    write_atomic(Path(sys.argv[1]), hand_urdf())
