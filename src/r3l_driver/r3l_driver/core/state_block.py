# SPDX-License-Identifier: Apache-2.0
"""The block of indirect data that one cycle reads, and its conversion to joint units."""

from __future__ import annotations

from collections.abc import Mapping
import math

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.chain_config import ChainConfig, Readings
from r3l_driver.core.control_table import ControlTable, VOLTAGE_UNIT
from r3l_driver.core.packet import ALERT, Reply

_ITEMS = (
    'present_position',
    'present_velocity',
    'present_current',
    'hardware_error_status',
    'present_temperature',
    'present_input_voltage',
    'realtime_tick',
)
# Never looked at: they make requests of different lengths.
_SPARE_ITEMS = ('moving', 'moving_status', 'led')
_BLOCK = np.dtype(
    [
        ('position', '<i4'),
        ('velocity', '<i4'),
        ('current', '<i2'),
        ('error', 'u1'),
        ('temperature', 'u1'),
        ('voltage', '<u2'),
        ('tick', '<u2'),
    ]
)
BLOCK_BYTES = _BLOCK.itemsize
MOST_BYTES = BLOCK_BYTES + len(_SPARE_ITEMS)
_EMPTY = bytes(BLOCK_BYTES)


def block_address(table: ControlTable) -> int:
    """Return where the block begins."""
    return table['indirect_data_1'].address


def block_pointers(table: ControlTable) -> bytes:
    """Return the bytes of the indirect addresses that make up the block."""
    addresses = [
        table[name].address + k
        for name in (*_ITEMS, *_SPARE_ITEMS)
        for k in range(table[name].size)
    ]
    return b''.join(address.to_bytes(2, 'little') for address in addresses)


class Units:
    """
    Conversion between what stands in the servos and joint units.

    :param config: of the chain.
    """

    def __init__(self, config: ChainConfig) -> None:
        table = config.table
        self._ids = config.ids
        self._direction = np.array(config.directions, np.float64)
        self._offset = np.array(config.offsets, np.float64)
        self._tick = 2.0 * math.pi / table.ticks_per_turn  # [rad]
        self._center = table.center
        self._position_scale = self._direction * self._tick
        self._velocity_scale = self._direction * table.velocity_unit
        self._current_scale = self._direction * table.current_unit
        self.lower = np.array(config.lower, np.float64)
        self.upper = np.array(config.upper, np.float64)
        bounds = np.stack([self._raw_ticks(self.lower), self._raw_ticks(self.upper)])
        # Rounded inwards: no goal is outside by half a tick.
        self._least = np.ceil(bounds.min(axis=0) - 1e-6)
        self._greatest = np.floor(bounds.max(axis=0) + 1e-6)

    def ticks(self, position: NDArray[np.float64]) -> NDArray[np.int32]:
        """
        Convert goals that are within the limits.

        :param position: shape (n,) [rad].
        """
        rounded = np.rint(self._raw_ticks(position))
        inside: NDArray[np.float64] = np.minimum(np.maximum(rounded, self._least), self._greatest)
        return inside.astype('<i4')

    def readings(self, replies: Mapping[int, Reply]) -> Readings:
        """
        Convert one cycle's replies.

        :param replies: at least ``BLOCK_BYTES`` of data by id; an id may be missing.
        """
        found = [replies.get(number) for number in self._ids]
        blocks = [_EMPTY if reply is None else reply.data[:BLOCK_BYTES] for reply in found]
        raw = np.frombuffer(b''.join(blocks), _BLOCK)
        # A servo that runs has a supply: without one, this is the memory after a restart.
        ok = raw['voltage'] != 0
        readings = Readings(
            ok=ok,
            position=(raw['position'] - self._center) * self._position_scale + self._offset,
            velocity=raw['velocity'] * self._velocity_scale,
            current=raw['current'] * self._current_scale,
            temperature=raw['temperature'].astype(np.float64),
            voltage=raw['voltage'] * VOLTAGE_UNIT,
            error=raw['error'].copy(),
            alert=np.array([reply is not None and reply.error >= ALERT for reply in found]),
            tick=raw['tick'].astype(np.int64),
            restarted=np.array([reply is not None for reply in found]) & ~ok,
        )
        if not ok.all():
            _blank(readings)
        return readings

    def _raw_ticks(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        ticks: NDArray[np.float64] = (
            position - self._offset
        ) * self._direction / self._tick + self._center
        return ticks


def _blank(readings: Readings) -> None:
    """Take out what does not come from a servo."""
    for values in (
        readings.position,
        readings.velocity,
        readings.current,
        readings.temperature,
        readings.voltage,
    ):
        values[~readings.ok] = np.nan
    readings.error[~readings.ok] = 0
    readings.tick[~readings.ok] = 0
