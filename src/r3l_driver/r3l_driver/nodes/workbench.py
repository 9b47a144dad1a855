# SPDX-License-Identifier: Apache-2.0
"""The topic of dynamixel_workbench, where its messages are installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.chain_config import Readings
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model, VOLTAGE_UNIT
from r3l_node.nodes.qos import DRIVER_STATE
from rclpy.node import Node

try:
    from dynamixel_workbench_msgs.msg import DynamixelState, DynamixelStateList
except ImportError:
    DynamixelState = DynamixelStateList = None

TOPIC = 'dynamixel_state'


class Workbench:
    """
    Publish the servos in their own units, as dynamixel_workbench_controllers does.

    :param publisher: of the list.
    :param list_type: message class of the list.
    :param state_type: message class of one servo; releases differ in its fields.
    :param config: supplies ids, model and calibration.
    """

    def __init__(
        self, publisher: Any, list_type: Any, state_type: Any, config: DriverConfig
    ) -> None:
        self._publisher = publisher
        self._list_type, self._state_type = list_type, state_type
        self._config = config
        self._table = table_of_model(config.model)

    @classmethod
    def offer(cls, node: Node, config: DriverConfig) -> Workbench | None:
        """Return the topic, or None where the messages are not installed."""
        if DynamixelStateList is None:
            return None
        publisher = node.create_publisher(DynamixelStateList, TOPIC, DRIVER_STATE)
        return cls(publisher, DynamixelStateList, DynamixelState, config)

    def publish(self, readings: Readings, torque: NDArray[np.bool_]) -> None:
        """Publish the servos that answered."""
        states = [
            self._state(readings, torque, int(joint)) for joint in np.flatnonzero(readings.ok)
        ]
        self._publisher.publish(self._list_type(dynamixel_state=states))

    def _state(self, readings: Readings, torque: NDArray[np.bool_], joint: int) -> Any:
        config, table = self._config, self._table
        direction = config.directions[joint]
        angle = direction * (readings.position[joint] - config.offsets[joint])
        values = {
            'name': config.joint_names[joint],
            'model_name': table.model,
            'id': config.ids[joint],
            'torque_enable': int(torque[joint]),
            'present_position': table.center
            + round(angle * table.ticks_per_turn / (2.0 * math.pi)),
            'present_velocity': round(direction * readings.velocity[joint] / table.velocity_unit),
            'present_current': round(direction * readings.current[joint] / table.current_unit),
            'present_input_voltage': round(readings.voltage[joint] / VOLTAGE_UNIT),
            'present_temperature': round(readings.temperature[joint]),
        }
        state = self._state_type()
        for name, value in values.items():
            if hasattr(state, name):
                setattr(state, name, value)
        return state
