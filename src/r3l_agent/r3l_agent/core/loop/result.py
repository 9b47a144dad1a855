# SPDX-License-Identifier: Apache-2.0
"""What comes out of a training without ROS."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from r3l_agent.core.loop.deployed import Deployed, Weights


class TrainingStoppedError(Exception):
    """Raised where a training is told to stop while it cannot be saved."""


class Evaluate(Protocol):
    """Judges policies in worlds of its own."""

    def __call__(self, encoder: Weights, policy: Weights, env_steps: int) -> Mapping[str, Any]:
        """
        Judge a policy.

        :param encoder: as in ``checkpoints/encoder.safetensors``.
        :param policy: as in ``checkpoints/policy.safetensors``.
        :param env_steps: up to which it was trained.
        :return: ``success_rate``, ``success_rate_strict``, ``final_distance_mean``, ``unit``,
            ``starts`` and whatever else there is to say; a line of ``evaluation.jsonl``.
        """
        ...


@dataclass(frozen=True, slots=True)
class TrainResult:
    """
    Where a training stands at its end, or where it was stopped.

    :param run: its folder; None: nothing was kept.
    :param env_steps: actions taken outside homing.
    :param updates: of the task policy.
    :param episodes: begun so far.
    :param interventions: resets after a terminal state.
    :param finished: false if ``stop`` ended it early.
    :param evaluations: lines of ``evaluation.jsonl``, oldest first.
    :param policy: the deployed policy; None if nothing was learned yet.
    """

    run: Path | None
    env_steps: int
    updates: int
    episodes: int
    interventions: int
    finished: bool
    evaluations: tuple[dict[str, Any], ...]
    policy: Deployed | None
