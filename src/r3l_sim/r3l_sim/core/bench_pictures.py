# SPDX-License-Identifier: Apache-2.0
"""
Pictures for a person at the bench: poses of the bare hand, and where the camera stands.

``python3 -m r3l_sim.core.bench_pictures docs/pictures`` draws those of the documentation.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import sys

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.calibration import POSES
from r3l_node.core.files import write_atomic
from r3l_sim.core.backends import create_renderer, mujoco
from r3l_sim.core.hand import HOME, JOINT_NAMES, NO_CONTACT
from r3l_sim.core.mjcf import build, FINE, TASK_CAMERA
from r3l_sim.core.pictures import png
from r3l_sim.core.scenes.base import CameraPose, SceneSpec
from r3l_sim.core.tasks import task_named

SIDE = 360  # of one view [px]
TIMESTEP = 0.004  # [s]; nothing moves here
# Two views tell the depth that one cannot.
FRONT = CameraPose(azimuth=180.0, elevation=-8.0, distance=0.52, target=(0.0, 0.0, 0.21))
ASIDE = replace(FRONT, azimuth=115.0, elevation=-25.0)
OVERVIEW = CameraPose(azimuth=130.0, elevation=-18.0, distance=0.85, target=(0.09, 0.0, 0.19))


def pose_picture(angles: Sequence[float]) -> NDArray[np.uint8]:
    """
    Draw the hand alone in a pose, seen from the camera's side and from the left of that.

    :param angles: joint positions in the order of `JOINT_NAMES` [rad].
    :return: shape (360, 720, 3), RGB.
    """
    bare = SceneSpec('bare_hand', task_named('valve').scene.mount_height, FRONT, '', {}, {})
    views = [_draw(bare, camera, angles, (SIDE, SIDE)) for camera in (FRONT, ASIDE)]
    return np.concatenate(views, axis=1)


def placement_picture(task: str) -> NDArray[np.uint8]:
    """
    Draw the hand, the object and the camera (orange, with its line of sight).

    :param task: name of the task.
    :return: shape (480, 640, 3), RGB.
    """
    scene = task_named(task).scene
    seen = replace(scene, body_xml=scene.body_xml + _camera_body(scene.camera))
    return _draw(seen, OVERVIEW, HOME, (480, 640))


def view_picture(task: str) -> NDArray[np.uint8]:
    """
    Draw what the camera shall see.

    :param task: name of the task.
    :return: shape (360, 360, 3), RGB.
    """
    scene = task_named(task).scene
    return _draw(scene, scene.camera, HOME, (SIDE, SIDE))


def _draw(
    scene: SceneSpec, camera: CameraPose, angles: Sequence[float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    model = mujoco.MjModel.from_xml_string(build(scene, TIMESTEP, FINE, camera))
    data = mujoco.MjData(model)
    for name, angle in zip(JOINT_NAMES, angles, strict=True):
        data.joint(name).qpos[0] = angle
    mujoco.mj_forward(model, data)
    renderer, _ = create_renderer(model, size, TASK_CAMERA)
    try:
        return renderer.render(data)
    finally:
        renderer.close()


def _camera_body(camera: CameraPose) -> str:
    """Return the MJCF of a camera's body and of its line of sight."""
    place = camera.position
    x, y, z = place
    sight = ' '.join(f'{value:.4f}' for value in (*place, *camera.target))
    return f"""
    <geom type="box" size="0.012 0.025 0.012" pos="{x:.4f} {y:.4f} {z:.4f}"
          euler="0 {90 + camera.elevation} 0" rgba="0.95 0.5 0.1 1" {NO_CONTACT}/>
    <geom type="capsule" fromto="{sight}" size="0.0015" rgba="0.95 0.5 0.1 1" {NO_CONTACT}/>"""


def draw_all(folder: Path) -> None:
    """
    Write the pictures of the documentation.

    :param folder: where to.
    """
    write_atomic(folder / 'camera_place.png', png(placement_picture('valve')))
    write_atomic(folder / 'camera_view.png', png(view_picture('valve')))
    for pose in POSES:
        write_atomic(folder / f'pose_{pose.name}.png', png(pose_picture(pose.angles)))


if __name__ == '__main__':
    draw_all(Path(sys.argv[1]))
