# SPDX-License-Identifier: Apache-2.0
"""
The scenes as Gymnasium environments, for comparison with other people's algorithms.

Unlike the ROS graph these reset the object and hand out the true reward.
"""

from typing import Any

import gymnasium
from gymnasium import spaces
import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.mjcf import WIDE_CAMERA
from r3l_sim.core.scene import JOINTS, Scene

Observation = dict[str, NDArray[Any]]
PICTURE_SIZE = (480, 640)  # of render() [px]


class DClawEnv(gymnasium.Env[Observation, NDArray[np.float32]]):  # type: ignore[misc]
    """
    Bring the object of a task to its goal.

    Observation: ``image`` (size, size, 3) uint8 and ``joint_position`` (9,) [rad].  Action: nine
    joint targets, -1 to 1 over each joint's range.  Reward: minus the task's distance to the goal
    per step.  Episodes never terminate, they are only truncated.

    :param render_mode: None or 'rgb_array'.
    :param task: name of a task.
    :param image_size: height and width of the observed image [px].
    :param control_rate: steps per second [Hz].
    :param backend: camera back end.
    """

    metadata = {'render_modes': ['rgb_array'], 'render_fps': 5}  # noqa: RUF012

    def __init__(
        self,
        render_mode: str | None = None,
        task: str = 'valve',
        image_size: int = 32,
        control_rate: float = 5.0,
        backend: str = 'auto',
    ) -> None:
        self.render_mode = render_mode
        self._scene = Scene(
            task, image_size=image_size, control_rate=control_rate, backend=backend
        )
        low, high = np.array(JOINT_LOW), np.array(JOINT_HIGH)
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        self.action_space = spaces.Box(-1.0, 1.0, (JOINTS,), np.float32)
        self.observation_space = spaces.Dict(
            {
                'image': spaces.Box(0, 255, (image_size, image_size, 3), np.uint8),
                'joint_position': spaces.Box(-np.pi, np.pi, (JOINTS,), np.float32),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """
        Put the hand into its home pose and the object anywhere.

        :param seed: seeds the environment's generator.
        :param options: object state by name, e.g. ``{'angle': 1.0}`` [rad]; random if None.
        """
        super().reset(seed=seed)
        self._scene.reset(**(options or self._scene.task.random_state(self.np_random)))
        return self._observation(), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """
        Advance one control period.

        :param action: shape (9,), -1 to 1.
        """
        self._scene.step(self._middle + np.clip(action, -1.0, 1.0) * self._half)
        reward = self._scene.task.reward(self._scene.object_state())
        return self._observation(), reward, False, False, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the whole hand, shape (480, 640, 3), if the render mode asks."""
        if self.render_mode != 'rgb_array':
            return None
        return self._scene.picture(PICTURE_SIZE, WIDE_CAMERA)

    def close(self) -> None:
        """Free the camera."""
        self._scene.close()

    def _observation(self) -> Observation:
        joints = self._scene.joint_position.astype(np.float32)
        return {'image': self._scene.image(), 'joint_position': joints}

    def _info(self) -> dict[str, Any]:
        task, state = self._scene.task, self._scene.object_state()
        return {'distance': task.distance(state), 'is_success': task.is_success(state), **state}


for _task in ('Valve', 'Beads', 'Object'):
    gymnasium.register(
        id=f'r3l/DClaw{_task}-v0',
        entry_point='r3l_sim.core.env:DClawEnv',
        kwargs={'task': _task.lower()},
        max_episode_steps=50,  # 10 s, the deployed episode
    )
