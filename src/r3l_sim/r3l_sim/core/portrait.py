# SPDX-License-Identifier: Apache-2.0
"""Draw a scene for the documentation: ``python3 -m r3l_sim.core.portrait valve valve.png``."""

from pathlib import Path
import sys

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.files import write_atomic
from r3l_sim.core.hand import HOME
from r3l_sim.core.mjcf import FINE, TASK_CAMERA, WIDE_CAMERA
from r3l_sim.core.pictures import png
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks import State, TASKS

SIZE = (480, 640)  # [px]
INSET = 5  # enlargement of the robot's 32x32 image in the corner
# Finger 2 between two beads, finger 1 outside the last; finger 3 at the object [rad].
AT_BEADS = (0.0, -0.9, 1.0, -0.25, -0.35, 0.55, 0.0, -1.0, 0.9)
AT_OBJECT = (0.1, -0.75, 0.6, 0.35, -0.95, 0.9, 0.2, -0.45, 0.75)
# Fingers 1 and 3 at the prongs, finger 2 withdrawn [rad].
AT_PRONGS = (-0.2, 0.30, 0.45, 0.1, -0.75, 0.9, 0.30, 0.15, 0.60)
# By task: where the object is, and the pose that the hand goes to [rad].
SHOWN: dict[str, tuple[State, tuple[float, ...]]] = {
    'valve': ({'angle': 0.9}, AT_PRONGS),
    'beads': (TASKS['beads'].published_starts[3], AT_BEADS),
    'object': ({'x': 0.025, 'y': 0.005, 'yaw': 0.5}, AT_OBJECT),
}


def portrait(task: str = 'valve', hand_model: str = 'primitives') -> NDArray[np.uint8]:
    """
    Draw hand and object, with what the robot's camera sees in the corner.

    :param task: name of the task.
    :param hand_model: how the hand looks, see `r3l_sim.core.mjcf.HAND_MODELS`.
    :return: shape (480, 640, 3), RGB.
    """
    scene = Scene(task, look=FINE, hand_model=hand_model)
    state, pose = SHOWN.get(task, (scene.task.published_starts[0], HOME))
    scene.reset(**state)
    for _ in range(6):
        scene.step(np.array(pose))
    picture = scene.picture(SIZE, WIDE_CAMERA)
    plain = Scene(task, hand_model=hand_model)
    plain.load_state(scene.save_state())
    view = plain.picture(plain.size, TASK_CAMERA).repeat(INSET, 0).repeat(INSET, 1)
    side = len(view)
    picture[8 : 12 + side, 8 : 12 + side] = 255
    picture[10 : 10 + side, 10 : 10 + side] = view
    scene.close()
    plain.close()
    return picture


if __name__ == '__main__':
    write_atomic(Path(sys.argv[2]), png(portrait(sys.argv[1], *sys.argv[3:])))
