# SPDX-License-Identifier: Apache-2.0
"""One emulated servo: what it answers to the instructions of the bus."""

from collections.abc import Mapping

from r3l_driver.core.control_table import BAUD_RATES, ControlTable, Item
from r3l_driver.emulator.actuator import Actuator
from r3l_driver.emulator.registers import Registers
from r3l_driver.emulator.timing import baud_code
from r3l_driver.emulator.wire import ALERT, Error

BOOT_TIME = 0.25  # from a reboot or reset to the first answer [s]
_TORQUE_ON_BY_GOAL = 0x08  # bit of drive_mode
_RESET_OPTIONS = {0xFF: (), 0x01: ('id',), 0x02: ('id', 'baud_rate')}
_CLEAR_TURNS = b'\x01\x44\x58\x4c\x22'


class EmulatedServo(Actuator):
    """A servo on the bus; instructions return the error as it goes on the wire."""

    def __init__(
        self,
        table: ControlTable,
        ident: int,
        *,
        baud: int = 1_000_000,
        firmware: int = 45,
        angle: float = 0.0,
        settings: Mapping[str, int] | None = None,
    ) -> None:
        """
        Switch the servo on.

        :param table: control table of its model.
        :param ident: its id.
        :param baud: bits per second that it listens at.
        :param firmware: version of its firmware; before 38 it has no bus watchdog.
        :param angle: of its shaft [rad]; 0 where it counts 2048.
        :param settings: further EEPROM items that differ from the factory's.
        """
        eeprom = {'id': ident, 'baud_rate': baud_code(baud), **(settings or {})}
        self._registered: tuple[int, bytes] | None = None
        self._booting = 0.0
        # Without power it is deaf, and its error bits are not judged.
        self.powered = True
        super().__init__(Registers(table, firmware, eeprom), angle)

    @property
    def ident(self) -> int:
        """Its id."""
        return self.registers.get('id')

    @property
    def listening(self) -> bool:
        """Whether it hears the bus: not without power and not while it starts."""
        return self._booting <= 0.0 and self.powered

    @property
    def baud(self) -> int:
        """Bits per second that it listens at."""
        return BAUD_RATES[self.registers.get('baud_rate')]

    def answers(self, reading: bool) -> bool:
        """Return whether it sends status packets to reads or to other instructions."""
        return self.registers.get('status_return_level') >= (1 if reading else 2)

    def pass_time(self, dt: float) -> None:
        """Go on with starting up."""
        if self.powered:
            self._booting = max(0.0, self._booting - dt)

    def status(self, error: Error) -> int:
        """Return an error number with the alert bit where there is a hardware error."""
        return error | (ALERT if self.hardware_error else 0)

    def read(self, address: int, length: int) -> tuple[int, bytes]:
        """Return the error and the bytes of a range of addresses."""
        if self._spikes:
            self._spikes -= 1
            self.refresh(self._spike)
            data = self.registers.read(address, length)
            self.refresh()
        else:
            data = self.registers.read(address, length)
        if isinstance(data, Error):
            return self.status(data), b''
        return self.status(Error.NONE), data

    def write(self, address: int, data: bytes) -> int:
        """Write a range of addresses: all of it or, on an error, nothing."""
        writes = self.registers.check(address, data)
        if isinstance(writes, Error):
            self.on_event('refused', address=address, data=data.hex(), error=writes.name.lower())
            return self.status(writes)
        result = Error.NONE
        for item, value in writes:
            result = self._apply(item, value) or result
        return self.status(result)

    def _apply(self, item: Item, value: int) -> Error:
        if item.name == 'torque_enable':
            return self.set_torque(bool(value))
        self.registers.store(item, value)
        if item.name == 'goal_position':
            self.new_goal()
            self.on_event('goal', value=value)
            if not self.torque_on and self.registers.get('drive_mode') & _TORQUE_ON_BY_GOAL:
                return self.set_torque(True)
        elif item.eeprom or item.name == 'bus_watchdog':
            self.feed()
            self.on_event('setting', item=item.name, value=value)
            self.refresh()
        return Error.NONE

    def reg_write(self, address: int, data: bytes) -> int:
        """Keep a write for `action`."""
        writes = self.registers.check(address, data)
        if isinstance(writes, Error):
            return self.status(writes)
        self._registered = (address, data)
        self.registers.put('registered_instruction', 1)
        return self.status(Error.NONE)

    def action(self) -> int:
        """Do the registered write."""
        if self._registered is None:
            return self.status(Error.INSTRUCTION)
        (address, data), self._registered = self._registered, None
        self.registers.put('registered_instruction', 0)
        return self.write(address, data)

    def reboot(self, cause: str = 'reboot') -> int:
        """
        Start anew: RAM is lost, and the servo is deaf for a while.

        :param cause: name of the event in the record.
        """
        answer = self.status(Error.NONE)
        self.on_event(cause)
        self._registered = None
        self._booting = BOOT_TIME
        self.start()
        return answer

    def factory_reset(self, option: int) -> int:
        """Set the EEPROM to the factory's; option 1 keeps the id, 2 id and baud rate."""
        keep = _RESET_OPTIONS.get(option)
        if keep is None:
            return self.status(Error.DATA_RANGE)
        answer = self.status(Error.NONE)
        self.registers.factory(keep)
        self.reboot('factory_reset')
        return answer

    def clear(self, parameters: bytes) -> int:
        """Forget whole turns; only at rest."""
        if parameters != _CLEAR_TURNS:
            return self.status(Error.DATA_RANGE)
        if self.registers.get('moving'):
            return self.status(Error.RESULT_FAIL)
        self.forget_turns()
        return self.status(Error.NONE)
