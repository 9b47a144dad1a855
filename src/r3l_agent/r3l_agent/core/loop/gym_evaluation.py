# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation in a Gymnasium environment, by its own measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from r3l_agent.core.loop.deployed import Deployed, Weights
from r3l_agent.core.loop.gym_world import GymWorld

EPISODES = 10
LONGEST = 1000  # steps of an episode that never ends by itself
SUCCESS = ('is_success', 'success')  # keys of ``info``


class GymEvaluation:
    """
    Let the deployed policy act for some episodes that begin with fixed seeds.

    :param env: of its own, not that of the training.
    :param goals: keys as the training has them.
    :param episodes: of an evaluation; their seeds are 0, 1, ...
    """

    def __init__(self, env: Any, goals: Sequence[str] | None, episodes: int = EPISODES) -> None:
        self._world = GymWorld(env, goals)
        self._episodes = episodes

    def __call__(self, encoder: Weights, policy: Weights, env_steps: int) -> Mapping[str, Any]:
        """
        Judge a policy.

        :param encoder: arrays and metadata of the encoder.
        :param policy: the same of the policy.
        :param env_steps: up to which it was trained.
        :return: a line of ``evaluation.jsonl``; success is None where the environment tells none.
        """
        deployed = Deployed.from_weights(encoder, policy)
        found = [self._episode(deployed, seed) for seed in range(self._episodes)]
        returns = np.array([one for one, _ in found])
        told = [success for _, success in found if success is not None]
        rate = round(float(np.mean(told)), 6) if told else None
        return {
            'success_rate': rate,
            'success_rate_strict': rate,
            'final_distance_mean': None,
            'unit': 'return',
            'starts': self._episodes,
            'return_mean': round(float(returns.mean()), 6),
            'return_std': round(float(returns.std()), 6),
        }

    def _episode(self, deployed: Deployed, seed: int) -> tuple[float, bool | None]:
        """Return the sum of rewards and, if it is told, whether the end is a success."""
        world = self._world
        observation, info = world.env.reset(seed=seed)
        total = 0.0
        for step in range(LONGEST):
            target = deployed(world.sensed(observation), first=step == 0)
            observation, reward, ended, cut, info = world.env.step(world.action(target))
            total += float(reward)
            if ended or cut:
                break
        for key in SUCCESS:
            if key in info:
                return total, bool(info[key])
        return total, None
