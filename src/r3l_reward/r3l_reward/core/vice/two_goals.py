# SPDX-License-Identifier: Apache-2.0
"""Two classifiers side by side: one of success, one of states to begin an attempt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute, CPU
from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.model import RESET, split
from r3l_reward.core.vice.objective import Examples
from r3l_reward.core.vice.trainer import ViceTrainer

Array = NDArray[np.float32]


class TwoGoals:
    """
    Train both on the same negatives; their weights travel and are kept together.

    Used like a ``ViceTrainer``. The second one's arrays have names that begin with ``RESET``.

    :param task: trained on images of success.
    :param reset: trained on images of states to begin from, of the same configuration.
    """

    def __init__(self, task: ViceTrainer, reset: ViceTrainer) -> None:
        self.task = task
        self.reset = reset

    @property
    def updates(self) -> int:
        """Updates that each of them has made."""
        return self.task.updates

    def round(
        self, negatives: Examples, check: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """
        Run one update of each per row of negatives, then measure health.

        :param negatives: shape (updates, batch, ...), updates >= 1.
        :param check: called before every update; may raise to end the round.
        :return: metrics as of ``ViceTrainer.round``; ``reset/`` begins the second one's.
        """
        metrics = self.task.round(negatives, check)
        second = self.reset.round(negatives, check)
        return metrics | {name.replace('vice/', 'reset/'): v for name, v in second.items()}

    def weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Copy both for ``RewardModel.from_weights``; the metadata are those of the first."""
        tensors, metadata = self.task.weights()
        return tensors | _marked(self.reset.weights()[0]), metadata

    def optimizer_weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Copy the moments of both optimisers, for an exact continuation."""
        tensors, metadata = self.task.optimizer_weights()
        return tensors | _marked(self.reset.optimizer_weights()[0]), metadata

    def load(
        self,
        tensors: Mapping[str, Array],
        metadata: Mapping[str, str],
        optimizer: Mapping[str, Array] | None = None,
    ) -> None:
        """
        Continue from saved weights.

        :param tensors: as returned by ``weights``.
        :param metadata: as returned by ``weights``.
        :param optimizer: as returned by ``optimizer_weights``; without it the moments restart.
        :raises WeightsError: one sentence, if they do not fit these trainers.
        """
        moments = split(optimizer) if optimizer else (None, None)
        for trainer, own, moment in zip(
            (self.task, self.reset), split(tensors), moments, strict=True
        ):
            trainer.load(own, metadata, moment)


Trainer = ViceTrainer | TwoGoals


def trainer_of(
    config: ViceConfig,
    goals: Examples,
    reset_goals: Examples | None = None,
    seed: int = 0,
    compute: Compute = CPU,
) -> Trainer:
    """
    Make what trains the classifier, or both of them.

    :param config: architecture and loss.
    :param goals: examples of success, as ``ViceTrainer`` takes them.
    :param reset_goals: examples of states to begin from, of the same kind; None: there is no
        second classifier.
    :param seed: of the run.
    :param compute: where it is trained.
    :return: the trainer.
    :raises ValueError: if goals are of a wrong shape or there are none.
    """
    task = ViceTrainer(config, goals, seed, compute)
    if reset_goals is None:
        return task
    # Another seed: two classifiers that start alike would err alike.
    return TwoGoals(task, ViceTrainer(config, reset_goals, seed + 1, compute))


def _marked(tensors: Mapping[str, Array]) -> dict[str, Array]:
    return {RESET + name: value for name, value in tensors.items()}
