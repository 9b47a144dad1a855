# SPDX-License-Identifier: Apache-2.0
"""What the driver publishes."""

import time

from builtin_interfaces.msg import Time
from r3l_driver.core.chain_config import Chain
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.hand_driver import HandDriver
from r3l_driver.nodes.conversions import (
    actuator_states,
    joint_state,
    safety_state,
    SECOND,
    to_stamp,
)
from r3l_driver.nodes.workbench import Workbench
from r3l_msgs.msg import ActuatorStates, SafetyState
from r3l_node.nodes.qos import DRIVER_STATE, SAFETY, SENSOR
from rclpy.node import Node
from sensor_msgs.msg import JointState

STATE_PERIOD = 0.2  # of driver/state [s]
SAFETY_PERIOD = 1.0  # of driver/safety where nothing changes [s]


class Outputs:
    """
    Publish joints, servos and safety, each as often as it is due.

    Used by one thread at a time, which need not be that of the callbacks.

    :param node: owner of publishers and ROS clock.
    :param config: of the driver.
    """

    def __init__(self, node: Node, config: DriverConfig) -> None:
        self._clock = node.get_clock()
        self._torque_constant = table_of_model(config.model).torque_constant
        self._joints = node.create_publisher(JointState, 'joint_states', SENSOR)
        self._state = node.create_publisher(ActuatorStates, 'driver/state', DRIVER_STATE)
        self._safety = node.create_publisher(SafetyState, 'driver/safety', SAFETY)
        self._workbench = Workbench.offer(node, config)
        self._last: JointState | None = None
        self._state_at = self._safety_at = float('-inf')
        self._shown: tuple[object, ...] = ()

    def now(self) -> int:
        """Return ROS time [ns]."""
        return int(self._clock.now().nanoseconds)

    def joints(self, driver: HandDriver, stamp: Time) -> None:
        """Publish the joints as read in the last cycle."""
        self._last = joint_state(driver, stamp, self._torque_constant)
        self.repeat()

    def repeat(self) -> None:
        """Publish the same joints again."""
        if self._last is not None:
            self._joints.publish(self._last)

    def state(self, driver: HandDriver, chain: Chain, clock: float) -> None:
        """
        Publish servos and safety, where that is due.

        :param clock: the driver's own time [s].
        """
        wall = time.monotonic()
        if wall - self._state_at >= STATE_PERIOD:
            self._state_at = wall
            stamp = to_stamp(self.now())
            self._state.publish(actuator_states(driver, stamp, chain.counters))
            if self._workbench is not None and driver.readings is not None:
                self._workbench.publish(driver.readings, driver.servos.torque)
        safety = driver.safety
        shown = (safety.state, safety.code, safety.since)
        if shown != self._shown or wall - self._safety_at >= SAFETY_PERIOD:
            self._shown, self._safety_at = shown, wall
            self._safety.publish(safety_state(driver, self.now(), clock))

    def cycle(self, driver: HandDriver, chain: Chain, began: float) -> None:
        """
        Publish what a cycle in real time has brought.

        :param began: monotonic time at which it read the servos [s].
        """
        age = round((time.monotonic() - began) * SECOND)
        self.joints(driver, to_stamp(self.now() - age))
        self.state(driver, chain, time.monotonic())
