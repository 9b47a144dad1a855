# SPDX-License-Identifier: Apache-2.0
"""Rows of the control tables and what differs between the models, after the e-Manual."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """What differs between the models."""

    name: str
    number: int
    current_unit: float  # [A]
    current_limit: int
    velocity_limit: int
    voltage: tuple[int, int]  # least and greatest limit, also the defaults [0.1 V]
    motor: tuple[float, float, float, float]  # [V], [N m], [A], [rev/min]
    position_p_gain: int = 800


# Name, address, size, default, writable, minimum, maximum (negative: signed), limited by.
Row = tuple[str, int, int, int, bool, int, int, str]

RAM_START = 64


def rows(model: Model) -> list[Row]:
    """Return the rows that all models have, with one model's defaults."""
    low, high = model.voltage
    return [
        ('model_number', 0, 2, model.number, False, 0, 65_535, ''),
        ('model_information', 2, 4, 0, False, 0, 2**32 - 1, ''),
        ('firmware_version', 6, 1, 45, False, 0, 255, ''),
        ('id', 7, 1, 1, True, 0, 252, ''),
        ('baud_rate', 8, 1, 1, True, 0, 7, ''),
        ('return_delay_time', 9, 1, 250, True, 0, 254, ''),
        ('drive_mode', 10, 1, 0, True, 0, 13, ''),
        ('operating_mode', 11, 1, 3, True, 0, 16, ''),
        ('secondary_id', 12, 1, 255, True, 0, 255, ''),
        ('protocol_type', 13, 1, 2, True, 1, 2, ''),
        ('homing_offset', 20, 4, 0, True, -1_044_479, 1_044_479, ''),
        ('moving_threshold', 24, 4, 10, True, 0, 1_023, ''),
        ('temperature_limit', 31, 1, 80, True, 0, 100, ''),
        ('max_voltage_limit', 32, 2, high, True, low, high, ''),
        ('min_voltage_limit', 34, 2, low, True, low, high, ''),
        ('pwm_limit', 36, 2, 885, True, 0, 885, ''),
        ('current_limit', 38, 2, model.current_limit, True, 0, model.current_limit, ''),
        ('velocity_limit', 44, 4, model.velocity_limit, True, 0, 1_023, ''),
        ('max_position_limit', 48, 4, 4_095, True, 0, 4_095, ''),
        ('min_position_limit', 52, 4, 0, True, 0, 4_095, ''),
        ('startup_configuration', 60, 1, 0, True, 0, 3, ''),
        ('shutdown', 63, 1, 52, True, 0, 63, ''),
        ('torque_enable', 64, 1, 0, True, 0, 1, ''),
        ('led', 65, 1, 0, True, 0, 1, ''),
        ('status_return_level', 68, 1, 2, True, 0, 2, ''),
        ('registered_instruction', 69, 1, 0, False, 0, 1, ''),
        ('hardware_error_status', 70, 1, 0, False, 0, 255, ''),
        ('velocity_i_gain', 76, 2, 1_920, True, 0, 16_383, ''),
        ('velocity_p_gain', 78, 2, 100, True, 0, 16_383, ''),
        ('position_d_gain', 80, 2, 0, True, 0, 16_383, ''),
        ('position_i_gain', 82, 2, 0, True, 0, 16_383, ''),
        ('position_p_gain', 84, 2, model.position_p_gain, True, 0, 16_383, ''),
        ('feedforward_2nd_gain', 88, 2, 0, True, 0, 16_383, ''),
        ('feedforward_1st_gain', 90, 2, 0, True, 0, 16_383, ''),
        # Reads WATCHDOG_TRIPPED after a trip; only 0 to 127 can be written.
        ('bus_watchdog', 98, 1, 0, True, -1, 127, ''),
        ('goal_pwm', 100, 2, 0, True, -885, 885, 'pwm_limit'),
        ('goal_current', 102, 2, 0, True, -2_047, 2_047, 'current_limit'),
        ('goal_velocity', 104, 4, 0, True, -1_023, 1_023, 'velocity_limit'),
        ('profile_acceleration', 108, 4, 0, True, 0, 32_767, ''),
        ('profile_velocity', 112, 4, 0, True, 0, 32_767, ''),
        # In the position mode within min_position_limit and max_position_limit.
        ('goal_position', 116, 4, 0, True, -1_048_575, 1_048_575, ''),
        ('realtime_tick', 120, 2, 0, False, 0, 32_767, ''),
        ('moving', 122, 1, 0, False, 0, 1, ''),
        ('moving_status', 123, 1, 0, False, 0, 255, ''),
        ('present_pwm', 124, 2, 0, False, -32_768, 32_767, ''),
        ('present_current', 126, 2, 0, False, -32_768, 32_767, ''),
        ('present_velocity', 128, 4, 0, False, -(2**31), 2**31 - 1, ''),
        ('present_position', 132, 4, 0, False, -(2**31), 2**31 - 1, ''),
        ('velocity_trajectory', 136, 4, 0, False, -(2**31), 2**31 - 1, ''),
        ('position_trajectory', 140, 4, 0, False, -(2**31), 2**31 - 1, ''),
        ('present_input_voltage', 144, 2, 0, False, 0, 65_535, ''),
        ('present_temperature', 146, 1, 0, False, 0, 255, ''),
        ('backup_ready', 147, 1, 0, False, 0, 1, ''),
    ]


def indirect(first: int, count: int, address: int, data: int) -> list[Row]:
    """Make ``count`` pairs of indirect address and data, numbered from ``first``."""
    low, high = (64, 661) if address != 168 or count != 20 else (64, 227)
    pairs: list[Row] = []
    for k in range(count):
        number = first + k
        own = (f'indirect_address_{number}', address + 2 * k, 2, data + k, True, low, high, '')
        pairs += [own, (f'indirect_data_{number}', data + k, 1, 0, True, 0, 255, '')]
    return pairs


X430_INDIRECT = indirect(1, 28, 168, 224) + indirect(29, 28, 578, 634)
XL330_INDIRECT = indirect(1, 20, 168, 208)
XL330_CHANGES = {
    'baud_rate': (1, 0, 6),
    'protocol_type': (2, 2, 22),
    'temperature_limit': (70, 0, 100),
    'min_voltage_limit': (35, 31, 70),
    'velocity_limit': (445, 0, 2_047),
    'goal_velocity': (0, -2_047, 2_047),
    'shutdown': (53, 0, 63),
    'velocity_i_gain': (1_600, 0, 16_383),
    'velocity_p_gain': (180, 0, 16_383),
}

X430_MODELS = (
    Model('XM430-W210', 1030, 2.69e-3, 1_193, 330, (95, 160), (12.0, 3.0, 2.3, 77.0)),
    Model('XM430-W350', 1020, 2.69e-3, 1_193, 200, (95, 160), (12.0, 4.1, 2.3, 46.0)),
    Model('XH430-W210', 1010, 2.69e-3, 648, 210, (95, 160), (12.0, 2.5, 1.3, 50.0), 900),
    # Velocity limit 230: from its no-load speed, as the e-Manual's later tables of its siblings.
    Model('XH430-V210', 1050, 1.34e-3, 689, 230, (110, 300), (24.0, 2.6, 0.7, 52.0)),
)
XL330 = Model('XL330-M288', 1200, 1.0e-3, 1_750, 445, (31, 70), (5.0, 0.52, 1.47, 103.0), 400)
