# SPDX-License-Identifier: Apache-2.0
"""The recorder: everything that a training says, in a bag."""

from __future__ import annotations

from pathlib import Path
import time

from r3l_bag.core.config import RecorderConfig
from r3l_bag.core.definitions import definition, type_hash
from r3l_bag.core.mcap_file import Topic
from r3l_bag.core.metadata import HASH, QOS, qos_text
from r3l_bag.core.reader import CONFIG, INFO
from r3l_bag.core.recorder import Recorder
from r3l_bag.core.robot import info_of_config
from r3l_bag.core.writer import Content
from r3l_bag.nodes.intake import Intake
from r3l_bag.nodes.topics import POLICY, Recorded, recorded
from r3l_node.core.errors import ConfigError
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

BAGS = 'bags'
STOP_TIMEOUT = 2.5  # [s]


class RecorderNode(Node):
    """
    Write what the topics of the run say into ``bags/`` of the run folder.

    Subscribes all of :func:`r3l_bag.nodes.topics.recorded`. Publishes ``/diagnostics`` only.
    """

    def __init__(self) -> None:
        """
        Begin a bag.

        :raises ConfigError: if there is no run folder with parameters.
        """
        super().__init__('recorder')
        config = declare(self, RecorderConfig)
        if not config.run:
            raise ConfigError("recorder.run is '': expected the path of the run folder")
        folder = Path(config.run)
        try:
            text = (folder / CONFIG).read_text(encoding='utf-8')
        except OSError as error:
            raise ConfigError(f'{folder / CONFIG} cannot be read: {error}') from error
        info = info_of_config(text, str(folder / CONFIG))
        topics = recorded(driver=info['hardware'] != 'sim')
        self._intakes = [
            Intake(self, topic, channel, newest=topic.name == POLICY)
            for channel, topic in enumerate(topics, 1)
        ]
        names = [topic.name for topic in topics]
        self._policy = self._intakes.pop(names.index(POLICY))
        self._policy_period = config.policy_period
        self._next_policy = time.monotonic() + config.policy_period
        described = [_topic(topic, self.resolve_topic_name(topic.name)) for topic in topics]
        self.recorder = Recorder(
            folder / BAGS,
            Content(described, {INFO: info}, {CONFIG: text.encode()}),
            config,
            latched=[n for n, topic in enumerate(topics, 1) if topic.latched],
            log=self.get_logger().warning,
        )
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('bag', self._report)
        self._timer = self.create_timer(
            config.poll_period, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.recorder.start()

    def _poll(self) -> None:
        if not self.recorder.alive:
            # Started again, the node records; going on like this it would only look as if.
            raise RuntimeError('the thread that writes the bag has ended')
        self._take()

    def _take(self) -> None:
        for intake in self._intakes:
            self.recorder.add(intake.take())
        if time.monotonic() >= self._next_policy:
            self._next_policy = time.monotonic() + self._policy_period
            # It may have come minutes ago; in the bag it lies where it is taken.
            self.recorder.add(self._policy.take(time.time_ns()))

    def _report(self) -> Report:
        problem = self.recorder.problem
        if problem:
            return Level.WARN, f'not recording: {problem}', self.recorder.figures()
        return Level.OK, 'recording', self.recorder.figures()

    def close(self) -> None:
        """Take what has come, the last policy too, and close the bag."""
        self._next_policy = 0.0
        self._take()
        if not self.recorder.close(STOP_TIMEOUT):
            self.get_logger().error('the bag was not closed in time; r3l bag repair mends it')
        for intake in (*self._intakes, self._policy):
            intake.destroy()


def _topic(topic: Recorded, name: str) -> Topic:
    kind = topic.type_name
    metadata = {QOS: qos_text(topic.qos.depth, latched=topic.latched), HASH: type_hash(kind)}
    return Topic(name, kind, definition(kind), metadata)


def main(args: list[str] | None = None) -> None:
    """Run the recorder until it is stopped."""
    run(RecorderNode, args)
