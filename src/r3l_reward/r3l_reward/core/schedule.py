# SPDX-License-Identifier: Apache-2.0
"""When the classifier is trained: at fixed env steps, whatever the timing of the messages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from r3l_reward.core.config import first_round, RewardConfig
from r3l_reward.core.negatives import Negatives
from r3l_reward.core.vice.objective import Examples


class Schedule:
    """
    Name the env steps at which rounds of updates are due.

    A round is named by a multiple of ``round_steps`` and trains on the steps before it, so that
    its result depends on the data only and not on when it runs.
    """

    def __init__(self, round_steps: int, initial_negatives: int) -> None:
        """
        Start before the first round.

        :param round_steps: env steps between two rounds.
        :param initial_negatives: fewest env steps for the first round.
        """
        self._step = round_steps
        self._minimum = first_round(round_steps, initial_negatives)
        self._last: int | None = None

    @property
    def started(self) -> bool:
        """Whether there was a first round."""
        return self._last is not None

    @property
    def last(self) -> int | None:
        """Name of the last round; None: there was none."""
        return self._last

    def resume(self, env_steps: int) -> None:
        """
        Continue after a round of an earlier process.

        :param env_steps: name of its last round.
        """
        self._last = env_steps

    def due(self, env_steps: int, before_encoder: int) -> list[int]:
        """
        Take all rounds that are due.

        :param env_steps: steps stored so far.
        :param before_encoder: those of them taken before there was an encoder; the first round
            comes at the end of that time.
        :return: names of the rounds, increasing.
        """
        if self._last is None:
            following = max(self._minimum, before_encoder // self._step * self._step)
        else:
            following = self._last + self._step
        rounds = list(range(following, env_steps + 1, self._step))
        if rounds:
            self._last = rounds[-1]
        return rounds


def draw(
    seed: int, env_steps: int, count: int, shape: tuple[int, int], stream: int = 4
) -> NDArray[np.int64]:
    """
    Choose the negatives of a round.

    :param seed: seed of the run.
    :param env_steps: name of the round.
    :param count: number of negatives to choose from, >= 1.
    :param shape: (updates, batch).
    :param stream: another one for a second choice of the same round.
    :return: positions below ``count``, of that shape.
    """
    return np.random.default_rng([seed, stream, env_steps]).integers(count, size=shape)


def negatives_of_round(
    negatives: Negatives, config: RewardConfig, env_steps: int, updates: int
) -> Examples:
    """
    Copy the negatives of a round.

    :param negatives: what the robot saw.
    :param config: what may be among them, and the seed.
    :param env_steps: name of the round; steps from there on are left out.
    :param updates: of the round.
    :return: shape (updates, batch, ...).
    """
    slots = negatives.candidates(env_steps, config.include_random)
    shape = (updates, config.batch)
    if config.balance:
        task = negatives.by_task(slots)
        own, others = slots[task], slots[~task]
        if len(own) and len(others):
            half = config.batch // 2
            first = draw(config.seed, env_steps, len(own), (updates, half))
            rest = (updates, config.batch - half)
            second = draw(config.seed, env_steps, len(others), rest, stream=6)
            return negatives.rows(np.concatenate([own[first], others[second]], axis=1))
    return negatives.rows(slots[draw(config.seed, env_steps, len(slots), shape)])
