# SPDX-License-Identifier: Apache-2.0
"""
A relay to a controller that is not ours, in place of the driver.

Whatever takes JointTrajectory and gives JointState can move the hand: ros2_control's
joint_trajectory_controller, dynamixel_workbench_controllers and others. The limits on commands
are kept here; watchdogs, torque and recovery are the controller's own.
"""

from collections.abc import Sequence
import math
import time

from builtin_interfaces.msg import Duration
import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.commands import CommandError, CommandGate
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.external_config import ExternalConfig
from r3l_driver.core.safety import Condition, decide, Fault, Safety
from r3l_driver.nodes.conversions import (
    age_of,
    by_name,
    command_of,
    HAND_FRAME,
    SECOND,
    to_stamp,
    with_sender,
)
from r3l_msgs.msg import SafetyState
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import COMMAND, SAFETY, SENSOR
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

HOUSEKEEPING = 0.05  # [s]
SAFETY_PERIOD = 1.0  # [s]


class ExternalNode(Node):
    """
    Hand commands on to another controller, and its joint states back.

    Subscribes ``joint_command`` and the controller's joint states; publishes ``joint_states`` of
    the hand's joints, ``driver/safety``, and to the controller a trajectory of one point, to be
    reached after a control period or as long as the velocity limit needs.
    """

    def __init__(self) -> None:
        super().__init__('driver')
        config = self._config = declare(self, ExternalConfig)
        self._gate = CommandGate(_gate_config(config), time.monotonic())
        self._measured: NDArray[np.float64] | None = None
        self._heard = -math.inf
        self._safety = Safety(since=time.monotonic())
        self._shown = -math.inf
        self._commands = self.create_publisher(JointTrajectory, config.command_topic, COMMAND)
        self._joints = self.create_publisher(JointState, 'joint_states', SENSOR)
        self._safety_out = self.create_publisher(SafetyState, 'driver/safety', SAFETY)
        self.create_subscription(JointState, config.state_topic, self._on_state, SENSOR)
        self.create_subscription(
            JointTrajectory, 'joint_command', with_sender(self._on_command), COMMAND
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._judge, clock=steady)
        self._diagnostics = Diagnostics(self, hardware_id=config.command_topic)
        self._diagnostics.add('relay', self._report)

    def _on_state(self, msg: JointState) -> None:
        chosen = by_name(msg, self._config.joint_names)
        if chosen is None or len(chosen.position) != len(self._config.joint_names):
            return  # of another part of the robot
        position = np.array(chosen.position)
        if not np.isfinite(position).all():
            return
        self._measured, self._heard = position, time.monotonic()
        self._joints.publish(chosen)

    def _on_command(self, msg: JointTrajectory, sender: bytes) -> None:
        now = time.monotonic()
        try:
            names, positions = command_of(msg)
            age = age_of(msg.header.stamp, self.get_clock().now().nanoseconds)
            self._gate.offer(names, positions, now, age=age, source=sender)
        except CommandError as error:
            self.get_logger().error(f'command dropped: {error}', throttle_duration_sec=1.0)
            return
        self._judge()
        if self._safety.moving and self._gate.target is not None and self._measured is not None:
            self._send(self._gate.target, self._measured)

    def _send(self, target: NDArray[np.float64], measured: NDArray[np.float64]) -> None:
        config = self._config
        way = float(np.abs(target - measured).max())
        duration = max(1.0 / config.control_rate, way / config.velocity_limit)
        seconds, fraction = divmod(duration, 1.0)
        point = JointTrajectoryPoint(
            positions=float_field(target, 'float64'),
            time_from_start=Duration(sec=int(seconds), nanosec=int(fraction * SECOND)),
        )
        # Stamp 0: begin on arrival, as joint_trajectory_controller reads it.
        message = JointTrajectory(joint_names=list(config.joint_names), points=[point])
        message.header.frame_id = HAND_FRAME
        self._commands.publish(message)

    def _judge(self) -> None:
        now = time.monotonic()
        found = self._gate.conditions(now)
        if now - self._heard > self._config.state_timeout:
            words = f'no joint states on {self._config.state_topic}'
            found.insert(0, Condition(Fault.BUS_TIMEOUT, words))
        before = self._safety
        self._safety = safety = decide(before, found, now, math.inf)
        changed = safety.since != before.since or safety.code != before.code
        if changed or now - self._shown >= SAFETY_PERIOD:
            self._shown = now
            self._show(safety, now)

    def _show(self, safety: Safety, now: float) -> None:
        time_now = self.get_clock().now().nanoseconds
        message = SafetyState(
            state=int(safety.state),
            code=safety.code,
            reason=safety.reason,
            interruptions=safety.interruptions,
        )
        message.header.stamp = to_stamp(time_now)
        message.since = to_stamp(time_now - round((now - safety.since) * SECOND))
        self._safety_out.publish(message)

    def _report(self) -> Report:
        figures = {
            'commands accepted': self._gate.accepted,
            'commands rejected': self._gate.rejected,
        }
        if self._safety.moving:
            return Level.OK, self._safety.reason or 'commands are handed on', figures
        return Level.WARN, self._safety.reason, figures


def _gate_config(config: ExternalConfig) -> DriverConfig:
    joints = len(config.joint_names)
    return DriverConfig(
        joint_names=config.joint_names,
        ids=tuple(range(joints)),
        directions=(1,) * joints,
        offsets=(0.0,) * joints,
        position_low=config.position_low,
        position_high=config.position_high,
        control_rate=config.control_rate,
        bus_rate=max(50.0, config.control_rate),
        command_timeout=config.command_timeout,
    )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run(ExternalNode, args)
