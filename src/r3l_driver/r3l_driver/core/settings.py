# SPDX-License-Identifier: Apache-2.0
"""
What the servos' EEPROM has to say for this driver, and how it is set right.

EEPROM wears out and keeps what it is told: nothing is written that is equal already, nothing is
written while torque is on, and what was written is read back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import ControlTable, Item, OperatingMode, RETURN_DELAY_UNIT
from r3l_node.core.errors import ConfigError

# Kept as the factory sets them: the servo's own protection.
FACTORY = (
    'temperature_limit', 'max_voltage_limit', 'min_voltage_limit', 'pwm_limit', 'current_limit',
    'velocity_limit', 'shutdown', 'secondary_id', 'homing_offset',
)  # fmt: skip
STARTUP_FIRMWARE = 45  # oldest firmware with startup_configuration


class Registers(Protocol):
    """Reads and writes the items of servos, one at a time; a bus does."""

    def read(self, number: int, item: Item) -> int:
        """Return the value of an item, in the units of the control table."""

    def write(self, number: int, item: Item, value: int) -> None:
        """Set an item, in the units of the control table."""


class SettingsError(ConfigError):
    """Settings of a servo could not be written; the message says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An item of a servo's EEPROM that is not as the driver needs it."""

    servo: int
    item: str
    found: int
    wanted: int

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        return f'{self.item} is {self.found} instead of {self.wanted}'


def wanted_settings(config: DriverConfig, table: ControlTable, firmware: int) -> dict[str, int]:
    """
    Return the EEPROM settings that the driver needs, in the units of the control table.

    :param config: of the driver.
    :param table: of the servo's model.
    :param firmware: version in the servo.
    """
    wanted = {
        'return_delay_time': round(config.return_delay / RETURN_DELAY_UNIT),
        # Turns as it is calibrated, profiles by velocity, torque only when it is asked for.
        'drive_mode': 0,
        # Holds a position with no more than the goal current.
        'operating_mode': int(OperatingMode.CURRENT_BASED_POSITION),
    }
    wanted |= {item: table[item].default for item in FACTORY}
    if firmware >= STARTUP_FIRMWARE:
        # No torque and no old goals at power-on.
        wanted['startup_configuration'] = 0
    return wanted


def compare(servo: int, found: Mapping[str, int], wanted: Mapping[str, int]) -> list[Difference]:
    """
    List what differs.

    :param servo: bus id.
    :param found: settings that were read.
    :param wanted: settings that the driver needs.
    """
    return [
        Difference(servo, item, found[item], value)
        for item, value in wanted.items()
        if found[item] != value
    ]


def write_settings(
    bus: Registers, differences: Sequence[Difference], table: ControlTable
) -> list[str]:
    """
    Write what differs, and read it back.

    :param bus: the servos.
    :param differences: as :func:`compare` found them; each is looked at again before its write.
    :param table: of the servos' model.
    :return: one line per item that was written.
    :raises SettingsError: if torque is on, or a servo does not take a value.
    """
    for servo in sorted({difference.servo for difference in differences}):
        if bus.read(servo, table['torque_enable']) != 0:
            raise SettingsError(
                f'servo {servo} has its torque on: its settings are written with torque off only; '
                'support the hand, switch the supply of the servos off and on, and try again'
            )
    lines = []
    for servo, item, _, wanted in ((d.servo, d.item, d.found, d.wanted) for d in differences):
        before = bus.read(servo, table[item])
        if before == wanted:
            continue
        bus.write(servo, table[item], wanted)
        after = bus.read(servo, table[item])
        if after != wanted:
            raise SettingsError(
                f'servo {servo} keeps {item} at {after} after {wanted} was written: check its '
                'supply voltage, then its firmware with DYNAMIXEL Wizard 2.0'
            )
        lines.append(f'servo {servo}: {item} {before} -> {wanted}')
    return lines
