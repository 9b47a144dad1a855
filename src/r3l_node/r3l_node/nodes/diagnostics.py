# SPDX-License-Identifier: Apache-2.0
"""Health of a node on ``/diagnostics`` at 1 Hz (REP 107), without diagnostic_updater."""

from collections.abc import Callable, Mapping
from enum import IntEnum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from r3l_node.nodes.qos import DIAGNOSTICS
from rclpy.clock import Clock, ClockType
from rclpy.node import Node


class Level(IntEnum):
    """How well a part does."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


Report = tuple[Level, str, Mapping[str, object]]


class Diagnostics:
    """Ask the parts of a node how they do, once a second, and publish the answers."""

    def __init__(self, node: Node, hardware_id: str = '') -> None:
        """
        Start the timer.

        :param node: owner.
        :param hardware_id: serial number of the device behind the node, if there is one.
        """
        self._node = node
        self._hardware_id = hardware_id
        self._parts: dict[str, Callable[[], Report]] = {}
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', DIAGNOSTICS)
        # Wall time: in lockstep simulation time runs many times as fast, or stands still.
        self._timer = node.create_timer(
            1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def add(self, part: str, report: Callable[[], Report]) -> None:
        """
        Add a part.

        :param part: name, shown as ``node: part``.
        :param report: returns (level, one sentence, figures by name); must not block.
        """
        self._parts[part] = report

    def publish(self) -> None:
        """Publish the state of all parts now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for part, report in self._parts.items():
            level, sentence, figures = report()
            message.status.append(
                DiagnosticStatus(
                    level=bytes([level]),
                    name=f'{self._node.get_name()}: {part}',
                    message=sentence,
                    hardware_id=self._hardware_id,
                    values=[KeyValue(key=key, value=str(value)) for key, value in figures.items()],
                )
            )
        self._publisher.publish(message)
