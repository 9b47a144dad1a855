# SPDX-License-Identifier: Apache-2.0
"""What the instrumented oracle senses in place of images; nothing else may look into a scene."""

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.deployed import DeployedPolicy
from r3l_sim.core.scene import Scene


def state_features(scene: Scene) -> NDArray[np.float32]:
    """
    Return the object's state as features: angles as cosine and sine, the rest as it is.

    :param scene: to look into.
    """
    values: list[float] = []
    units = scene.task.scene.units
    for name, value in scene.object_state().items():
        values += [math.cos(value), math.sin(value)] if units[name] == 'rad' else [value]
    return np.array(values, np.float32)


class Looking:
    """
    Give a policy the object's state in place of images; an `evaluation.Act`.

    :param policy: one that was trained on the features of `state_features`.
    """

    def __init__(self, policy: DeployedPolicy) -> None:
        self._policy = policy
        self._features = np.zeros((0, 0), np.float32)

    def watch(self, scenes: Sequence[Scene]) -> None:
        """Look into all scenes; see `r3l_sim.core.evaluation.evaluate`."""
        self._features = np.stack([state_features(scene) for scene in scenes])

    def __call__(
        self, images: NDArray[np.uint8], joint_position: NDArray[np.float64], first: bool
    ) -> NDArray[np.float64]:
        """Choose joint targets, shape (batch, joints) [rad]; the images are not used."""
        return self._policy(self._features, joint_position, first)
