# SPDX-License-Identifier: Apache-2.0
"""The registers that show the present, as the bytes of one block."""

from struct import Struct
from typing import NamedTuple

from r3l_driver.core.control_table import ControlTable, TICK_PERIOD, VOLTAGE_UNIT

FULL_PWM = 885  # what stands for all of the voltage
# They stand side by side and are set at once.
_ITEMS = (
    'realtime_tick',
    'moving',
    'moving_status',
    'present_pwm',
    'present_current',
    'present_velocity',
    'present_position',
    'velocity_trajectory',
    'position_trajectory',
    'present_input_voltage',
    'present_temperature',
)
_STRUCT = Struct('<HBBhhiiiiHB')
_ARRIVED, _ON_THE_WAY = 0x01, 0x02  # bits of moving_status
_NEAR = 200  # a goal is reached within this part of a turn


class Present(NamedTuple):
    """
    What a servo shows of itself, in its own directions.

    :param age: time since power-on [s].
    :param velocity: [rad/s].
    :param current: [A].
    :param speed: of the setpoint [rad/s].
    :param position: [ticks].
    :param setpoint: [ticks].
    :param voltage: [V].
    :param temperature: [degC].
    """

    age: float
    velocity: float
    current: float
    speed: float
    position: int
    setpoint: int
    voltage: float
    temperature: float


class PresentBlock:
    """
    Makes the block for one model.

    :ivar address: of its first byte.
    """

    def __init__(self, table: ControlTable) -> None:
        """
        Look where the items are.

        :raises ValueError: if they do not stand side by side.
        """
        self._table = table
        self.address = address = table[_ITEMS[0]].address
        for name in _ITEMS:
            if table[name].address != address:
                raise ValueError(f'{name} of {table.model} is not at {address}')
            address += table[name].size

    def pack(self, present: Present, goal: int, threshold: int, torque_on: bool) -> bytes:
        """
        Return the bytes.

        :param goal: position [ticks].
        :param threshold: speed above which the servo calls itself moving, in its own unit.
        :param torque_on: whether the motor is driven.
        """
        table = self._table
        speed = round(present.velocity / table.velocity_unit)
        arrived = abs(present.position - goal) <= table.ticks_per_turn // _NEAR
        share = present.current / table.stall_current + present.velocity / table.no_load_speed
        return _STRUCT.pack(
            int(present.age * 1000.0) % TICK_PERIOD,
            abs(speed) > threshold,
            arrived * _ARRIVED | (present.speed != 0.0) * _ON_THE_WAY,
            round(min(1.0, max(-1.0, share)) * FULL_PWM) if torque_on else 0,
            round(present.current / table.current_unit),
            speed,
            present.position,
            round(present.speed / table.velocity_unit),
            present.setpoint,
            max(0, round(present.voltage / VOLTAGE_UNIT)),
            min(255, max(0, round(present.temperature))),
        )
