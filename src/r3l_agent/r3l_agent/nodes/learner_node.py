# SPDX-License-Identifier: Apache-2.0
"""The learner: transitions and models in, policies out."""

from collections.abc import Mapping

from r3l_agent.core.schedule import Model
from r3l_agent.core.training import Training
from r3l_agent.core.training_config import LearnerConfig
from r3l_agent.core.worker import Listener, Worker
from r3l_agent.nodes.conversions import nanoseconds, read_transition
from r3l_msgs.msg import LearnerStatus, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import MessageError
from r3l_node.nodes.main import run
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights, weights_message
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
import torch

STATUS_PERIOD = 0.4  # [s]
STOP_TIMEOUT = 2.5  # [s]


class LearnerNode(Node):
    """
    Learn task policy and perturbation controller from transitions.

    Subscribes ``transition``, ``encoder/weights`` and ``reward/weights``. Publishes
    ``policy/weights`` at the end of every episode, ``learner/status`` and ``metrics``.
    """

    def __init__(self) -> None:
        super().__init__('learner')
        self._config = declare(self, LearnerConfig)
        if self._config.reward_source != 'classifier':
            raise ConfigError(
                f"learner.reward_source is '{self._config.reward_source}': expected 'classifier', "
                'nothing else tells a reward here'
            )
        torch.set_num_threads(self._config.threads)
        training = Training(self._config)
        self._last_sequence = training.learner.replay.last_sequence
        self._last_stamp: int | None = None
        self._malformed = self._duplicates = self._lost = 0
        self._problem = ''
        self._policies = self.create_publisher(Weights, 'policy/weights', qos.POLICY_WEIGHTS)
        self._status = self.create_publisher(LearnerStatus, 'learner/status', qos.STATUS)
        self._metrics = MetricsPublisher(self, 'learner')
        self._worker = Worker(
            training, Listener(self._on_policy, self._metrics.publish, self._on_problem)
        )
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('learning', self._report)
        self.create_subscription(Transition, 'transition', self._on_transition, qos.TRANSITION)
        self.create_subscription(Weights, 'encoder/weights', self._on_encoder, qos.WEIGHTS)
        self.create_subscription(Weights, 'reward/weights', self._on_classifier, qos.WEIGHTS)
        self._timer = self.create_timer(
            STATUS_PERIOD, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._publish_status()
        self._worker.start()

    def _on_transition(self, message: Transition) -> None:
        stamp = nanoseconds(message.header)
        # An agent without a run folder counts from 0 again after a restart.
        new_life = message.first and self._last_stamp is not None and stamp > self._last_stamp
        if message.sequence <= self._last_sequence and not new_life:
            if message.interrupted:
                self._worker.put_cut(message.sequence)
                return
            self._duplicates += 1
            return
        config = self._config
        try:
            row, version = read_transition(
                message, len(config.joint_low), config.latent_size, config.image_size
            )
        except MessageError as error:
            self._refuse('transition', error)
            return
        if message.sequence > self._last_sequence:
            self._lost += message.sequence - self._last_sequence - 1
        self._last_sequence = message.sequence
        self._last_stamp = stamp
        self._worker.put_row(row, version)

    def _on_encoder(self, message: Weights) -> None:
        model = self._read(message, 'encoder')
        if model is not None:
            self._worker.put_encoder(model)

    def _on_classifier(self, message: Weights) -> None:
        model = self._read(message, 'reward')
        if model is not None:
            self._worker.put_classifier(model)

    def _read(self, message: Weights, name: str) -> Model | None:
        try:
            tensors, metadata = read_weights(message, name)
        except ConfigError as error:
            self._refuse(f'{name}/weights', error)
            return None
        return Model(message.version, message.env_steps, tensors, metadata)

    def _refuse(self, what: str, error: Exception) -> None:
        self._malformed += 1
        self.get_logger().error(f'{what} dropped: {error}', throttle_duration_sec=1.0)

    def _on_policy(self, version: int, env_steps: int, data: bytes) -> None:
        stamp = self.get_clock().now().to_msg()
        self._policies.publish(weights_message('policy', version, env_steps, data, stamp))
        self._publish_status()

    def _on_problem(self, sentence: str) -> None:
        self._problem = sentence
        self.get_logger().error(sentence, throttle_duration_sec=1.0)

    def _on_timer(self) -> None:
        if self._worker.error is not None:
            raise RuntimeError('the learner failed') from self._worker.error
        self._publish_status()

    def _publish_status(self) -> None:
        training = self._worker.training
        status = LearnerStatus(
            received=self._worker.received,
            env_steps=training.done_steps,
            updates=training.learner.updates,
            update_ratio=training.ratio,
            policy_version=training.policy_version,
        )
        status.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(status)

    def _report(self) -> Report:
        training = self._worker.training
        figures: Mapping[str, object] = {
            'env steps': training.env_steps,
            'updates': training.learner.updates,
            'updates owed': training.owed,
            'replay': len(training.learner.replay),
            'classifier version': training.learner.reward_version,
            'messages malformed': self._malformed,
            'transitions repeated': self._duplicates,
            'transitions lost': self._lost,
            'updates not finite': training.bad_updates,
            'rollbacks': training.rollbacks,
        }
        level = Level.WARN if self._problem else Level.OK
        sentence = self._problem or 'learning'
        self._problem = ''
        return level, sentence, figures

    def close(self) -> None:
        """Finish the running update and keep everything."""
        if not self._worker.stop(STOP_TIMEOUT):
            self.get_logger().error('the last checkpoint is older than the end of the run')
        self._publish_status()


def main(args: list[str] | None = None) -> None:
    """Run the learner until it is stopped."""
    run(LearnerNode, args)
