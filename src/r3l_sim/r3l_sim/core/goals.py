# SPDX-License-Identifier: Apache-2.0
"""Goal pictures: in simulation this stands in for the person who photographs success."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.pictures import write_images
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks.base import State

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
    task = scene.task
    return _photograph(scene, task.near_goal, task.is_goal, count, seed, progress)


def generate_starts(
    scene: Scene,
    count: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> NDArray[np.uint8]:
    """
    Photograph where attempts begin: goals of a policy that undoes what the task policy did.

    These are the states in the farther half of all starts, by the task's distance; the hand plays
    there as for pictures of success.

    :param scene: supplies task and camera; its own state is not touched.
    :param count: number of pictures.
    :param seed: of the starts and of the play.
    :param progress: called with the number of pictures so far.
    :return: shape (count, height, width, 3), RGB.
    :raises ValueError: if count is not positive.
    :raises RuntimeError: if random play hardly ever leaves the object there.
    """
    task = scene.task
    # Seed 0 is the set that policies are judged from; these are others.
    starts = sorted(task.starts(max(2 * count, 2), seed + 1), key=task.distance)
    far = starts[len(starts) // 2 :]
    limit = task.distance(far[0])
    return _photograph(
        scene,
        lambda rng: far[rng.integers(len(far))],
        lambda state: task.distance(state) >= limit,
        count,
        seed,
        progress,
    )


def _photograph(
    scene: Scene,
    begin: Callable[[np.random.Generator], State],
    wanted: Callable[[State], bool],
    count: int,
    seed: int,
    progress: Callable[[int], None],
) -> NDArray[np.uint8]:
    """Play from states of ``begin``; keep one of the moments that are ``wanted``."""
    if count < 1:
        raise ValueError(f'count is {count}: expected at least 1 goal picture')
    rng = np.random.default_rng(seed)
    play = scene.twin()
    goals: list[NDArray[np.uint8]] = []
    for _ in range(MAX_TRIES * count):
        play.reset(**begin(rng))
        kept = None
        chances = 0
        for step in range(scene.task.play_steps):
            if step % TARGET_STEPS == 0:
                target = rng.uniform(JOINT_LOW, JOINT_HIGH)
            play.step(target)
            if wanted(play.object_state()):
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
