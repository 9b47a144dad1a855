# SPDX-License-Identifier: Apache-2.0
"""
Four beads on one rail, after R3L's bead task (Zhu et al., ICLR 2020).

The rail lies along y, left and right for the camera, which looks through the gap between fingers
1 and 2.  Beads cannot pass each other, so bead 1 is always the leftmost as the hand sees it (the
least y).  Stops keep every bead where a fingertip can reach behind it: no state is final.
"""

from r3l_sim.core.hand import NO_CONTACT, OBJECT_CONTACT, STATIC_CONTACT
from r3l_sim.core.scenes.base import CameraPose, SceneSpec

BEADS = ('bead1', 'bead2', 'bead3', 'bead4')
# R3L: 35 mm apart at the start, then two beads to each side by 47.5 mm [m].
MIDDLE = (-0.0525, -0.0175, 0.0175, 0.0525)
TARGETS = (-0.100, -0.065, 0.065, 0.100)
RADIUS = 0.0175  # of a bead [m]
STOP = 0.110  # farthest centre of a bead from the middle [m]

_COLOURS = ('0.90 0.12 0.10 1', '0.10 0.25 0.85 1', '0.95 0.75 0.05 1', '0.10 0.62 0.20 1')
_RAIL_HEIGHT = 0.052  # above the table [m]
_POST = STOP + RADIUS + 0.008  # where the posts of the rail stand [m]
# Behind the hand: the camera looks low, under the fingers, and would see the room.
_BOARD = (
    f'<geom type="box" size="0.005 0.5 0.25" pos="-0.3 0 0.25" rgba="0.62 0.60 0.55 1" '
    f'{NO_CONTACT}/>'
)


def _bead_xml(index: int) -> str:
    # The armature makes contacts on the rail stiff: a light bead would be pressed into a finger.
    # Damping and friction: a bead that is let go at 0.3 m/s stops after some 5 cm.
    place = MIDDLE[index]
    return f"""
    <body name="{BEADS[index]}" pos="0 {place} {_RAIL_HEIGHT}">
      <joint name="{BEADS[index]}" type="slide" axis="0 1 0" ref="{place}"
             range="-{STOP} {STOP}" damping="0.30" frictionloss="0.10" armature="0.05"
             solreflimit="0.01 1" solimplimit="0.95 0.99 0.001"/>
      <geom type="sphere" size="{RADIUS}" rgba="{_COLOURS[index]}" mass="0.025" class="plastic"
            solimp="0.97 0.995 0.001" {OBJECT_CONTACT}/>
    </body>"""


def _body_xml() -> str:
    posts = ''.join(
        f'<geom type="cylinder" pos="0 {y:.4f} {_RAIL_HEIGHT / 2}" '
        f'size="0.006 {_RAIL_HEIGHT / 2 + 0.004:.4f}" rgba="0.45 0.36 0.26 1" {STATIC_CONTACT}/>'
        for y in (-_POST, _POST)
    )
    return f"""
    <geom type="capsule" fromto="0 {-_POST:.4f} {_RAIL_HEIGHT} 0 {_POST:.4f} {_RAIL_HEIGHT}"
          size="0.003" rgba="0.25 0.25 0.27 1" {NO_CONTACT}/>
    {posts}
    {_BOARD}
    {''.join(_bead_xml(k) for k in range(len(BEADS)))}"""


BEADS_SCENE = SceneSpec(
    name='beads',
    mount_height=0.250,
    camera=CameraPose(azimuth=180.0, elevation=-28.0, distance=0.33, target=(0.0, 0.0, 0.045)),
    body_xml=_body_xml(),
    quantities={name: name for name in BEADS},
    units=dict.fromkeys(BEADS, 'm'),
)
