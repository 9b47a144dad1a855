# SPDX-License-Identifier: Apache-2.0
"""What becomes of the robot's steps: negatives, and rounds of training at fixed env steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute
from r3l_node.core.weights import load
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.negatives import Encode, Negatives
from r3l_reward.core.rounds import Rounds
from r3l_reward.core.schedule import negatives_of_round, Schedule
from r3l_reward.core.vice import trainer_of
from r3l_reward.core.vice.objective import Examples

CHECKPOINTS = 'checkpoints'  # folder of the run
Start = Callable[[Rounds, int, Examples], None]


class ClassifierTraining:
    """
    Store negatives, and start a round whenever one is due.

    :param config: settings.
    :param goals: shape (count, image_size, image_size, 3) uint8, or (count, features) float32.
    :param start: called with what runs the round, its name and its negatives.
    :param reset_goals: of a second classifier, of the same kind; None: there is one only.
    :param features: length of the features that the robot senses; 0: it senses images.
    :param slack: steps that are kept beyond the capacity, see ``Negatives``.
    :param keep: write and read checkpoints of its own; otherwise the owner keeps their state.
    :raises ConfigError: if the run's files or the device do not fit.
    """

    def __init__(
        self,
        config: RewardConfig,
        goals: Examples,
        start: Start,
        *,
        reset_goals: Examples | None = None,
        features: int = 0,
        slack: int = 0,
        keep: bool = True,
    ) -> None:
        folder = Path(config.run) if config.run else None
        self.config = config
        self.goals = goals
        self.reset_goals = reset_goals
        self._compute = Compute.named(config.device, config.precision, node='reward')
        self.negatives = Negatives(
            folder and folder / 'replay' / 'reward',
            kind=config.input,
            image_size=config.image_size,
            latent_size=config.latent_size,
            capacity=config.negatives,
            warmup_capacity=config.warmup_capacity,
            features=features,
            slack=slack,
        )
        self.schedule = Schedule(config.round_steps, config.initial_negatives)
        self.rounds = Rounds(folder / CHECKPOINTS if folder and keep else None)
        self._start = start

    def begin(self) -> None:
        """Go on after what was restored."""
        if self.rounds.restored is not None:
            self.schedule.resume(self.rounds.restored.env_steps)
        if self.config.input == 'pixels':
            self._set_trainer(self.goals, self.reset_goals)

    def set_encoder(self, encode: Encode) -> None:
        """
        Take the encoder, which stays the same from now on; a classifier of pixels needs none.

        :param encode: maps images or features to latents, shape (batch, latent).
        """
        if self.config.input == 'pixels':
            return
        self.negatives.set_encoder(encode)
        goals = encode(self.goals)
        reset = None if self.reset_goals is None else encode(self.reset_goals)
        self._set_trainer(goals, reset)
        self._train()

    def _set_trainer(self, goals: Examples, reset: Examples | None) -> None:
        config = self.config
        trainer = trainer_of(config, goals, reset, config.seed, self._compute)
        if config.weights:
            trainer.load(*load(Path(config.weights)))
        self.rounds.set_trainer(trainer)

    @property
    def encodes(self) -> bool:
        """Whether steps are stored as latents by now."""
        return self.config.input == 'latent' and self.negatives.ready

    def add(
        self,
        value: NDArray[np.float32] | NDArray[np.uint8],
        *,
        policy: int,
        sequence: int,
        encoder_version: int,
    ) -> None:
        """
        Store a step and start the rounds that are due.

        :param value: a latent if ``encodes``, otherwise what was sensed.
        :param policy: who acted.
        :param sequence: number of the transition.
        :param encoder_version: of the latent that it came with; 0: none.
        """
        self.negatives.add(
            value, policy=policy, sequence=sequence, encoder_version=encoder_version
        )
        self._train()

    def _train(self) -> None:
        if not self.rounds.possible:
            return
        config, negatives = self.config, self.negatives
        begun = self.schedule.started
        before = 0 if begun else negatives.before_encoder
        for env_steps in self.schedule.due(negatives.count, before):
            updates = config.updates_per_round if begun else config.initial_updates
            begun = True
            self._start(
                self.rounds, env_steps, negatives_of_round(negatives, config, env_steps, updates)
            )
