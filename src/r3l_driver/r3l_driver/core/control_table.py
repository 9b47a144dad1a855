# SPDX-License-Identifier: Apache-2.0
"""
Control tables of Dynamixel X servos as data, after the ROBOTIS e-Manual.

Shared by the driver and by the emulated servos: both know the same addresses and ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
import math
from types import MappingProxyType

from r3l_node.core.errors import ConfigError

VELOCITY_UNIT = 0.229 * 2.0 * math.pi / 60.0  # [rad/s]; 0.229 rev/min
ACCELERATION_UNIT = 214.577 * 2.0 * math.pi / 3600.0  # [rad/s^2]; 214.577 rev/min^2
VOLTAGE_UNIT = 0.1  # [V]
WATCHDOG_UNIT = 0.02  # [s]
RETURN_DELAY_UNIT = 2.0  # [us]
WATCHDOG_TRIPPED = -1  # what Bus Watchdog reads after it has stopped the servo
TICK_PERIOD = 32_768  # [ms]; Realtime Tick wraps from 32,767 to 0

# Value of the item baud_rate to bits per second.
BAUD_RATES: Mapping[int, int] = MappingProxyType(
    {
        0: 9_600,
        1: 57_600,
        2: 115_200,
        3: 1_000_000,
        4: 2_000_000,
        5: 3_000_000,
        6: 4_000_000,
        7: 4_500_000,
    }
)


class HardwareError(IntFlag):
    """Bits of hardware_error_status and of the mask shutdown."""

    INPUT_VOLTAGE = 0x01
    OVERHEATING = 0x04
    ENCODER = 0x08
    ELECTRICAL_SHOCK = 0x10
    OVERLOAD = 0x20


class OperatingMode(IntEnum):
    """Values of operating_mode."""

    CURRENT = 0
    VELOCITY = 1
    POSITION = 3
    EXTENDED_POSITION = 4
    CURRENT_BASED_POSITION = 5
    PWM = 16


@dataclass(frozen=True, slots=True)
class Item:
    """
    One row of a control table.

    ``default`` is what the factory (EEPROM) or the power-on (RAM) sets; 0 where the e-Manual
    gives none. ``limited_by`` names the item that bounds the absolute value, where one does.
    """

    name: str
    address: int
    size: int
    default: int
    eeprom: bool
    writable: bool
    minimum: int
    maximum: int
    signed: bool = False
    limited_by: str = ''

    def decode(self, data: bytes) -> int:
        """Return the value of ``size`` bytes as they stand on the bus."""
        return int.from_bytes(data, 'little', signed=self.signed)

    def encode(self, value: int) -> bytes:
        """
        Return the value as bytes for the bus.

        :raises ConfigError: if the value is outside of the item's range.
        """
        if not self.minimum <= value <= self.maximum:
            raise ConfigError(f'{self.name} is {value}: expected {self.minimum} to {self.maximum}')
        return value.to_bytes(self.size, 'little', signed=self.signed)


@dataclass(frozen=True, slots=True)
class ControlTable:
    """
    All items of a model and the figures of its motor at the nominal voltage.

    :param current_unit: of goal_current, present_current and current_limit [A].
    :param nominal_voltage: at which the following are given [V].
    :param stall_torque: [N m].
    :param stall_current: [A].
    :param no_load_speed: [rad/s].
    :param watchdog_firmware: oldest firmware that has a Bus Watchdog.
    """

    model: str
    number: int
    items: Mapping[str, Item]
    indirect_count: int
    current_unit: float
    nominal_voltage: float
    stall_torque: float
    stall_current: float
    no_load_speed: float
    watchdog_firmware: int = 38
    velocity_unit: float = VELOCITY_UNIT
    acceleration_unit: float = ACCELERATION_UNIT
    ticks_per_turn: int = 4096
    center: int = 2048

    def __getitem__(self, name: str) -> Item:
        """Return an item by name."""
        return self.items[name]

    def __iter__(self) -> Iterator[Item]:
        """Go through the items in the order of their addresses."""
        return iter(self.items.values())

    @property
    def size(self) -> int:
        """Bytes of the whole table: every address is below."""
        return max(item.address + item.size for item in self)

    @property
    def torque_constant(self) -> float:
        """Torque per current at the output [N m/A], from the stall figures."""
        return self.stall_torque / self.stall_current


@dataclass(frozen=True, slots=True)
class _Model:
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
_Row = tuple[str, int, int, int, bool, int, int, str]

_RAM_START = 64


def _rows(model: _Model) -> list[_Row]:
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


def _indirect(first: int, count: int, address: int, data: int) -> list[_Row]:
    """Make ``count`` pairs of indirect address and data, numbered from ``first``."""
    low, high = (64, 661) if address != 168 or count != 20 else (64, 227)
    rows: list[_Row] = []
    for k in range(count):
        number = first + k
        own = (f'indirect_address_{number}', address + 2 * k, 2, data + k, True, low, high, '')
        rows += [own, (f'indirect_data_{number}', data + k, 1, 0, True, 0, 255, '')]
    return rows


def _table(
    model: _Model,
    indirect: list[_Row],
    changes: Mapping[str, tuple[int, int, int]] = MappingProxyType({}),
) -> ControlTable:
    """
    Put a table together.

    :param changes: name to (default, minimum, maximum) where the model differs from its family.
    """
    items: dict[str, Item] = {}
    for name, address, size, default, writable, low, high, limit in sorted(
        [*_rows(model), *indirect], key=lambda row: row[1]
    ):
        default, low, high = changes.get(name, (default, low, high))
        items[name] = Item(
            name, address, size, default, address < _RAM_START, writable, low, high, low < 0, limit
        )
    voltage, torque, current, speed = model.motor
    return ControlTable(
        model.name,
        model.number,
        MappingProxyType(items),
        sum(name.startswith('indirect_data') for name in items),
        model.current_unit,
        voltage,
        torque,
        current,
        speed * 2.0 * math.pi / 60.0,
    )


_X430_INDIRECT = _indirect(1, 28, 168, 224) + _indirect(29, 28, 578, 634)
_XL330_INDIRECT = _indirect(1, 20, 168, 208)
_XL330_CHANGES = {
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

_MODELS = (
    _Model('XM430-W210', 1030, 2.69e-3, 1_193, 330, (95, 160), (12.0, 3.0, 2.3, 77.0)),
    _Model('XM430-W350', 1020, 2.69e-3, 1_193, 200, (95, 160), (12.0, 4.1, 2.3, 46.0)),
    _Model('XH430-W210', 1010, 2.69e-3, 648, 210, (95, 160), (12.0, 2.5, 1.3, 50.0), 900),
    # Velocity limit 230: from its no-load speed, as the e-Manual's later tables of its siblings.
    _Model('XH430-V210', 1050, 1.34e-3, 689, 230, (110, 300), (24.0, 2.6, 0.7, 52.0)),
)
_XL330 = _Model('XL330-M288', 1200, 1.0e-3, 1_750, 445, (31, 70), (5.0, 0.52, 1.47, 103.0), 400)

TABLES: Mapping[str, ControlTable] = MappingProxyType(
    {
        **{model.name: _table(model, _X430_INDIRECT) for model in _MODELS},
        _XL330.name: _table(_XL330, _XL330_INDIRECT, _XL330_CHANGES),
    }
)


def table_of_model(model: str) -> ControlTable:
    """
    Return the table of a model by name.

    :raises ConfigError: if there is none of this name.
    """
    if model not in TABLES:
        raise ConfigError(f"servo model is '{model}': expected one of {', '.join(TABLES)}")
    return TABLES[model]


def table_of_number(number: int) -> ControlTable:
    """
    Return the table of a model number as a servo reports it.

    :raises ConfigError: if no table has this number.
    """
    for table in TABLES.values():
        if table.number == number:
            return table
    known = ', '.join(f'{table.number} ({table.model})' for table in TABLES.values())
    raise ConfigError(f'model number is {number}: expected one of {known}')
