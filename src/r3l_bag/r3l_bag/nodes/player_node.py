# SPDX-License-Identifier: Apache-2.0
"""Publish a bag into live nodes, and compare what they make of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
import json
import os
from pathlib import Path
import signal
import time
from typing import Any

from r3l_bag.core.answers import stamp_of, values_of, version_of
from r3l_bag.core.moment import clock_text, parse_moment
from r3l_bag.core.names import IMAGE, LATENT, PREFIX, REWARD, WEIGHTS
from r3l_bag.core.outcome import Outcome
from r3l_bag.core.playback import CLOCK, Playback, Publication
from r3l_bag.core.player_config import PlayerConfig
from r3l_bag.core.reader import Bag
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.nodes import qos
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

PERIOD = 0.005  # [s]
REPORT_PERIOD = 2.0  # [s]
# Nodes that are to answer are waited for so long.
START_LIMIT = 60.0  # [s]
PROFILES = {
    IMAGE: qos.SENSOR,
    'camera/camera_info': qos.SENSOR,
    'joint_states': qos.SENSOR,
    'agent/status': qos.STATUS,
    'learner/status': qos.STATUS,
    'driver/state': qos.DRIVER_STATE,
    'driver/safety': qos.SAFETY,
    'evaluation': qos.EVALUATION,
    'metrics': qos.METRICS,
    'encoder/weights': qos.WEIGHTS,
    'reward/weights': qos.WEIGHTS,
}
ANSWERS = {LATENT: 'r3l_msgs/msg/Latent', REWARD: 'r3l_msgs/msg/Reward'}


class PlayerNode(Node):
    """
    Play a bag for encoder and reward nodes in their mode ``replay``.

    Publishes images, states and the recorded weights on their own names, everything else below
    ``recorded/``, never ``joint_command``; ``/clock`` where the recording had simulation time.
    Subscribes ``latent`` and ``reward`` and compares them with the recorded ones. Ends the process
    at the end of the bag, with code 1 if they differ.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        """
        Read what the bag holds, then start as soon as the nodes listen.

        :param on_end: called at the end of the bag; ``exit_code`` is set by then.
        :raises ConfigError: if there is no bag or a moment is not in it.
        """
        super().__init__('player')
        self._on_end = on_end
        self._config = config = declare(self, PlayerConfig)
        self._bag = bag = Bag(config.bag)
        self._first = bag.start
        start, stop = bag.start, bag.end + 1
        if config.start:
            start = parse_moment(config.start, bag.start, bag.end, 'player.start')
        if config.stop:
            stop = parse_moment(config.stop, bag.start, bag.end, 'player.stop')
        if stop <= start:
            raise ConfigError(
                f"player.stop is '{config.stop}': expected a later time than {clock_text(start)}"
            )
        if bag.find(IMAGE) is None:
            raise ConfigError(f'{config.bag} has no {IMAGE}: expected a bag of a training')
        self._answering = tuple(topic for topic in (LATENT, REWARD) if self._has(topic))
        if not config.rate and not self._answering:
            raise ConfigError(
                'player.rate is 0: expected more than that where there is no answer to wait for'
            )
        self.playback = Playback(
            bag,
            rate=config.rate,
            start=start,
            stop=stop,
            answering=self._answering,
            clock=bag.info.get('pace') == 'lockstep',
        )
        self._outcome = Outcome(self.playback, start)
        self._made: dict[str, Publisher | None] = {}
        self._begun: float | None = None
        self._created = time.monotonic()
        self._reported = 0.0
        self.exit_code = 0
        for topic, kind in {IMAGE: 'sensor_msgs/msg/Image', **self._weights()}.items():
            self._publisher(topic, kind)
        for topic in self._answering:
            # Raw: what is compared is what was serialised.
            self.create_subscription(
                message_type(ANSWERS[topic]),
                topic,
                partial(self._on_answer, topic),
                qos.OBSERVATION,
                raw=True,
            )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(PERIOD, self._on_timer, clock=steady)

    def _has(self, topic: str) -> bool:
        wanted = self._config.encoder if topic == LATENT else self._config.reward
        return wanted and self._bag.find(topic) is not None

    def _weights(self) -> dict[str, str]:
        return {WEIGHTS[topic]: 'r3l_msgs/msg/Weights' for topic in self._answering}

    def _on_timer(self) -> None:
        now = time.monotonic()
        if self._begun is None:
            if not self._listened_to(now):
                return
            self._begun = self._reported = now
        self._pump()
        if self.playback.finished:
            self._finish()
        elif now - self._reported > REPORT_PERIOD:
            self._reported = now
            self.get_logger().info(self._outcome.progress(now - self._begun))

    def _listened_to(self, now: float) -> bool:
        waited_for = [IMAGE] if self._answering else []
        waited_for += list(self._weights())
        missing = [name for name in waited_for if not self.count_subscribers(name)]
        missing += [name for name in self._answering if not self.count_publishers(name)]
        if missing and now - self._created > START_LIMIT:
            self.get_logger().error(f'no node has {missing[0]} after {START_LIMIT:.0f} s')
            self._end(1)
        return not missing

    def _pump(self) -> None:
        while publications := self.playback.advance(time.monotonic()):
            for publication in publications:
                self._publish(publication)

    def _publish(self, publication: Publication) -> None:
        publisher = self._publisher(publication.topic, publication.type)
        if publisher is None:
            return
        if publication.topic.startswith(PREFIX) and not publisher.get_subscription_count():
            return
        publisher.publish(publication.data)

    def _publisher(self, topic: str, kind: str) -> Publisher | None:
        if topic not in self._made:
            profile = PROFILES.get(topic, qos.TRANSITION if topic != CLOCK else 10)
            self._made[topic] = self._make(topic, kind, profile)
        return self._made[topic]

    def _make(self, topic: str, kind: str, profile: QoSProfile | int) -> Publisher | None:
        try:
            found = message_type(kind)
        except (ImportError, AttributeError):
            self.get_logger().warning(f'{topic} is left out: {kind} is not installed')
            return None
        return self.create_publisher(found, f'/{topic}' if topic == CLOCK else topic, profile)

    def _on_answer(self, topic: str, data: bytes) -> None:
        values = values_of(topic, deserialize_message(data, message_type(ANSWERS[topic])))
        now = time.monotonic()
        self.playback.answer(topic, stamp_of(data), version_of(data), values, now)
        if self._begun is not None and not self.playback.finished:
            self._pump()

    def _finish(self) -> None:
        assert self._begun is not None
        self._outcome.problems = list(self._bag.problems)
        taken = time.monotonic() - self._begun
        for line in self._outcome.lines(taken):
            self.get_logger().info(line)
        if self._config.result:
            write_atomic(
                Path(self._config.result), json.dumps(self._outcome.to_dict(taken), indent=2)
            )
        self._end(0 if self._outcome.good else 1)

    def _end(self, code: int) -> None:
        self.exit_code = code
        self.destroy_timer(self._timer)
        self._on_end()


def message_type(name: str) -> Any:
    """
    Return the class of a message.

    :param name: such as ``sensor_msgs/msg/Image``.
    :raises ImportError: if there is no such package.
    :raises AttributeError: if it has no such message.
    """
    package, _, kind = name.partition('/msg/')
    return getattr(import_module(f'{package}.msg'), kind)


def main(args: list[str] | None = None) -> None:
    """Play the bag to its end, or until it is interrupted."""
    run(lambda: PlayerNode(lambda: os.kill(os.getpid(), signal.SIGTERM)), args)


if __name__ == '__main__':
    main()
