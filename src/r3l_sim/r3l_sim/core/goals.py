# SPDX-License-Identifier: Apache-2.0
"""Goal pictures: in simulation this stands in for the person who photographs success."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.pictures import write_images
from r3l_sim.core.scene import Scene

PLAY_STEPS = 8  # of random motion around one goal
TARGET_STEPS = 2  # for which a random target is held
MAX_TRIES = 200  # per picture asked for


def generate_goals(
    scene: Scene,
    count: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> NDArray[np.uint8]:
    """
    Photograph success from the task camera, with the hand in all kinds of poses.

    The object is put near the goal, the hand plays at random, and one of the moments at which the
    object is within the limits of goals is kept.  So the pictures cover the whole success set,
    also the hand at the object, and not only one pose.

    :param scene: supplies task and camera; its own state is not touched.
    :param count: number of pictures.
    :param seed: of the play.
    :param progress: called with the number of pictures so far.
    :return: shape (count, height, width, 3), RGB.
    :raises ValueError: if count is not positive.
    :raises RuntimeError: if random play hardly ever leaves the object at the goal.
    """
    if count < 1:
        raise ValueError(f'count is {count}: expected at least 1 goal picture')
    rng = np.random.default_rng(seed)
    play, task = scene.twin(), scene.task
    goals: list[NDArray[np.uint8]] = []
    for _ in range(MAX_TRIES * count):
        play.reset(**task.near_goal(rng))
        kept = None
        chances = 0
        for step in range(PLAY_STEPS):
            if step % TARGET_STEPS == 0:
                target = rng.uniform(JOINT_LOW, JOINT_HIGH)
            play.step(target)
            if task.is_goal(play.object_state()):
                chances += 1
                if rng.uniform() < 1.0 / chances:  # every such moment is equally likely
                    kept = play.save_state()
        if kept is not None:
            play.load_state(kept)
            goals.append(play.image())
            progress(len(goals))
            if len(goals) == count:
                return np.stack(goals)
    raise RuntimeError(f'{len(goals)} of {count} goal pictures after {MAX_TRIES * count} tries')


def write_goals(folder: Path, images: NDArray[np.uint8]) -> list[Path]:
    """
    Write goal pictures as ``goal_000.png`` and so on.

    :param folder: made if missing.
    :param images: shape (count, height, width, 3), RGB.
    :return: the paths written.
    """
    return write_images(folder, images, 'goal')
