# SPDX-License-Identifier: Apache-2.0
"""
A three-pronged valve on a vertical axis, after ROBEL's ``valve3``.

Each prong has a colour of its own, so that the angle can be read even while a finger hides one.
Angle 0, the goal, is the red prong pointing along +x, towards the camera.
"""

import math

from r3l_sim.core.hand import OBJECT_CONTACT, STATIC_CONTACT
from r3l_sim.core.scenes.base import CameraPose, SceneSpec

PRONG_COLOURS = ('0.90 0.12 0.10 1', '0.10 0.62 0.20 1', '0.10 0.25 0.85 1')
PRONG_RADIUS = 0.018  # [m]
PRONG_START, PRONG_END = 0.010, 0.074  # of the capsule's axis, from the hinge [m]
PRONG_HEIGHT = 0.058  # above the valve's base [m]


def _prong_xml(index: int) -> str:
    angle = 2 * math.pi * index / len(PRONG_COLOURS)
    c, s = math.cos(angle), math.sin(angle)
    ends = (
        f'{PRONG_START * c:.5f} {PRONG_START * s:.5f} {PRONG_HEIGHT} '
        f'{PRONG_END * c:.5f} {PRONG_END * s:.5f} {PRONG_HEIGHT}'
    )
    return (
        f'<geom type="capsule" class="plastic" fromto="{ends}" size="{PRONG_RADIUS}" '
        f'rgba="{PRONG_COLOURS[index]}" mass="0.035" {OBJECT_CONTACT}/>'
    )


def _body_xml() -> str:
    prongs = '\n      '.join(_prong_xml(k) for k in range(len(PRONG_COLOURS)))
    return f"""
    <geom type="cylinder" size="0.030 0.022" pos="0 0 0.022" rgba="0.15 0.15 0.16 1"
          {STATIC_CONTACT}/>
    <body name="valve" pos="0 0 0.044">
      <joint name="valve" axis="0 0 1" damping="0.02" frictionloss="0.015" armature="0.0008"
             limited="false"/>
      <geom type="cylinder" size="0.022 0.028" pos="0 0 0.028" rgba="0.35 0.35 0.38 1"
            mass="0.04" class="plastic" {OBJECT_CONTACT}/>
      {prongs}
    </body>"""


VALVE = SceneSpec(
    name='valve',
    mount_height=0.335,
    camera=CameraPose(azimuth=180.0, elevation=-50.0, distance=0.33, target=(0.015, 0.0, 0.09)),
    body_xml=_body_xml(),
    quantities={'angle': 'valve'},
    units={'angle': 'rad'},
)
