# SPDX-License-Identifier: Apache-2.0
"""Shows the topics of a run to the Foxglove app, or any viewer of its protocol, on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from queue import Empty, SimpleQueue
import time
from typing import Any

import foxglove
from foxglove.channels import FrameTransformChannel
from foxglove.messages import FrameTransform, Quaternion, Vector3
from foxglove.websocket import ChannelView, Client, ServerListener
from r3l_bag.core.definitions import definition
from r3l_bringup.core.view_topics import VIEW_TOPICS, ViewTopic
from r3l_bringup.settings import FoxgloveConfig
from r3l_node.core.errors import ConfigError
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

HOST = '127.0.0.1'  # nothing leaves the machine; from another one: ssh -L 8765:127.0.0.1:8765
# No viewer ever holds up a publisher.
STREAM = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@dataclass(slots=True)
class Line:
    """A topic on its way from ROS to the clients of the server."""

    topic: ViewTopic
    channel: foxglove.Channel
    subscription: Subscription | None = None
    last: bytes | None = None  # of a latched topic


class _Wishes(ServerListener):
    """Which topics clients have asked for; called in threads of the server."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[int] = SimpleQueue()

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        """Remember who wants what."""
        self.asked.put(channel.id)


class FoxgloveNode(Node):
    """
    Serve topics to viewers as they are, one way only.

    Subscribes a topic of ``core/view_topics.py`` while a client looks at it, without decoding its
    messages. Publishes nothing, offers no service, and sets no parameter: a client can only look.
    A topic keeps its name relative to the namespace, so that one layout fits every robot.
    """

    def __init__(self) -> None:
        """
        Offer the topics and start the server.

        :raises ConfigError: if the port is taken.
        """
        super().__init__('foxglove')
        config = declare(self, FoxgloveConfig)
        self._channels = foxglove.Context()
        self._lines = [self._line(topic) for topic in VIEW_TOPICS]
        # Viewers complain of a world without frames, and there need not be any tf.
        self._frames = FrameTransformChannel('/view/frames', context=self._channels)
        self._wishes = _Wishes()
        try:
            self._server = foxglove.start_server(
                name='R3L',
                host=HOST,
                port=config.port,
                capabilities=[],
                server_listener=self._wishes,
                context=self._channels,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f'port {config.port} of {HOST} cannot be opened ({error}): expected a free one'
            ) from error
        self.port = self._server.port
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(config.poll_period, self._poll, clock=steady)
        self.create_timer(1.0, self._place, clock=steady)
        self.get_logger().info(f'Foxglove WebSocket at ws://{HOST}:{self.port}')

    def close(self) -> None:
        """Let go of the clients."""
        self._server.stop()

    def _line(self, topic: ViewTopic) -> Line:
        schema = foxglove.Schema(
            name=topic.type, encoding='ros2msg', data=definition(topic.type).encode()
        )
        name = '/' + topic.name.lstrip('/')
        channel = foxglove.Channel(
            name, schema=schema, message_encoding='cdr', context=self._channels
        )
        return Line(topic, channel)

    def _place(self) -> None:
        """Say that the hand hangs where the world begins."""
        place = FrameTransform(
            parent_frame_id='world',
            child_frame_id='base_link',
            translation=Vector3(x=0.0, y=0.0, z=0.0),
            rotation=Quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
        )
        self._frames.log(place, log_time=time.time_ns())

    def _poll(self) -> None:
        """Subscribe what clients look at, and only that."""
        self._repeat()
        for line in self._lines:
            wanted = line.channel.has_sinks()
            if wanted and line.subscription is None:
                package, _, name = line.topic.type.split('/')
                line.subscription = self.create_subscription(
                    getattr(import_module(f'{package}.msg'), name),
                    line.topic.name,
                    partial(self._forward, line),
                    LATCHED if line.topic.latched else STREAM,
                    raw=True,
                )
            elif not wanted and line.subscription is not None:
                self.destroy_subscription(line.subscription)
                line.subscription = line.last = None

    def _repeat(self) -> None:
        """Give the last message of a latched topic to whoever has just asked for it."""
        asked: set[int] = set()
        while True:
            try:
                asked.add(self._wishes.asked.get_nowait())
            except Empty:
                break
        for line in self._lines:
            if line.last is not None and line.channel.id() in asked:
                line.channel.log(line.last, log_time=time.time_ns())

    def _forward(self, line: Line, data: Any) -> None:
        if line.topic.latched:
            line.last = bytes(data)
        # Wall time: in lockstep the clock of the simulation stands still or runs away.
        line.channel.log(bytes(data), log_time=time.time_ns())


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(FoxgloveNode, args)


if __name__ == '__main__':
    main()
