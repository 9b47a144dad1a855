# SPDX-License-Identifier: Apache-2.0
"""Stable-Baselines3's SAC on our valve: what the loop is measured against."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium import spaces
import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_bringup.bench.single import untrained_encoder
from r3l_bringup.hardware import Values
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build
from r3l_perception.core.vae import from_weights
from r3l_sim.core.config import SimConfig
from r3l_sim.core.scene import Scene

Array = NDArray[np.float32]
START = 100  # env steps before the first update


class LatentEnv(gymnasium.Env[Array, Array]):  # type: ignore[misc]
    """
    The robot of a run as other people's algorithms want it: an observation vector and a reward.

    Physics, camera, encoder, length of the episodes and homing are those of the run; the reward
    is the true one, which costs nothing here, where ours has to be learned.

    :param values: parameters of all nodes.
    """

    def __init__(self, values: Values) -> None:
        agent, sim = values['agent'], values['sim']
        self._scene = Scene.from_config(build(SimConfig, sim, node='sim'))
        self._joints = JointRange(tuple(agent['joint_low']), tuple(agent['joint_high']))
        count, history = len(agent['home']), values['learner']['history']
        self._spec = ObservationSpec(values['encoder']['latent_size'], count, history)
        self._vae = from_weights(*untrained_encoder(values))
        self._home = np.array(agent['home'])
        self._episode, self._homing = agent['episode_steps'], agent['homing_steps']
        self._step = 0
        self._latent: Array | None = None
        self.observation_space = spaces.Box(-np.inf, np.inf, (self._spec.size,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (count,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Home the robot; the object stays where it is."""
        super().reset(seed=seed)
        for _ in range(self._homing):
            self._scene.step(self._home)
        self._step, self._latent = 0, None
        return self._observe(np.zeros(self._spec.joints, np.float32)), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """
        Advance one control period.

        :param action: shape (joints,), -1 to 1.
        """
        self._scene.step(self._joints.target(action))
        self._step += 1
        distance = self._scene.task.distance(self._scene.object_state())
        observation = self._observe(action)
        return observation, -distance, False, self._step >= self._episode, {}

    def close(self) -> None:
        """Free the camera."""
        self._scene.close()

    def _observe(self, action: Array) -> Array:
        latent: Array = self._vae.encode(self._scene.image()[None])[0][0].numpy()
        previous = latent if self._latent is None else self._latent
        self._latent = latent
        position = self._joints.normalise(self._scene.joint_position)
        return self._spec.assemble(latent, previous, position, np.asarray(action, np.float32))


def rhythm(ratio: float) -> tuple[int, int]:
    """
    Express a ratio in whole numbers, as Stable-Baselines3 wants it.

    :param ratio: updates per env step, > 0.
    :return: env steps between two trainings, and the updates of a training.
    """
    every = 1 if ratio >= 1 else round(1 / ratio)
    return every, round(ratio * every)


class Sb3Loop:
    """
    Stable-Baselines3's SAC with the ratio, networks and batch of a run.

    :param values: parameters of all nodes.
    :raises ConfigError: if Stable-Baselines3 is not installed.
    """

    def __init__(self, values: Values) -> None:
        try:
            from stable_baselines3 import SAC
            from stable_baselines3.common.logger import configure
        except ImportError as error:
            raise ConfigError(
                'Stable-Baselines3 is not installed: pip install -r requirements/bench.txt'
            ) from error
        learner = values['learner']
        every, gradient_steps = rhythm(learner['update_ratio'])
        self._env = LatentEnv(values)
        self._model = SAC(
            'MlpPolicy', self._env, device='cpu', seed=0,
            buffer_size=learner['capacity'], batch_size=learner['batch'],
            gamma=learner['discount'], tau=learner['target_rate'],
            learning_rate=learner['learning_rate'], learning_starts=START,
            train_freq=every, gradient_steps=gradient_steps,
            policy_kwargs={'net_arch': list(learner['hidden']), 'n_critics': learner['critics']},
        )  # fmt: skip
        self._model.set_logger(configure(None, []))
        self.run(START)

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return int(self._model._n_updates)

    def run(self, steps: int) -> None:
        """
        Act and learn.

        :param steps: env steps.
        """
        self._model.learn(steps, reset_num_timesteps=False)

    def close(self) -> None:
        """Free the camera."""
        self._env.close()
