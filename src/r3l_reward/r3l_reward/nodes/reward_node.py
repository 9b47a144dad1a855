# SPDX-License-Identifier: Apache-2.0
"""Train the success classifier on goals against the robot's own images; publish rewards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from r3l_msgs.msg import Latent, Reward, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import float_array
from r3l_node.nodes.images import image_array
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.rounds import Trained
from r3l_reward.core.vice.model import log_sigmoid, RewardModel
from r3l_reward.nodes.learning import Learning, Value
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch


class RewardNode(Node):
    """
    Reward the robot for what looks like the goal images.

    Subscribes ``transition``, ``encoder/weights`` and ``latent`` (or ``camera/image_raw`` for a
    classifier of pixels). Publishes ``reward`` while somebody listens, ``reward/weights`` after
    each round of training, and ``metrics``. With ``reset_goals`` the weights are those of two
    classifiers; ``reward`` is the first one's. With ``replay`` nothing is trained: it subscribes
    ``reward/weights`` instead of publishing them.
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
        self._side = (config.image_size, config.image_size)
        self._trained: Trained | None = None
        self._dropped = 0
        self._learning = None if config.replay else Learning(self, config, self._use, self._drop)
        self._rewards = self.create_publisher(Reward, 'reward', qos.OBSERVATION)
        Diagnostics(self).add('classifier', self._report)
        if self._learning is None:
            self.create_subscription(Weights, 'reward/weights', self._on_weights, qos.WEIGHTS)
        else:
            self._learning.begin()
        self._subscribe()

    def close(self) -> None:
        """End the round under way; its steps are trained on again after the next start."""
        if self._learning is not None:
            self._learning.close()

    def _subscribe(self) -> None:
        if self._config.input == 'pixels':
            profile = qos.sensor(lockstep=self._config.lockstep)
            self.create_subscription(Image, 'camera/image_raw', self._on_image, profile)
            return
        self.create_subscription(Latent, 'latent', self._on_latent, qos.OBSERVATION)

    def _on_weights(self, msg: Weights) -> None:
        try:
            tensors, metadata = read_weights(msg, 'reward')
            model = RewardModel.from_weights(tensors, metadata)
            if model.input != self._config.input:
                raise ConfigError(
                    f'the classifier is one of {model.input}: '
                    f'expected {self._config.input} (reward.input)'
                )
        except ConfigError as error:
            self._drop('reward/weights', error)
            return
        self._use(Trained(model, b'', msg.version, msg.env_steps, {}))

    def _on_latent(self, msg: Latent) -> None:
        # A recorded classifier says itself how long its latents are.
        size = None if self._config.replay else self._config.latent_size
        if msg.model_version > 0:
            self._score('latent', lambda: float_array(msg.mean, size, name='mean'), msg.header)

    def _on_image(self, msg: Image) -> None:
        side = None if self._config.replay else self._side
        self._score('image', lambda: image_array(msg, side), msg.header)

    def _score(self, what: str, convert: Callable[[], Value], header: Header) -> None:
        trained = self._trained
        if trained is None or not self._rewards.get_subscription_count():
            return
        try:
            value = convert()
            logit = trained.model.logits(value[None])
        except ValueError as error:
            self._drop(what, error)
            return
        self._rewards.publish(
            Reward(
                header=header,
                logit=float(logit[0]),
                probability=float(np.exp(log_sigmoid(logit))[0]),
                reward=float(trained.model.reward(logit)[0]),
                model_version=trained.version,
            )
        )

    def _use(self, trained: Trained) -> None:
        self._trained = trained

    def _drop(self, what: str, error: ValueError) -> None:
        self._dropped += 1
        self.get_logger().error(f'{what} dropped: {error}', throttle_duration_sec=1.0)

    def _report(self) -> Report:
        figures: dict[str, object] = {
            'version': 0 if self._trained is None else self._trained.version,
            'messages dropped': self._dropped,
        }
        if self._learning is None:
            waiting, doing = 'waiting for recorded weights', 'replaying'
        else:
            figures |= self._learning.figures()
            waiting, doing = 'waiting for the encoder and negatives', 'training'
        return Level.OK, waiting if self._trained is None else doing, figures


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(RewardNode, args)


if __name__ == '__main__':
    main()
