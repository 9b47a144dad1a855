# SPDX-License-Identifier: Apache-2.0
"""The loop of the graph in one process without ROS: what the graph is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import time
from typing import Any

import numpy as np
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_agent.core.replay.buffer import RANDOM, Row
from r3l_bringup.hardware import Values
from r3l_node.core.parameters import build
from r3l_node.core.weights import Tensors
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.vice import RewardModel, ViceConfig, ViceTrainer
from r3l_sim.core.config import SimConfig
from r3l_sim.core.scene import Scene
import torch

_PARTS = ('physics', 'image', 'encode', 'score', 'act', 'store')


def untrained_encoder(values: Values) -> tuple[Tensors, dict[str, str]]:
    """Return the weights of an encoder that has learned nothing; as slow as any other."""
    config = VaeConfig(
        image_size=values['encoder']['image_size'], latent_size=values['encoder']['latent_size']
    )
    return to_weights(Vae(config, torch.Generator().manual_seed(0)))


def untrained_reward(latent_size: int) -> RewardModel:
    """Return a classifier that has learned nothing."""
    goals = np.random.default_rng(0).standard_normal((40, latent_size)).astype(np.float32)
    return RewardModel.from_weights(*ViceTrainer(ViceConfig(), goals, 0).weights())


class SingleProcess:
    """Simulator, encoder, classifier, random agent and replay, called one after another."""

    def __init__(self, values: Values) -> None:
        """Make all parts with the parameters of the graph."""
        agent, sim = values['agent'], values['sim']
        latent_size = values['encoder']['latent_size']
        self._scene = Scene.from_config(build(SimConfig, sim, node='sim'))
        self._joints = JointRange(tuple(agent['joint_low']), tuple(agent['joint_high']))
        settings = LearningConfig(image_size=sim['image_size'], capacity=100_000)
        self._learner = Learner(settings, self._joints, latent_size)
        self._learner.set_encoder(*untrained_encoder(values))
        self._reward = untrained_reward(latent_size)
        self._home = np.array(agent['home'])
        self._episode, self._homing = agent['episode_steps'], agent['homing_steps']
        self._hold, self._seed = agent['random_hold'], agent['seed']
        self._sequence = self._counted = 0
        self.spent = dict.fromkeys(_PARTS, 0.0)  # [s]

    def run(self, seconds: float) -> float:
        """
        Run the loop.

        :return: env steps per second of wall time; as in the graph, homing is not counted.
        """
        begun, first = time.perf_counter(), self._counted
        while time.perf_counter() - begun < seconds:
            self._run_episode()
        return (self._counted - first) / (time.perf_counter() - begun)

    def close(self) -> None:
        """Free the camera."""
        self._scene.close()

    def _run_episode(self) -> None:
        action = np.zeros(len(self._home), np.float32)
        for step in range(self._episode + 1):
            previous = action
            image, joints, latent = self._observe()
            with self._timed('act'):
                rng = np.random.default_rng([self._seed, self._sequence // self._hold])
                action = rng.uniform(-1.0, 1.0, len(self._home)).astype(np.float32)
                target = self._joints.target(action)
            row = Row(
                sequence=self._sequence, policy=RANDOM, first=step == 0,
                last=step == self._episode, image=image, joint_position=joints,
                previous_action=previous, action=action, latent=latent,
            )  # fmt: skip
            with self._timed('store'):
                self._learner.add(row)
            self._sequence += 1
            if step < self._episode:
                self._counted += 1
                self._advance(target)
        for step in range(self._homing):
            self._advance(self._home)
            if step + 1 < self._homing:
                self._observe()

    def _observe(self) -> tuple[Any, Any, Any]:
        with self._timed('image'):
            image = self._scene.image()
        with self._timed('encode'):
            latent = self._learner.encode(image[None])
        with self._timed('score'):
            self._reward.reward(self._reward.logits(latent))
        return image, self._scene.joint_position, latent[0]

    def _advance(self, target: Any) -> None:
        with self._timed('physics'):
            self._scene.step(target)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.spent[part] += time.perf_counter() - begun
