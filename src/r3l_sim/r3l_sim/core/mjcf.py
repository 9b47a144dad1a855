# SPDX-License-Identifier: Apache-2.0
"""Put hand, scene, servos, light and cameras together to one MJCF document."""

from dataclasses import dataclass

from r3l_sim.core import robel
from r3l_sim.core.hand import (
    actuators_xml,
    defaults_xml,
    hand_xml,
    HIDDEN,
    SEEN,
    STATIC_CONTACT,
)
from r3l_sim.core.scenes.base import CameraPose, SceneSpec

TASK_CAMERA = 'task'  # what the robot sees
WIDE_CAMERA = 'wide'  # the whole hand, for people
# How the hand looks: our own primitives, or the meshes of the real D'Claw over them.
HAND_MODELS = ('primitives', 'robel')
WIDE = CameraPose(azimuth=155.0, elevation=-22.0, distance=0.62, target=(0.0, 0.0, 0.16))

SKY = """<asset>
    <texture type="skybox" builtin="gradient" rgb1="0.93 0.94 0.96" rgb2="0.75 0.78 0.82"
             width="64" height="384"/>
  </asset>"""


@dataclass(frozen=True, slots=True)
class Look:
    """
    How finely the scene is drawn; the robot's small images need none of it.

    :param shadows: cast shadows.
    :param samples: samples per pixel (anti-aliasing).
    :param slices: how finely round shapes are cut into triangles.
    :param sky: a light background behind the table.
    """

    shadows: bool = False
    samples: int = 0
    slices: int = 12
    sky: bool = False


PLAIN = Look()
FINE = Look(shadows=True, samples=4, slices=48, sky=True)


def build(
    scene: SceneSpec,
    timestep: float,
    look: Look = PLAIN,
    camera: CameraPose | None = None,
    hand_model: str = HAND_MODELS[0],
) -> str:
    """
    Return the MJCF document of a scene with the hand above it.

    :param scene: what is on the table.
    :param timestep: physics step; 2 to 5 ms are stable [s].
    :param look: drawing quality.
    :param camera: pose of the task camera; the scene's own by default.
    :param hand_model: one of `HAND_MODELS`; the meshes go to MuJoCo beside the document.
    """
    shadows = 'true' if look.shadows else 'false'
    sky = SKY if look.sky else ''
    skinned = hand_model == 'robel'
    meshes = f'<asset>{robel.assets_xml()}</asset>' if skinned else ''
    return f"""<mujoco model="dclaw_{scene.name}">
  <compiler angle="degree" autolimits="true"/>
  <option timestep="{timestep!r}" integrator="implicitfast" cone="elliptic" solver="Newton"
          iterations="20" ls_iterations="20"/>
  <size memory="2M"/>
  <statistic center="0 0 0.1" extent="0.5"/>
  <visual>
    <quality offsamples="{look.samples}" shadowsize="{4096 if look.shadows else 0}"
             numslices="{look.slices}" numstacks="{look.slices // 2}" numquads="1"/>
    <map znear="0.02" zfar="5"/>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.45 0.45 0.45" specular="0 0 0"/>
  </visual>
  {sky}
  {meshes}
  <default>{defaults_xml(HIDDEN if skinned else SEEN)}
  </default>
  <worldbody>
    <light directional="true" pos="0.3 -0.2 1" dir="-0.3 0.2 -1" diffuse="0.45 0.45 0.45"
           specular="0 0 0" castshadow="{shadows}"/>
    {(camera or scene.camera).to_xml(TASK_CAMERA)}
    {WIDE.to_xml(WIDE_CAMERA)}
    <geom name="table" type="plane" size="0.5 0.5 0.05" rgba="0.62 0.60 0.55 1"
          {STATIC_CONTACT}/>
    {hand_xml(scene.mount_height, robel.skin() if skinned else None)}
    {scene.body_xml}
  </worldbody>
  <actuator>
    {actuators_xml()}
  </actuator>
</mujoco>
"""
