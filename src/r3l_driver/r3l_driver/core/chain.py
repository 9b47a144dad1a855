# SPDX-License-Identifier: Apache-2.0
"""The servos of a hand on one bus, in joint units; ``chain_config.Chain`` says what each does."""

from __future__ import annotations

from collections.abc import Callable
import errno
import time

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.bus import Bus
from r3l_driver.core.bus_errors import ChainError, GoalRefused, NoReply, PortLost
from r3l_driver.core.chain_config import ChainConfig, Identity, Mask, Readings
from r3l_driver.core.control_table import Item, table_of_number, WATCHDOG_TRIPPED
from r3l_driver.core.persistent import PersistentBus
from r3l_driver.core.port import SerialPort
from r3l_driver.core.set_up import differences, watchdog_value, write_set_up
from r3l_driver.core.state_block import Units
from r3l_driver.core.state_reader import StateReader
from r3l_node.core.errors import ConfigError

OpenPort = Callable[[ChainConfig], SerialPort]

_TOLERANCE = 1e-9  # [rad]; of goals at a limit


def open_serial_port(config: ChainConfig) -> SerialPort:
    """Open the port of a configuration."""
    return SerialPort(config.port, config.baud, config.reply_timeout)


class ServoChain:
    """
    A chain of servos; implements :class:`chain_config.Chain`.

    :param config: of the servos.
    :param open_port: makes a new port for every :meth:`open`.
    :param clock: monotonic time [s].
    """

    def __init__(
        self,
        config: ChainConfig,
        open_port: OpenPort = open_serial_port,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._open_port = open_port
        self._clock = clock
        self._table = config.table
        self._units = Units(config)
        self._all = np.ones(len(config.ids), np.bool_)
        self._armed = np.zeros(len(config.ids), np.bool_)
        self._reader = StateReader(config, clock)
        self._failed_writes = np.zeros(len(config.ids), np.uint64)
        self._bus: Bus | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._bus is not None

    @property
    def bus(self) -> Bus:
        """
        The bus, for its counters and for tools.

        :raises PortLost: if the port is not open.
        """
        if self._bus is None:
            raise PortLost(errno.ENODEV, f'port is {self.config.port}: it is not open')
        return self._bus

    @property
    def counters(self) -> NDArray[np.uint64]:
        """Failed reads and writes of each joint since the start, shape (n,)."""
        return self._reader.failures + self._failed_writes

    def open(self) -> None:
        """Open the port, locked for this process."""
        self.close()
        config = self.config
        port = self._open_port(config)
        self._bus = Bus(port, config.return_delay * 1e-6, config.late_reply, self._clock)
        self._reader.reset()
        port.drain(config.reply_timeout)

    def close(self) -> None:
        """Close the port; harmless when closed."""
        if self._bus is not None:
            self._bus.port.close()
        self._bus = None

    def identify(self) -> list[Identity]:
        """Read model and firmware of all servos."""
        bus = PersistentBus(self.bus)
        found, absent = [], []
        for index, number in enumerate(self.config.ids):
            try:
                data = bus.read_bytes(number, 0, 7)
            except NoReply:
                absent.append(self.config.servo(index))
                continue
            found.append(Identity(number, int.from_bytes(data[:2], 'little'), data[6]))
        if absent:
            raise ChainError(
                f'on {self.config.port} at {self.config.baud} bit/s there is no answer from '
                f'{", ".join(absent)}'
            )
        for index, identity in enumerate(found):
            if identity.model_number != self._table.number:
                raise ChainError(
                    f'{self.config.servo(index)} is {_model(identity.model_number)}: '
                    f'expected {self.config.model} ({self._table.number})'
                )
        return found

    def configure(self, mask: Mask | None = None) -> None:
        """Set up servos whose torque is off, watchdog off, and read everything back."""
        bus = PersistentBus(self.bus)
        for index in self._indices(mask):
            self._armed[index] = False
            write_set_up(bus, self.config, index)
            if found := self._differences(bus, index):
                raise ChainError(f'{found[0]}, after it was written')
        self._reader.reset()

    def read(self) -> Readings:
        """Read the state of all servos; one that cannot be read is not ``ok``."""
        return self._units.readings(self._reader.read(self.bus))

    def write_goals(self, position: NDArray[np.float64], mask: Mask | None = None) -> None:
        """Write goals to all selected servos in one packet."""
        selected = self._all if mask is None else mask
        self._check_goals(position, selected)
        if mask is not None:
            position = np.where(mask, position, self._units.lower)
        ticks = self._units.ticks(position).tobytes()
        values = {
            number: ticks[4 * index : 4 * index + 4]
            for index, number in enumerate(self.config.ids)
            if mask is None or mask[index]
        }
        self.bus.sync_write(self._table['goal_position'].address, values)

    def torque_enabled(self) -> Mask:
        """Read back whose torque is on; a servo that does not answer counts as off."""
        return self._compare(self._table['torque_enable'], 1, self._all)

    def set_torque(self, on: bool, mask: Mask | None = None) -> Mask:
        """Switch torque and read it back."""
        done = self._set(self._table['torque_enable'], int(on), mask)
        others = ~self._all if mask is None else ~mask
        if others.any():
            others &= self._compare(self._table['torque_enable'], 1, others)
        obeyed = done if on else ~done
        selected = self._all if mask is None else mask
        return np.where(selected, obeyed, others)

    def arm_watchdog(self, mask: Mask | None = None) -> Mask:
        """Let the servos stop themselves when the bus is silent; clears an earlier trip."""
        self._set(self._table['bus_watchdog'], 0, mask)
        armed = self._set(self._table['bus_watchdog'], watchdog_value(self.config), mask)
        self._armed |= armed
        return armed

    def disarm_watchdog(self, mask: Mask | None = None) -> Mask:
        """Switch the watchdog off, which also clears a trip."""
        disarmed = self._set(self._table['bus_watchdog'], 0, mask)
        self._armed &= ~disarmed
        return disarmed

    def watchdog_tripped(self) -> Mask:
        """Read whose watchdog has stopped it."""
        return self._compare(self._table['bus_watchdog'], WATCHDOG_TRIPPED, self._all)

    def reboot(self, index: int, wait: bool = True) -> None:
        """Restart one servo; its torque is off then and its set-up lost."""
        self._armed[index] = False
        try:
            self.bus.reboot(self.config.ids[index])
        except NoReply:  # it may have restarted for all that; whether it answers will show
            self._failed_writes[index] += 1
        end = self._clock() + self.config.reboot_timeout
        while wait and not self.answers(index):
            if self._clock() >= end:
                raise ChainError(
                    f'{self.config.servo(index)} does not answer '
                    f'{self.config.reboot_timeout:g} s after its reboot'
                )

    def answers(self, index: int) -> bool:
        """Ping one servo once."""
        try:
            self.bus.ping(self.config.ids[index])
        except NoReply:
            return False
        return True

    def audit(self, index: int) -> list[str]:
        """Compare one servo's settings with what ``configure`` wrote."""
        return self._differences(PersistentBus(self.bus, self.config.retries + 1), index)

    def _differences(self, bus: PersistentBus, index: int) -> list[str]:
        return differences(bus, self.config, index, bool(self._armed[index]))

    def _check_goals(self, position: NDArray[np.float64], selected: Mask) -> None:
        if position.shape != self._all.shape:
            raise GoalRefused(
                f'goals have shape {position.shape}: expected {self._all.shape}, one per joint'
            )
        units = self._units
        inside = (position >= units.lower - _TOLERANCE) & (position <= units.upper + _TOLERANCE)
        wrong = selected & ~inside  # also where it is not a number
        if wrong.any():
            index = int(np.argmax(wrong))
            raise GoalRefused(
                f'goal of {self.config.servo(index)} is {position[index]:g} rad: expected '
                f'{units.lower[index]:g} to {units.upper[index]:g} rad'
            )

    def _set(self, item: Item, value: int, mask: Mask | None) -> Mask:
        """Write one value to several servos until they read it back; return who does."""
        done = np.zeros_like(self._all)
        pending = self._all.copy() if mask is None else mask.copy()
        data = item.encode(value)
        for _ in range(self.config.retries + 1):
            if not pending.any():
                break
            ids = [self.config.ids[index] for index in self._indices(pending)]
            self.bus.sync_write(item.address, dict.fromkeys(ids, data))
            done |= self._compare(item, value, pending)
            pending &= ~done
        self._failed_writes[pending] += np.uint64(1)
        return done

    def _compare(self, item: Item, value: int, mask: Mask) -> Mask:
        """Read an item of the selected servos; true where it has the value."""
        result = np.zeros_like(self._all)
        pending = self._indices(mask)
        for _ in range(self.config.retries + 1):
            ids = [self.config.ids[index] for index in pending]
            length = self.bus.late.clear_length(ids, item.size, item.size + 3)
            if not ids or length is None:
                break
            replies = self.bus.sync_read(ids, item.address, length)
            for index in pending:
                reply = replies.get(self.config.ids[index])
                if reply is not None:
                    result[index] = item.decode(reply.data[: item.size]) == value
            pending = [index for index in pending if self.config.ids[index] not in replies]
        return result

    def _indices(self, mask: Mask | None) -> list[int]:
        selected = self._all if mask is None else mask
        indices: list[int] = np.flatnonzero(selected).tolist()
        return indices


def _model(number: int) -> str:
    try:
        return f'{table_of_number(number).model} ({number})'
    except ConfigError:
        return f'of unknown model {number}'
