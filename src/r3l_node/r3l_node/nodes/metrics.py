# SPDX-License-Identifier: Apache-2.0
"""Scalars on the topic ``metrics``."""

from collections.abc import Mapping

from r3l_msgs.msg import Metrics
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.qos import METRICS
from rclpy.node import Node


class MetricsPublisher:
    """Publish named scalars of one source."""

    def __init__(self, node: Node, source: str) -> None:
        """
        Create the publisher.

        :param node: owner of the publisher and of the clock.
        :param source: name under which the values are known, for example ``learner``.
        """
        self._node = node
        self._source = source
        self._publisher = node.create_publisher(Metrics, 'metrics', METRICS)

    def publish(self, env_steps: int, values: Mapping[str, float]) -> None:
        """
        Publish scalars.

        :param env_steps: env steps of the run when they were measured.
        :param values: name to value; the name ends the TensorBoard path, as ``train/q_mean``.
        """
        message = Metrics(source=self._source, env_steps=env_steps, names=list(values))
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.values = float_field(list(values.values()), 'float64')
        self._publisher.publish(message)
