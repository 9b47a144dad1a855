# SPDX-License-Identifier: Apache-2.0
"""The memory of one servo: EEPROM and RAM, indirect addresses, and what may be written when."""

from collections.abc import Mapping

from r3l_driver.core.control_table import ControlTable, Item, OperatingMode, WATCHDOG_TRIPPED
from r3l_driver.emulator.wire import Error
from r3l_node.core.errors import ConfigError

Writes = list[tuple[Item, int]]

_GOALS = frozenset({'goal_pwm', 'goal_current', 'goal_velocity', 'goal_position'})
_MODES = frozenset(OperatingMode)


class Registers:
    """
    The control table of one servo as bytes.

    `get` and `put` are the servo's own access; `read` and `check` are the bus's, with its rules.
    """

    def __init__(self, table: ControlTable, firmware: int, settings: Mapping[str, int]) -> None:
        """
        Begin as after the first power-on.

        :param table: of the model.
        :param firmware: version of the firmware; old ones lack the bus watchdog.
        :param settings: EEPROM items that differ from the factory's, by name.
        :raises ConfigError: for a setting that is none or that is out of range.
        """
        self.table = table
        self.firmware = firmware
        # Counts changes of any item but goal and present values.
        self.version = 0
        self._cells = bytearray(table.size)
        # What the cells say, ready for use; without the items that `put_block` sets.
        self._values: dict[str, int] = {}
        self._starts: dict[int, Item] = {item.address: item for item in table}
        if firmware < table.watchdog_firmware:
            del self._starts[table['bus_watchdog'].address]
        self._block = (0, 0)
        self._plans: dict[tuple[int, int], list[int] | slice] = {}
        self._items: dict[tuple[int, int], tuple[Item, ...] | Error] = {}
        self._indirect = self._indirect_cells()
        self.factory()
        for name, value in settings.items():
            item = table.items.get(name)
            if item is None or not item.eeprom:
                raise ConfigError(f"setting of a servo is '{name}': expected an EEPROM item")
            item.encode(value)
            self.put(name, value)
        self.power_on()

    def _indirect_cells(self) -> dict[int, int]:
        """Return address of indirect data to the address of its indirect address."""
        items = self.table.items
        return {
            items[f'indirect_data_{k}'].address: items[f'indirect_address_{k}'].address
            for k in range(1, self.table.indirect_count + 1)
        }

    def get(self, name: str) -> int:
        """Return the value of an item."""
        value = self._values.get(name)
        if value is None:
            item = self.table.items[name]
            value = item.decode(bytes(self._cells[item.address : item.address + item.size]))
        return value

    def put(self, name: str, value: int) -> None:
        """Set an item, whatever the bus may do with it."""
        self.store(self.table.items[name], value)

    def store(self, item: Item, value: int) -> None:
        """Set an item; a value without sign or with one, as the item has it."""
        end = item.address + item.size
        self._cells[item.address : end] = value.to_bytes(item.size, 'little', signed=item.signed)
        self._values[item.name] = value
        if item.name != 'goal_position':
            self.version += 1
        if item.name.startswith('indirect_address'):
            self._plans.clear()
            self._items.clear()

    def put_block(self, address: int, data: bytes) -> None:
        """Set consecutive items at once; always the same ones, none of them indirect."""
        end = address + len(data)
        self._cells[address:end] = data
        if self._block != (address, end):
            self._block = (address, end)
            for item in self.table:
                if address <= item.address < end:
                    self._values.pop(item.name, None)

    def factory(self, keep: tuple[str, ...] = ()) -> None:
        """
        Set the EEPROM to what the factory sets.

        :param keep: names of items to leave alone.
        """
        for item in self.table:
            if item.eeprom and item.name not in keep:
                self.put(item.name, item.default)
        self.put('firmware_version', self.firmware)

    def power_on(self) -> None:
        """Set the RAM to what the power-on sets."""
        self._block = (0, 0)
        for item in self.table:
            if not item.eeprom:
                self.put(item.name, item.default)

    def read(self, address: int, length: int) -> bytes | Error:
        """
        Return bytes as a read instruction sees them; gaps between items read as 0.

        :return: the bytes, or the error for an address outside of the table.
        """
        plan = self._plans.get((address, length))
        if plan is None:
            if length < 1 or address + length > self.table.size:
                return Error.ACCESS
            cells = [self._resolve(address + k) for k in range(length)]
            direct = cells == list(range(address, address + length))
            plan = slice(address, address + length) if direct else cells
            self._plans[address, length] = plan
        memory = self._cells
        if isinstance(plan, slice):
            return bytes(memory[plan])
        return bytes([memory[k] for k in plan])

    def _resolve(self, address: int) -> int:
        """Return where a byte really is; indirect data points to it."""
        pointer = self._indirect.get(address)
        if pointer is None:
            return address
        target = self._cells[pointer] | self._cells[pointer + 1] << 8
        return target if target < self.table.size else address

    def check(self, address: int, data: bytes) -> Writes | Error:
        """
        Examine a write instruction; nothing is changed.

        :return: items and values in the order of the bytes, or the error to answer.
        """
        key = (address, len(data))
        items = self._items.get(key)
        if items is None:
            items = self._items[key] = self._covered(*key)
        if isinstance(items, Error):
            return items
        writes: Writes = []
        start = 0
        for item in items:
            value = item.decode(data[start : start + item.size])
            start += item.size
            error = self._refusal(item, value)
            if error:
                return error
            writes.append((item, value))
        return writes

    def _covered(self, address: int, length: int) -> tuple[Item, ...] | Error:
        """Return the whole items that a range of addresses means."""
        if length < 1 or address + length > self.table.size:
            return Error.ACCESS if length else Error.DATA_LENGTH
        cells = [self._resolve(address + k) for k in range(length)]
        items: list[Item] = []
        k = 0
        while k < length:
            item = self._starts.get(cells[k])
            if item is None:
                inside = any(
                    start < cells[k] < start + i.size for start, i in self._starts.items()
                )
                return Error.DATA_LENGTH if inside else Error.ACCESS
            whole = list(range(item.address, item.address + item.size))
            if cells[k : k + item.size] != whole:
                return Error.DATA_LENGTH
            if not item.writable:
                return Error.ACCESS
            items.append(item)
            k += item.size
        return tuple(items)

    def _refusal(self, item: Item, value: int) -> Error:
        """Return why an item cannot take a value now, `Error.NONE` if it can."""
        name = item.name
        if item.eeprom and self.get('torque_enable'):
            return Error.ACCESS
        tripped = self.get('bus_watchdog') == WATCHDOG_TRIPPED
        if name in _GOALS and tripped:
            return Error.DATA_RANGE
        if not item.minimum <= value <= item.maximum:
            return Error.DATA_RANGE
        if name == 'bus_watchdog' and (value < 0 or (tripped and value)):
            return Error.DATA_RANGE
        if name == 'operating_mode' and value not in _MODES:
            return Error.DATA_RANGE
        if item.limited_by and abs(value) > self.get(item.limited_by):
            return Error.DATA_LIMIT
        if name == 'goal_position' and self.get('operating_mode') == OperatingMode.POSITION:
            low, high = self.get('min_position_limit'), self.get('max_position_limit')
            if not low <= value <= high:
                return Error.DATA_LIMIT
        return Error.NONE
