# SPDX-License-Identifier: Apache-2.0
"""What the registers of a servo mean for its motor, worked out once after every change of them."""

import math
from typing import NamedTuple

from r3l_driver.core.control_table import OperatingMode, WATCHDOG_UNIT
from r3l_driver.emulator.present import FULL_PWM
from r3l_driver.emulator.registers import Registers

_POSITION_MODES = (
    OperatingMode.POSITION,
    OperatingMode.EXTENDED_POSITION,
    OperatingMode.CURRENT_BASED_POSITION,
)
_REVERSE, _TIME_BASED = 0x01, 0x04
_GAIN_UNIT = 128.0  # position_p_gain per PWM count and tick


class Effective(NamedTuple):
    """
    Everything that a step needs but the goal position.

    :param direction: 1, or -1 in reverse mode.
    :param homing: homing offset [ticks].
    :param torque_on: whether torque is enabled.
    :param driven: whether the motor is driven: torque in a position mode.
    :param current: limit that mode and registers set [A].
    :param pwm: share of the stall current that the PWM limit leaves at nominal voltage [A].
    :param stiffness: of the position controller [N m/rad].
    :param time_based: whether speed and acceleration are times.
    :param speed: register profile_velocity.
    :param acceleration: register profile_acceleration.
    :param watchdog: time of the bus watchdog [s]; 0 or less: it does not watch.
    :param hottest: temperature limit [degC].
    :param lowest: voltage limit [0.1 V].
    :param highest: voltage limit [0.1 V].
    :param threshold: speed above which the servo calls itself moving, in its own unit.
    """

    direction: int
    homing: int
    torque_on: bool
    driven: bool
    current: float
    pwm: float
    stiffness: float
    time_based: bool
    speed: int
    acceleration: int
    watchdog: float
    hottest: int
    lowest: int
    highest: int
    threshold: int


def effective(registers: Registers) -> Effective:
    """Work out what the registers mean."""
    get, table = registers.get, registers.table
    mode, torque_on = get('operating_mode'), bool(get('torque_enable'))
    current_based = mode == OperatingMode.CURRENT_BASED_POSITION
    limit = 'goal_current' if current_based else 'current_limit'
    counts = get('position_p_gain') / _GAIN_UNIT / FULL_PWM
    return Effective(
        direction=-1 if get('drive_mode') & _REVERSE else 1,
        homing=get('homing_offset'),
        torque_on=torque_on,
        driven=torque_on and mode in _POSITION_MODES,
        current=abs(get(limit)) * table.current_unit,
        pwm=abs(get('goal_pwm')) / FULL_PWM * table.stall_current,
        stiffness=table.stall_torque * counts * table.ticks_per_turn / (2.0 * math.pi),
        time_based=bool(get('drive_mode') & _TIME_BASED),
        speed=get('profile_velocity'),
        acceleration=get('profile_acceleration'),
        watchdog=get('bus_watchdog') * WATCHDOG_UNIT,
        hottest=get('temperature_limit'),
        lowest=get('min_voltage_limit'),
        highest=get('max_voltage_limit'),
        threshold=get('moving_threshold'),
    )
