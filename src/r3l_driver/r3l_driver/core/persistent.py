# SPDX-License-Identifier: Apache-2.0
"""Single instructions that are repeated when a packet is lost or damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from r3l_driver.core.bus import Bus, CRC_ERROR
from r3l_driver.core.bus_errors import NoReply, StatusError
from r3l_driver.core.control_table import Item

T = TypeVar('T')


class PersistentBus:
    """
    The reads and writes of a bus, for what is not repeated every cycle anyway.

    All of them can be done twice without harm.

    :param bus: the bus.
    :param tries: of each instruction.
    """

    def __init__(self, bus: Bus, tries: int = 8) -> None:
        self._bus = bus
        self._tries = tries

    def read(self, number: int, item: Item) -> int:
        """Read one item; see :meth:`Bus.read`."""
        return self._persist(lambda: self._bus.read(number, item))

    def read_bytes(self, number: int, address: int, length: int) -> bytes:
        """Read consecutive bytes; see :meth:`Bus.read_bytes`."""
        return self._persist(lambda: self._bus.read_bytes(number, address, length))

    def write(self, number: int, item: Item, value: int) -> None:
        """Write one item; see :meth:`Bus.write`."""
        self._persist(lambda: self._bus.write(number, item, value))

    def write_bytes(self, number: int, address: int, data: bytes) -> None:
        """Write consecutive bytes; see :meth:`Bus.write_bytes`."""
        self._persist(lambda: self._bus.write_bytes(number, address, data))

    def _persist(self, operation: Callable[[], T]) -> T:
        for _ in range(self._tries - 1):
            try:
                return operation()
            except NoReply:
                continue
            except StatusError as error:
                if error.code != CRC_ERROR:
                    raise
        return operation()
