# SPDX-License-Identifier: Apache-2.0
"""Train the success classifier on goals against the robot's own images; publish rewards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_msgs.msg import Latent, Reward, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import float_array
from r3l_node.nodes.images import image_array
from r3l_node.nodes.main import run
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_perception.core.vae import from_weights, Vae
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.goals import load_goals
from r3l_reward.core.rounds import Trained
from r3l_reward.core.training import ClassifierTraining
from r3l_reward.core.vice.model import log_sigmoid
from r3l_reward.nodes.rounds import RoundsThread
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch

CHECK_PERIOD = 0.2  # [s]

Value = NDArray[np.float32] | NDArray[np.uint8]


class RewardNode(Node):
    """
    Reward the robot for what looks like the goal images.

    Subscribes ``transition``, ``encoder/weights`` and ``latent`` (or ``camera/image_raw`` for a
    classifier of pixels). Publishes ``reward`` while somebody listens, ``reward/weights`` after
    each round of training, and ``metrics``. With ``reset_goals`` the weights are those of two
    classifiers; ``reward`` is the first one's.
    """

    def __init__(self) -> None:
        """
        Read the goals and what an earlier process left, then start.

        :raises ConfigError: if a parameter, a goal image or the run's files do not fit.
        """
        super().__init__('reward')
        self._config = declare(self, RewardConfig)
        torch.set_num_threads(1)
        config = self._config
        if not config.goals:
            raise ConfigError("reward.goals is '': expected a folder of goal images")
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
        self._trained: Trained | None = None
        self._dropped = self._missed = 0
        self._rewards = self.create_publisher(Reward, 'reward', qos.OBSERVATION)
        self._weights = self.create_publisher(Weights, 'reward/weights', qos.WEIGHTS)
        self._metrics = MetricsPublisher(self, 'reward')
        Diagnostics(self).add('classifier', self._report)
        self._start()
        self._subscribe()
        self.create_timer(
            CHECK_PERIOD, self._thread.check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """End the round under way; its steps are trained on again after the next start."""
        self._thread.stop()

    def _reset_goals(self) -> NDArray[np.uint8] | None:
        config = self._config
        if not config.reset_goals:
            return None
        return load_goals(config.reset_goals, config.image_size, config.minimum_goals)

    def _start(self) -> None:
        restored = self._training.rounds.restored
        if restored is not None:
            self._publish_round(restored)
        self._training.begin()

    def _subscribe(self) -> None:
        self.create_subscription(Transition, 'transition', self._on_transition, qos.TRANSITION)
        if self._config.input == 'pixels':
            profile = qos.sensor(lockstep=self._config.lockstep)
            self.create_subscription(Image, 'camera/image_raw', self._on_image, profile)
            return
        self.create_subscription(Weights, 'encoder/weights', self._on_encoder, qos.WEIGHTS)
        self.create_subscription(Latent, 'latent', self._on_latent, qos.OBSERVATION)

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

    def _on_latent(self, msg: Latent) -> None:
        size = self._config.latent_size
        if msg.model_version > 0:
            self._score('latent', lambda: float_array(msg.mean, size, name='mean'), msg.header)

    def _on_image(self, msg: Image) -> None:
        self._score('image', lambda: image_array(msg, self._side), msg.header)

    def _score(self, what: str, convert: Callable[[], Value], header: Header) -> None:
        trained = self._trained
        if trained is None or not self._rewards.get_subscription_count():
            return
        try:
            value = convert()
        except ConfigError as error:
            self._drop(what, error)
            return
        logit = trained.model.logits(value[None])
        self._rewards.publish(
            Reward(
                header=header,
                logit=float(logit[0]),
                probability=float(np.exp(log_sigmoid(logit))[0]),
                reward=float(trained.model.reward(logit)[0]),
                model_version=trained.version,
            )
        )

    def _publish_round(self, trained: Trained) -> None:
        self._trained = trained
        stamp = self.get_clock().now().to_msg()
        self._weights.publish(
            weights_message('reward', trained.version, trained.env_steps, trained.data, stamp)
        )
        if trained.metrics:
            self._metrics.publish(trained.env_steps, trained.metrics)

    def _drop(self, what: str, error: ConfigError) -> None:
        self._dropped += 1
        self.get_logger().error(f'{what} dropped: {error}', throttle_duration_sec=1.0)

    def _report(self) -> Report:
        figures: dict[str, object] = {
            'goals': len(self._training.goals),
            'negatives': self._training.negatives.count,
            'version': 0 if self._trained is None else self._trained.version,
            'messages dropped': self._dropped,
            'transitions missed': self._missed,
        }
        if self._trained is None:
            return Level.OK, 'waiting for the encoder and negatives', figures
        return Level.OK, 'training', figures


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(RewardNode, args)


if __name__ == '__main__':
    main()
