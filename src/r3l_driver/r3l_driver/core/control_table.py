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

from r3l_driver.core.control_rows import (
    Model,
    RAM_START,
    Row,
    rows,
    X430_INDIRECT,
    X430_MODELS,
    XL330,
    XL330_CHANGES,
    XL330_INDIRECT,
)
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


def _table(
    model: Model,
    indirect: list[Row],
    changes: Mapping[str, tuple[int, int, int]] = MappingProxyType({}),
) -> ControlTable:
    """
    Put a table together.

    :param changes: name to (default, minimum, maximum) where the model differs from its family.
    """
    items: dict[str, Item] = {}
    for name, address, size, default, writable, low, high, limit in sorted(
        [*rows(model), *indirect], key=lambda row: row[1]
    ):
        default, low, high = changes.get(name, (default, low, high))
        items[name] = Item(
            name, address, size, default, address < RAM_START, writable, low, high, low < 0, limit
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


TABLES: Mapping[str, ControlTable] = MappingProxyType(
    {
        **{model.name: _table(model, X430_INDIRECT) for model in X430_MODELS},
        XL330.name: _table(XL330, XL330_INDIRECT, XL330_CHANGES),
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
