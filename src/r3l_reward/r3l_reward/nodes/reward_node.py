# SPDX-License-Identifier: Apache-2.0
"""Train the success classifier on goals against the robot's own images; publish rewards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
from r3l_reward.core.negatives import Negatives
from r3l_reward.core.schedule import draw, Schedule
from r3l_reward.core.vice import ViceTrainer
from r3l_reward.core.vice.model import log_sigmoid
from r3l_reward.nodes.rounds import Rounds, Trained
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
    each round of training, and ``metrics``.
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
        self._goals = load_goals(config.goals, config.image_size, config.minimum_goals)
        self._side = (config.image_size, config.image_size)
        folder = Path(config.run) if config.run else None
        self._negatives = Negatives(
            folder and folder / 'replay' / 'reward',
            kind=config.input,
            image_size=config.image_size,
            latent_size=config.latent_size,
            capacity=config.negatives,
            warmup_capacity=config.warmup_capacity,
        )
        self._sequence = self._negatives.last_sequence
        self._schedule = Schedule(config.round_steps, config.initial_negatives)
        self._rounds = Rounds(folder and folder / 'checkpoints', self._publish_round)
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
            CHECK_PERIOD, self._rounds.check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """End the round under way; its steps are trained on again after the next start."""
        self._rounds.stop()

    def _start(self) -> None:
        restored = self._rounds.restored
        if restored is not None:
            self._schedule.resume(restored.env_steps)
            self._publish_round(restored)
        if self._config.input == 'pixels':
            self._rounds.set_trainer(ViceTrainer(self._config, self._goals, self._config.seed))

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
        self._negatives.add(
            value,
            policy=msg.policy,
            sequence=msg.sequence,
            encoder_version=msg.encoder_version,
        )
        self._train()

    def _value(self, msg: Transition) -> Value:
        """Return the latent of a transition, or its image where no latent can be had."""
        encode = self._config.input == 'latent' and self._negatives.ready
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

    def _train(self) -> None:
        if not self._rounds.possible:
            return
        config, negatives = self._config, self._negatives
        begun = self._schedule.started
        before = 0 if begun else negatives.before_encoder
        for env_steps in self._schedule.due(negatives.count, before):
            updates = config.updates_per_round if begun else config.initial_updates
            begun = True
            slots = negatives.candidates(env_steps, config.include_random)
            chosen = draw(config.seed, env_steps, len(slots), (updates, config.batch))
            self._rounds.start(env_steps, negatives.rows(slots[chosen]))

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
        self._negatives.set_encoder(self._encode)
        goals = self._encode(self._goals)
        self._rounds.set_trainer(ViceTrainer(self._config, goals, self._config.seed))
        self._train()

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
            'goals': len(self._goals),
            'negatives': self._negatives.count,
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
