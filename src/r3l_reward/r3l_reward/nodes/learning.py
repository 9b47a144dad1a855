# SPDX-License-Identifier: Apache-2.0
"""The training of the classifier: the steps that the robot sends, and rounds beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_msgs.msg import Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.fields import float_array
from r3l_node.nodes.images import image_array
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_perception.core.vae import from_weights, Vae
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.goals import load_goals
from r3l_reward.core.rounds import Trained
from r3l_reward.core.training import ClassifierTraining
from r3l_reward.nodes.rounds import RoundsThread
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

CHECK_PERIOD = 0.2  # [s]

Value = NDArray[np.float32] | NDArray[np.uint8]


class Learning:
    """
    Train on ``transition`` and ``encoder/weights``; publish ``reward/weights`` and ``metrics``.

    :param node: owner of subscriptions and publishers.
    :param config: settings.
    :param use: called with every classifier, in the thread of the rounds.
    :param drop: called with what was dropped and why.
    :raises ConfigError: if a goal image or the run's files do not fit.
    """

    def __init__(
        self,
        node: Node,
        config: RewardConfig,
        use: Callable[[Trained], None],
        drop: Callable[[str, ConfigError], None],
    ) -> None:
        if not config.goals:
            raise ConfigError("reward.goals is '': expected a folder of goal images")
        self._node = node
        self._config = config
        self._use = use
        self._drop = drop
        self._side = (config.image_size, config.image_size)
        self._thread = RoundsThread(self._publish_round)
        self._training = ClassifierTraining(
            config,
            load_goals(config.goals, config.image_size, config.minimum_goals),
            self._thread.start,
            reset_goals=self._reset_goals(),
        )
        self._sequence = self._training.negatives.last_sequence
        self._vae: Vae | None = None
        self._encoder_digest = ''
        self._missed = 0
        self._weights = node.create_publisher(Weights, 'reward/weights', qos.WEIGHTS)
        self._metrics = MetricsPublisher(node, 'reward')

    def begin(self) -> None:
        """Go on after what an earlier process left, and listen."""
        restored = self._training.rounds.restored
        if restored is not None:
            self._publish_round(restored)
        self._training.begin()
        node = self._node
        node.create_subscription(Transition, 'transition', self._on_transition, qos.TRANSITION)
        if self._config.input != 'pixels':
            node.create_subscription(Weights, 'encoder/weights', self._on_encoder, qos.WEIGHTS)
        node.create_timer(
            CHECK_PERIOD, self._thread.check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """End the round under way; its steps are trained on again after the next start."""
        self._thread.stop()

    def figures(self) -> dict[str, object]:
        """Return what the diagnostics say of the training."""
        return {
            'goals': len(self._training.goals),
            'negatives': self._training.negatives.count,
            'transitions missed': self._missed,
        }

    def _reset_goals(self) -> NDArray[np.uint8] | None:
        config = self._config
        if not config.reset_goals:
            return None
        return load_goals(config.reset_goals, config.image_size, config.minimum_goals)

    def _on_transition(self, msg: Transition) -> None:
        if msg.sequence <= self._sequence:
            return
        if self._sequence >= 0:
            self._missed += msg.sequence - self._sequence - 1
        self._sequence = msg.sequence
        if msg.last:
            return
        try:
            value = self._value(msg)
        except ConfigError as error:
            self._drop('transition', error)
            return
        self._training.add(
            value,
            policy=msg.policy,
            sequence=msg.sequence,
            encoder_version=msg.encoder_version,
        )

    def _value(self, msg: Transition) -> Value:
        """Return the latent of a transition, or its image where no latent can be had."""
        encode = self._training.encodes
        if encode and msg.encoder_version > 0:
            latent: NDArray[np.float32] = float_array(
                msg.latent_mean, self._config.latent_size, name='latent_mean'
            )
            return latent
        pixels = image_array(msg.image, self._side)
        if not encode:
            return pixels
        if self._vae is None:
            raise ConfigError('it has no latent and there is no encoder yet')
        encoded: NDArray[np.float32] = self._encode(pixels[None])[0]
        return encoded

    def _on_encoder(self, msg: Weights) -> None:
        if msg.sha256 == self._encoder_digest:
            return
        try:
            vae = from_weights(*read_weights(msg, 'encoder'))
            self._check_encoder(vae)
        except ConfigError as error:
            self._drop('encoder/weights', error)
            return
        if self._vae is not None:
            self._drop('encoder/weights', ConfigError('the encoder changed after it was frozen'))
            return
        self._encoder_digest = msg.sha256
        self._vae = vae
        self._training.set_encoder(self._encode)

    def _check_encoder(self, vae: Vae) -> None:
        for name in ('image_size', 'latent_size'):
            found, expected = getattr(vae.config, name), getattr(self._config, name)
            if found != expected:
                raise ConfigError(f'the encoder has {name} {found}: expected {expected}')

    def _encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self._vae is not None
        latents: NDArray[np.float32] = self._vae.encode(images)[0].numpy()
        return latents

    def _publish_round(self, trained: Trained) -> None:
        self._use(trained)
        stamp = self._node.get_clock().now().to_msg()
        self._weights.publish(
            weights_message('reward', trained.version, trained.env_steps, trained.data, stamp)
        )
        if trained.metrics:
            self._metrics.publish(trained.env_steps, trained.metrics)
