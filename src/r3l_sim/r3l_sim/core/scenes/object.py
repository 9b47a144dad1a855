# SPDX-License-Identifier: Apache-2.0
"""
A three-pronged object that slides freely in a walled arena, after R3L's free object.

Each prong has a colour of its own.  At yaw 0, the goal, the red prong points along +x, towards
the camera.  The object can be lifted and tilted by up to 20 degrees, but not flipped over: a
flipped object lies still for thousands of steps, and nobody is there to turn it back.

The arena is the smaller of R3L's, 20 cm across.  In one of 25 cm the object is at a wall half of
the time, where the fingers hardly turn it or bring it back (docs/results/log.md).
"""

import math

from r3l_sim.core.hand import NO_CONTACT, OBJECT_CONTACT
from r3l_sim.core.scenes.base import CameraPose, SceneSpec

PRONG_COLOURS = ('0.90 0.12 0.10 1', '0.10 0.62 0.20 1', '0.10 0.25 0.85 1')
PRONG_RADIUS = 0.0155  # [m]
PRONG_START, PRONG_END = 0.008, 0.052  # of the capsule's axis, from the middle [m]
BASE_RADIUS = 0.048  # [m]
SIDES = 8  # of the arena
APOTHEM = 0.100  # from the middle of the arena to a wall [m]

# The walls that hold the object are tall, thick and invisible, and fingers pass through them.
_FENCE_CONTACT = 'contype="8" conaffinity="0"'
_WALL = 'rgba="0.45 0.36 0.26 1"'


def _prong_xml(index: int) -> str:
    angle = 2 * math.pi * index / len(PRONG_COLOURS)
    c, s = math.cos(angle), math.sin(angle)
    ends = (
        f'{PRONG_START * c:.5f} {PRONG_START * s:.5f} 0 {PRONG_END * c:.5f} {PRONG_END * s:.5f} 0'
    )
    return (
        f'<geom type="capsule" class="plastic" fromto="{ends}" size="{PRONG_RADIUS}" '
        f'rgba="{PRONG_COLOURS[index]}" mass="0.035" {OBJECT_CONTACT}/>'
    )


def _wall_xml(index: int) -> str:
    angle = 2 * math.pi * index / SIDES
    c, s = math.cos(angle), math.sin(angle)
    half = APOTHEM * math.tan(math.pi / SIDES)
    seen, fence = APOTHEM + 0.004, APOTHEM + 0.030
    turn = f'euler="0 0 {math.degrees(angle):g}"'
    return f"""
    <geom type="box" size="0.004 {half + 0.004:.4f} 0.012" {turn} {_WALL}
          pos="{seen * c:.5f} {seen * s:.5f} 0.012" {NO_CONTACT}/>
    <geom type="box" size="0.030 {half + 0.024:.4f} 0.150" {turn} rgba="0 0 0 0" group="4"
          pos="{fence * c:.5f} {fence * s:.5f} 0.150" {_FENCE_CONTACT}/>"""


def _body_xml() -> str:
    prongs = '\n      '.join(_prong_xml(k) for k in range(len(PRONG_COLOURS)))
    walls = ''.join(_wall_xml(k) for k in range(SIDES))
    return f"""{walls}
    <body name="object" pos="0 0 {PRONG_RADIUS}">
      <joint name="object_x" type="slide" axis="1 0 0"/>
      <joint name="object_y" type="slide" axis="0 1 0"/>
      <joint name="object_z" type="slide" axis="0 0 1"/>
      <joint name="object_yaw" axis="0 0 1" damping="0.0005"/>
      <joint name="object_pitch" axis="0 1 0" range="-20 20" damping="0.0005"/>
      <joint name="object_roll" axis="1 0 0" range="-20 20" damping="0.0005"/>
      <geom type="cylinder" size="{BASE_RADIUS} 0.004" pos="0 0 {0.004 - PRONG_RADIUS:.4f}"
            rgba="0.35 0.35 0.38 1" mass="0.16" class="plastic" {OBJECT_CONTACT}/>
      <geom type="cylinder" size="0.018 0.020" pos="0 0 0.004" rgba="0.35 0.35 0.38 1"
            mass="0.03" class="plastic" {OBJECT_CONTACT}/>
      {prongs}
    </body>"""


OBJECT_SCENE = SceneSpec(
    name='object',
    mount_height=0.245,
    camera=CameraPose(azimuth=180.0, elevation=-48.0, distance=0.35, target=(0.01, 0.0, 0.02)),
    body_xml=_body_xml(),
    quantities={'x': 'object_x', 'y': 'object_y', 'yaw': 'object_yaw'},
    units={'x': 'm', 'y': 'm', 'yaw': 'rad'},
)
