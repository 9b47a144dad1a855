# SPDX-License-Identifier: Apache-2.0
"""
The D'Claw-like hand: joint names, command limits and its MJCF.

Joint placement, axes and limits follow the public ROBEL description (github.com/google-research/
robel-scenes, ``chain3xh.xml``); every geom is a primitive of our own.  World frame: z up, table at
z = 0, the hand hangs from a mount.  Finger frame: x radial outward, y counter-clockwise seen from
above, z up.

* joint 1 turns about x: positive swings the finger counter-clockwise,
* joint 2 turns about y: positive moves the finger inwards,
* joint 3 turns about y: positive moves the fingertip inwards.
"""

from collections.abc import Mapping
import math

from r3l_sim.core import servo

FINGERS = (1, 2, 3)
JOINT_NAMES: tuple[str, ...] = tuple(f'finger{f}_joint{j}' for f in FINGERS for j in (1, 2, 3))
# Range of a position command, per joint of a finger [rad].
JOINT_LOW: tuple[float, ...] = (-0.48, -math.pi / 3, -math.pi / 2) * 3
JOINT_HIGH: tuple[float, ...] = (0.48, math.pi / 3, math.pi / 2) * 3
HOME: tuple[float, ...] = (0.0, -math.pi / 3, math.pi / 3) * 3

BASE_RADIUS = 0.060  # circle of the finger bases [m]
FINGER_AZIMUTH = (60.0, -60.0, 180.0)  # [deg]
LINK_1 = 0.0675  # joint 1 to joint 2 [m]
LINK_2 = 0.0680  # joint 2 to joint 3 [m]
LINK_3 = 0.0730  # joint 3 to the centre of the fingertip's sphere [m]
TIP_RADIUS = 0.011  # [m]

# Contact bits: 1 fingers, 2 task object, 4 static scene.
FINGER_CONTACT = 'contype="1" conaffinity="7"'
OBJECT_CONTACT = 'contype="2" conaffinity="15"'
STATIC_CONTACT = 'contype="4" conaffinity="3"'
NO_CONTACT = 'contype="0" conaffinity="0" group="1"'
SEEN, HIDDEN = 1, 4  # groups of geoms


def defaults_xml(group: int = SEEN) -> str:
    """
    Return the MJCF default classes that the hand's and the scenes' geoms use.

    :param group: of the hand's geoms; `HIDDEN` under a skin.
    """
    unseen = f'contype="0" conaffinity="0" group="{group}"'
    return f"""
    <geom condim="3" friction="0.8 0.005 0.0001" solref="0.008 1" margin="0"/>
    <default class="servo">
      <joint damping="{servo.GEARBOX_DAMPING}" armature="{servo.ARMATURE}"
             frictionloss="{servo.FRICTION_LOSS}"/>
      <geom type="box" rgba="0.16 0.16 0.18 1" mass="0.082" {unseen}/>
    </default>
    <default class="bracket">
      <geom type="box" rgba="0.45 0.46 0.50 1" mass="0.012" {unseen}/>
    </default>
    <default class="tip">
      <geom type="capsule" rgba="0.93 0.93 0.90 1" mass="0.025" friction="1.0 0.005 0.0001"
            group="{group}"/>
    </default>
    <default class="palm">
      <geom type="cylinder" rgba="0.75 0.75 0.78 1" {unseen}/>
    </default>
    <default class="plastic">
      <geom friction="0.7 0.004 0.0001" group="1"/>
    </default>"""


def hand_xml(mount_height: float, skin: Mapping[str, str] | None = None) -> str:
    """
    Return the MJCF body of the whole hand.

    :param mount_height: height of the mount above the table [m].
    :param skin: MJCF of what else is seen of the parts palm, base, link1, link2 and link3.
    """
    skin = skin or {}
    fingers = ''.join(_finger_xml(k, skin) for k in FINGERS)
    return f"""
    <body name="mount" pos="0 0 {mount_height}">
      <geom name="palm" class="palm" size="0.075 0.004"/>
      {skin.get('palm', '')}
      {fingers}
    </body>"""


def actuators_xml() -> str:
    """Return one profile-velocity position servo per joint, in the order of `JOINT_NAMES`."""
    return '\n'.join(
        f'<intvelocity name="{name}" joint="{name}" kp="{servo.STIFFNESS:.3f}" '
        f'kv="{servo.BACK_EMF:.4f}" forcerange="-{servo.STALL_TORQUE} {servo.STALL_TORQUE}" '
        f'actrange="{low:.6f} {high:.6f}" '
        f'ctrlrange="-{servo.NO_LOAD_SPEED:.4f} {servo.NO_LOAD_SPEED:.4f}"/>'
        for name, low, high in zip(JOINT_NAMES, JOINT_LOW, JOINT_HIGH, strict=True)
    )


def _finger_xml(k: int, skin: Mapping[str, str]) -> str:
    azimuth = FINGER_AZIMUTH[k - 1]
    x = BASE_RADIUS * math.cos(math.radians(azimuth))
    y = BASE_RADIUS * math.sin(math.radians(azimuth))
    base, link1, link2, link3 = (skin.get(p, '') for p in ('base', 'link1', 'link2', 'link3'))
    # Only the fingertip and the servo above it can reach the object: the rest is for the eye.
    return f"""
      <body name="finger{k}_base" pos="{x:.5f} {y:.5f} -0.003" euler="0 0 {azimuth}">
        <geom class="servo" size="0.0170 0.0140 0.0140" pos="-0.010 0 -0.0142"/>
        {base}
        <body name="finger{k}_link1" pos="0 0 -0.01425">
          <joint name="finger{k}_joint1" axis="1 0 0" range="-27.5 27.5" class="servo"/>
          {link1}
          <geom class="bracket" size="0.0115 0.0130 0.0160" pos="0 0 -0.018"/>
          <geom class="servo" size="0.0142 0.0150 0.0215" pos="0 0 -0.0545"/>
          <body name="finger{k}_link2" pos="0 0 -{LINK_1}">
            <joint name="finger{k}_joint2" axis="0 1 0" range="-90 90" class="servo"/>
            {link2}
            <geom class="bracket" size="0.0130 0.0115 0.0160" pos="0 0 -0.018"/>
            <geom class="servo" size="0.0150 0.0142 0.0215" pos="0 0 -0.0545" {FINGER_CONTACT}/>
            <body name="finger{k}_link3" pos="0 0 -{LINK_2}">
              <joint name="finger{k}_joint3" axis="0 1 0" range="-100 100" class="servo"/>
              {link3}
              <geom class="bracket" size="0.0130 0.0115 0.0150" pos="0 0 -0.016"/>
              <geom class="tip" fromto="0 0 -0.030 0 0 -{LINK_3}" size="{TIP_RADIUS}"
                    {FINGER_CONTACT}/>
            </body>
          </body>
        </body>
      </body>"""
