# SPDX-License-Identifier: Apache-2.0
"""The registers of one servo that the driver sets, and what it relies on being set."""

from __future__ import annotations

from r3l_driver.core.bus_errors import ChainError, StatusError
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.control_table import ControlTable, WATCHDOG_TRIPPED, WATCHDOG_UNIT
from r3l_driver.core.persistent import PersistentBus
from r3l_driver.core.state_block import block_pointers

_RESTING = ('drive_mode', 'homing_offset')  # where they are not 0, every position is another


def watchdog_value(config: ChainConfig) -> int:
    """Return the time of the watchdog in the servo's unit, rounded down."""
    return max(1, int(config.watchdog / WATCHDOG_UNIT + 1e-6))


def settings(config: ChainConfig) -> dict[str, int]:
    """
    Return the RAM items that a set-up writes, in the units of the control table.

    A profile of 0 would mean no limit, so the least one written is 1.
    """
    table = config.table
    acceleration = round(config.profile_acceleration / table.acceleration_unit)
    velocity = round(config.profile_velocity / table.velocity_unit)
    return {
        'status_return_level': 2,
        'bus_watchdog': 0,
        'position_d_gain': config.position_d_gain,
        'position_i_gain': config.position_i_gain,
        'position_p_gain': config.position_p_gain,
        'feedforward_2nd_gain': 0,
        'feedforward_1st_gain': 0,
        'goal_current': max(1, int(config.current_limit / table.current_unit)),
        'profile_acceleration': max(1, acceleration),
        'profile_velocity': max(1, velocity),
    }


def write_set_up(bus: PersistentBus, config: ChainConfig, index: int) -> None:
    """
    Write one servo's set-up; its torque must be off.

    The operating mode is in the EEPROM and is written only where it differs.

    :raises ChainError: if torque is on, or the EEPROM turns positions into others.
    """
    number, table, who = config.ids[index], config.table, config.servo(index)
    # First of all: a watchdog that has tripped refuses the rest.
    bus.write(number, table['bus_watchdog'], 0)
    if bus.read(number, table['torque_enable']) != 0:
        raise ChainError(f'{who} has its torque on: expected it off for the set-up')
    for name in _RESTING:
        found = bus.read(number, table[name])
        if found != 0:
            raise ChainError(f'{who} has {name} {found}: expected 0')
    if bus.read(number, table['operating_mode']) != config.operating_mode:
        bus.write(number, table['operating_mode'], config.operating_mode)
    for name, value in settings(config).items():
        try:
            bus.write(number, table[name], value)
        except StatusError as error:
            raise ChainError(f'{who} refuses {name} {value}: {error}') from error
    bus.write_bytes(number, table['indirect_address_1'].address, block_pointers(table))


def differences(bus: PersistentBus, config: ChainConfig, index: int, armed: bool) -> list[str]:
    """
    Compare one servo with its set-up, in three reads.

    :param armed: whether its watchdog is meant to be on; one that tripped is no difference.
    :return: one sentence for each item that is not as it was set.
    """
    number, table, who = config.ids[index], config.table, config.servo(index)
    wanted = settings(config) | dict.fromkeys(_RESTING, 0)
    wanted['operating_mode'] = config.operating_mode
    if armed:
        wanted['bus_watchdog'] = watchdog_value(config)
    found = _read_items(bus, number, table, [name for name in wanted if table[name].eeprom])
    found |= _read_items(bus, number, table, [name for name in wanted if not table[name].eeprom])
    if found['bus_watchdog'] == WATCHDOG_TRIPPED:
        found['bus_watchdog'] = wanted['bus_watchdog']
    sentences = [
        f'{who} has {name} {found[name]}: expected {value}'
        for name, value in wanted.items()
        if found[name] != value
    ]
    pointers = block_pointers(table)
    if bus.read_bytes(number, table['indirect_address_1'].address, len(pointers)) != pointers:
        sentences.append(f'{who} has other indirect addresses than were set')
    return sentences


def _read_items(
    bus: PersistentBus, number: int, table: ControlTable, names: list[str]
) -> dict[str, int]:
    """Read items that lie near one another with one instruction."""
    items = [table[name] for name in names]
    first = min(item.address for item in items)
    end = max(item.address + item.size for item in items)
    data = bus.read_bytes(number, first, end - first)
    return {
        item.name: item.decode(data[item.address - first : item.address - first + item.size])
        for item in items
    }
