# SPDX-License-Identifier: Apache-2.0
"""Instructions to servos and their checked replies; see ``late`` for replies out of turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import time
from typing import Any, NamedTuple

from dynamixel_sdk import COMM_RX_TIMEOUT, COMM_SUCCESS, Protocol2PacketHandler
from r3l_driver.core import packet
from r3l_driver.core.bus_errors import BusError, NoReply, StatusError
from r3l_driver.core.control_table import Item
from r3l_driver.core.late import LateReplies
from r3l_driver.core.packet import ALERT, BROADCAST, Reply
from r3l_driver.core.port import SerialPort

_PING, _READ, _WRITE, _FACTORY_RESET, _REBOOT = 0x01, 0x02, 0x03, 0x06, 0x08
_STATUS_BYTES = 11  # of a reply without data
_MAX_ID = 252
_SPARE = 3  # further bytes that a request can ask for to be told apart
_QUIET = 0.001  # [s]
_PING_SLOT = 0.003  # a servo answers a ping to all so long after the id before its own [s]
CRC_ERROR = 3  # the servo received a damaged instruction
_ERRORS = {
    1: 'Result Fail',
    2: 'Instruction Error',
    CRC_ERROR: 'CRC Error',
    4: 'Data Range Error',
    5: 'Data Length Error',
    6: 'Data Limit Error',
    7: 'Access Error',
}


class Ping(NamedTuple):
    """What a servo answers to a ping."""

    model_number: int
    firmware: int


@dataclass(slots=True)
class BusCounters:
    """
    What was seen since the port was opened.

    :ivar packets: instructions sent.
    :ivar timeouts: requests without all of their replies.
    :ivar damaged: packets whose check sum did not fit.
    :ivar foreign: sound packets that answered nothing: late, doubled, or of another id.
    :ivar refused: replies that named an error.
    """

    packets: int = 0
    timeouts: int = 0
    damaged: int = 0
    foreign: int = 0
    refused: int = 0


class Bus:
    """
    Protocol 2.0 on one port.

    :param port: open; the bus does not close it.
    :param return_delay: of every servo before it answers [s].
    :param late_reply: a reply may still come so long after its time-out [s].
    :param clock: monotonic time [s].
    """

    def __init__(
        self,
        port: SerialPort,
        return_delay: float = 0.0,
        late_reply: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self.counters = BusCounters()
        self.late = LateReplies(late_reply, clock)
        self._return_delay = return_delay
        self._sdk = Protocol2PacketHandler()
        self._requests: dict[tuple[int, int, bool, bytes], bytes] = {}

    def ping(self, number: int) -> Ping:
        """
        Ask a servo for its model.

        :raises NoReply: if it does not answer.
        """
        _, data = self._transact(number, _PING, b'', 3)
        return Ping(int.from_bytes(data[:2], 'little'), data[2])

    def scan(self, ids: Iterable[int] | None = None) -> dict[int, Ping]:
        """
        Find servos.

        :param ids: to be pinged one by one; all at once where not given.
        """
        if ids is None:
            return self._ping_all()
        found: dict[int, Ping] = {}
        for number in ids:
            try:
                found[number] = self.ping(number)
            except NoReply:
                continue
        return found

    def read(self, number: int, item: Item) -> int:
        """
        Read one item.

        :raises NoReply: if there is no valid reply in time.
        :raises StatusError: if the servo answers with an error.
        """
        return item.decode(self.read_bytes(number, item.address, item.size))

    def read_bytes(self, number: int, address: int, length: int) -> bytes:
        """Read consecutive bytes, at least ``length``, of which so many are returned."""
        asked = self.late.clear_length((number,), length, length + _SPARE)
        if asked is None:
            remaining = self.late.remaining(number, length)
            self.port.drain(remaining, remaining)
            asked = length
        parameters = address.to_bytes(2, 'little') + asked.to_bytes(2, 'little')
        _, data = self._transact(number, _READ, parameters, asked)
        return data[:length]

    def write(self, number: int, item: Item, value: int) -> None:
        """
        Write one item; whoever must be certain reads it back.

        :raises ConfigError: if the value is out of the item's range.
        :raises NoReply: if there is no valid reply in time.
        :raises StatusError: if the servo refuses.
        """
        self.write_bytes(number, item.address, item.encode(value))

    def write_bytes(self, number: int, address: int, data: bytes) -> None:
        """Write consecutive bytes."""
        unsure = self.late.may_come(number, 0)
        try:
            self._transact(number, _WRITE, address.to_bytes(2, 'little') + data, 0)
        except NoReply:
            if not unsure:
                raise
        if unsure and self.read_bytes(number, address, len(data)) != data:
            raise NoReply(f'servo {number} did not confirm a write to address {address}')

    def reboot(self, number: int) -> None:
        """Restart a servo; it is silent for a while afterwards."""
        self._transact(number, _REBOOT, b'', 0)

    def factory_reset(self, number: int, option: int = 0x02) -> None:
        """
        Set a servo back to factory settings.

        :param option: 0xFF everything, 0x01 all but the id, 0x02 all but id and baud rate.
        """
        self._transact(number, _FACTORY_RESET, bytes((option,)), 0)

    def sync_write(self, address: int, values: dict[int, bytes]) -> None:
        """Write to several servos in one packet; none of them answers."""
        if values:
            self.counters.packets += 1
            self.port.send(packet.sync_write(address, values))

    def sync_read(
        self, ids: Sequence[int], address: int, length: int, fast: bool = False
    ) -> dict[int, Reply]:
        """
        Read the same bytes of several servos with one request.

        :param length: as ``late.clear_length`` gave it.
        :param fast: one packet for all, of which the part in front of a gap is used.
        :return: only what is valid, by id; no data of an earlier request, no zeros for a gap.
        """
        key = (address, length, fast, bytes(ids))
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = packet.sync_read(ids, address, length, fast)
        self.counters.packets += 1
        self.port.send(request)
        collect = self._collect_fast if fast else self._collect
        replies = collect(ids, length)
        self.late.asked(ids, length)
        if len(replies) < len(ids):
            self.counters.timeouts += 1
            self.late.missed([number for number in ids if number not in replies], length)
            if fast:
                self.late.missed([BROADCAST], length)
        return replies

    def _collect(self, ids: Sequence[int], length: int) -> dict[int, Reply]:
        count = len(ids)
        self.port.expect(count * (_STATUS_BYTES + length), count * self._return_delay)
        scanner = packet.Scanner()
        waited, replies = set(ids), dict[int, Reply]()
        while waited:
            received = self.port.receive()
            if not received:
                break
            for status in scanner.feed(received):
                if status.id not in waited or len(status.data) not in (0, length):
                    self.counters.foreign += 1
                elif status.error & ~ALERT:
                    self.counters.refused += 1
                    waited.discard(status.id)
                elif len(status.data) == length:
                    replies[status.id] = Reply(status.error, status.data)
                    waited.discard(status.id)
                else:
                    self.counters.foreign += 1
        self.counters.damaged += scanner.damaged
        return replies

    def _collect_fast(self, ids: Sequence[int], length: int) -> dict[int, Reply]:
        size = packet.fast_reply_size(len(ids), length)
        self.port.expect(size, len(ids) * self._return_delay)
        received = bytearray()
        replies: dict[int, Reply] = {}
        while len(replies) < len(ids):
            data = self.port.receive()
            if data:
                received += data
            if len(received) >= size or not data:
                replies = packet.decode_fast(received, ids, length)
            if not data:
                break
        if received and len(replies) < len(ids):
            self.counters.damaged += 1
        refused = [number for number, reply in replies.items() if reply.error & ~ALERT]
        for number in refused:
            self.counters.refused += 1
            del replies[number]
        return replies

    def _transact(
        self, number: int, instruction: int, parameters: bytes, length: int
    ) -> tuple[int, bytes]:
        """Send one instruction through the SDK and wait for the reply of ``length`` bytes."""
        if not 0 <= number <= _MAX_ID:
            raise ValueError(f'id is {number}: expected 0 to {_MAX_ID}')
        count = len(parameters) + 3
        request = [0, 0, 0, 0, number, count & 0xFF, count >> 8, instruction, *parameters, 0, 0]
        self.counters.packets += 1
        self.port.is_using = False
        # By itself, txPacket would send the packet without the stuffing that it computes.
        result = self._sdk.txPacket(self.port, self._sdk.addStuffing(request))
        if result != COMM_SUCCESS:
            raise BusError(f'servo {number}: {self._sdk.getTxRxResult(result)}')
        self.port.expect(_STATUS_BYTES + length, self._return_delay)
        self.late.asked([number], length)
        error, data = self._reply(number, length)
        if error & ~ALERT:
            self.counters.refused += 1
            code = error & ~ALERT
            name = _ERRORS.get(code, f'error {code}')
            raise StatusError(f'servo {number} answers {name} to instruction {instruction}', code)
        return error, data

    def _reply(self, number: int, length: int) -> tuple[int, bytes]:
        while True:
            received, result = self._sdk.rxPacket(self.port, False)
            if result == COMM_SUCCESS:
                error, data = _fields(received)
                # An error comes without the data that was asked for.
                fits = len(data) == length or (error & ~ALERT and not data)
                if received[4] == number and fits:
                    return error, data
                self.counters.foreign += 1
            elif result != COMM_RX_TIMEOUT:
                self.counters.damaged += 1
            if self.port.isPacketTimeout():
                self.counters.timeouts += 1
                self.late.missed([number], length)
                self.port.drain(_QUIET)
                raise NoReply(f'servo {number} does not answer')

    def _ping_all(self) -> dict[int, Ping]:
        self.counters.packets += 1
        self.port.send(packet.encode(BROADCAST, _PING, b''))
        self.port.expect((_STATUS_BYTES + 3) * (_MAX_ID + 1), _PING_SLOT * (_MAX_ID + 1))
        scanner, found = packet.Scanner(), dict[int, Ping]()
        while received := self.port.receive():
            for status in scanner.feed(received):
                if len(status.data) == 3 and status.id <= _MAX_ID:
                    number = int.from_bytes(status.data[:2], 'little')
                    found[status.id] = Ping(number, status.data[2])
        self.counters.damaged += scanner.damaged
        return dict(sorted(found.items()))


def _fields(received: Any) -> tuple[int, bytes]:
    """Return error and data of a packet as the SDK leaves it, with a tail of its stuffing."""
    length = received[5] | received[6] << 8
    return received[8], bytes(received[9 : 7 + length - 2])
