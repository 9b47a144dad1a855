# SPDX-License-Identifier: Apache-2.0
"""Classifier and learner, fed in the order of the data; all in the caller's thread."""

from collections.abc import Callable, Mapping
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.decision import Step
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.encoding import Encoding
from r3l_agent.core.loop.records import Records
from r3l_agent.core.loop.result import TrainingStoppedError
from r3l_agent.core.loop.world import Feedback
from r3l_agent.core.observation import Layout
from r3l_agent.core.replay.buffer import Row
from r3l_agent.core.schedule import Model
from r3l_agent.core.training import Training
from r3l_agent.core.worker import Listener, Worker
from r3l_node.core.weights import unpack
from r3l_reward.core.rounds import Rounds
from r3l_reward.core.training import ClassifierTraining
from r3l_reward.core.vice import RewardModel
from r3l_reward.core.vice.model import log_sigmoid
from r3l_reward.core.vice.objective import Examples

LOG = logging.getLogger('r3l_agent.train')
Array = NDArray[np.float32]
Publish = Callable[[int, int, bytes], None]


class Learning:
    """
    Learn from steps; tell about policies.

    :param config: settings that fit the world.
    :param layout: of what is stored.
    :param encoding: turns what is sensed into latents.
    :param goals: examples of success, as they are sensed; may be empty with the oracle.
    :param reset_goals: of the second classifier; None: there is none.
    :param records: are told the scalars.
    :param publish: is told policies: version, env step up to which they are trained, bytes.
    :param stop: asked between updates; True ends what cannot be saved half done.
    """

    def __init__(
        self,
        config: TrainConfig,
        layout: Layout,
        encoding: Encoding,
        goals: Examples,
        reset_goals: Examples | None,
        records: Records,
        publish: Publish,
        stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.encoding = encoding
        self.training = Training(config.learner, layout, keep=False)
        self.model: RewardModel | None = None
        self._records = records
        self._stop = stop
        self._listener = Listener(publish, self._measured, self._problem)
        self._worker: Worker | None = None
        self.classifier: ClassifierTraining | None = None
        if config.learner.reward_source == 'classifier':
            self.classifier = ClassifierTraining(
                config.reward,
                goals,
                self._round,
                reset_goals=reset_goals,
                features=layout.features,
                slack=layout.slack,
                keep=False,
            )
            self.classifier.begin()

    @property
    def worker(self) -> Worker:
        """Makes the updates; takes the learner as it is when it is asked for first."""
        if self._worker is None:
            self._worker = Worker(self.training, self._listener)
        return self._worker

    def take_encoder(self) -> None:
        """Take the encoder that was fitted just now."""
        self.training.learner.senses = self.encoding.senses
        if self.classifier is not None:
            self.classifier.set_encoder(self.encoding.encode)
        self.worker.put_encoder(self.encoding.model())
        self.drain()

    def add(self, step: Step, raw: NDArray[Any], feedback: Feedback) -> None:
        """
        Learn from a step all that is due.

        :param step: what happened.
        :param raw: the image or the features of its observation.
        :param feedback: of the world, on the way to that observation.
        """
        if self.classifier is not None and not step.last:
            self.classifier.add(
                self._negative(step, raw),
                policy=int(step.policy),
                sequence=step.sequence,
                encoder_version=step.encoder_version,
            )
        row = Row(
            sequence=step.sequence,
            policy=int(step.policy),
            first=step.first or step.interrupted,
            last=step.last,
            image=raw,
            # As messages carry them: the graph must learn from the same numbers.
            joint_position=step.joint_position.astype(np.float32),
            previous_action=step.previous_action,
            action=step.action,
            latent=step.latent,
            reward=feedback.reward,
            terminal=feedback.terminal,
        )
        self.worker.put_row(row, step.encoder_version)
        self.drain()
        self.worker.measure()

    def drain(self) -> None:
        """
        Make every update that is due.

        :raises TrainingStoppedError: if there was no time for all.
        """
        self.worker.drain(self._stop)
        if self._stop():
            raise TrainingStoppedError

    def opinion(self, step: Step, raw: NDArray[Any]) -> tuple[float, float] | None:
        """
        Score the observation of a step with the newest classifier.

        :return: probability of success and reward; None: there is no classifier yet.
        """
        model = self.model
        if model is None or (model.input == 'latent' and not step.encoder_version):
            return None
        value = step.latent if model.input == 'latent' else raw
        logit = model.logits(value[None])
        return float(np.exp(log_sigmoid(logit))[0]), float(model.reward(logit)[0])

    def _negative(self, step: Step, raw: NDArray[Any]) -> NDArray[Any]:
        assert self.classifier is not None
        if not self.classifier.encodes:
            return raw
        return step.latent if step.encoder_version else self.encoding.encode(raw[None])[0]

    def _round(self, rounds: Rounds, env_steps: int, negatives: Examples) -> None:
        trained = rounds.run(env_steps, negatives, self._check)
        self.model = trained.model
        self._records.metrics('reward', env_steps, trained.metrics)
        self.worker.put_classifier(Model(trained.version, env_steps, *unpack(trained.data)))

    def _check(self) -> None:
        if self._stop():
            raise TrainingStoppedError

    def _measured(self, env_steps: int, values: Mapping[str, float]) -> None:
        self._records.metrics('learner', env_steps, values)

    def _problem(self, sentence: str) -> None:
        LOG.error('%s', sentence)
