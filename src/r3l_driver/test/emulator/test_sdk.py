# SPDX-License-Identifier: Apache-2.0
"""
The emulated bus against dynamixel-sdk as it ships.

The SDK asks 10,000 random questions; each result must be what a plain model of the servos says.
They go through a port in memory with the SDK's packet handler and group classes, so that the
SDK's busy waiting does not count; some hundred more go through the SDK's own port to a
pseudo-terminal.
"""

from collections.abc import Callable
import random
import sys

from dynamixel_sdk import (
    COMM_RX_TIMEOUT,
    COMM_SUCCESS,
    GroupBulkRead,
    GroupBulkWrite,
    GroupSyncRead,
    GroupSyncWrite,
    port_handler,
    PortHandler,
    Protocol2PacketHandler,
)
import pytest
from r3l_driver.core.control_table import TABLES
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.dynamics import Motion
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.emulator.servo import BOOT_TIME
from r3l_driver.emulator.wire import BROADCAST, encode, encode_status, Error, Instruction

TABLE = TABLES['XM430-W210']
IDS = (1, 7, 21, 252)
ABSENT = 40
TRANSACTIONS = 10_000
OVER_THE_PORT = 400


class MemoryPort:
    """What the SDK needs of a port; what is sent is answered at once."""

    def __init__(self, bus: EmulatedBus | None = None) -> None:
        self.bus = bus
        self.is_using = False
        self.sent = b''
        self.waiting = bytearray()

    def clearPort(self):  # noqa: N802
        self.waiting.clear()

    def readPort(self, length):  # noqa: N802
        data = bytes(self.waiting[:length])
        del self.waiting[:length]
        return data

    def writePort(self, packet):  # noqa: N802
        self.sent = bytes(packet)
        if self.bus is not None:
            self.waiting += b''.join(data for _, data in self.bus.feed(self.sent))
        return len(packet)

    def setPacketTimeout(self, length):  # noqa: N802
        pass

    def setPacketTimeoutMillis(self, milliseconds):  # noqa: N802
        pass

    def isPacketTimeout(self):  # noqa: N802
        return not self.waiting

    def getBaudRate(self):  # noqa: N802
        return 1_000_000


# Items that take any value in their range with torque on, and whose values nothing else changes.
PLAIN = (
    'led',
    'velocity_i_gain',
    'velocity_p_gain',
    'position_d_gain',
    'position_i_gain',
    'position_p_gain',
    'feedforward_1st_gain',
    'feedforward_2nd_gain',
    'profile_acceleration',
    'profile_velocity',
    'goal_position',
    'goal_current',
    'return_delay_time',
    'shutdown',
    'moving_threshold',
    'current_limit',
)


class Model:
    """Dictionaries that behave as the e-Manual says; shares no code with the emulator."""

    def __init__(self) -> None:
        self.eeprom = {i: {n: TABLE[n].default for n in PLAIN if TABLE[n].eeprom} for i in IDS}
        self.ram = {i: self._fresh(i) for i in IDS}

    def _fresh(self, ident: int) -> dict[str, int]:
        ram = {name: TABLE[name].default for name in PLAIN if not TABLE[name].eeprom}
        limit = self.eeprom[ident]['current_limit']
        return {**ram, 'goal_position': 2048, 'goal_current': limit, 'torque_enable': 0}

    def value(self, ident: int, name: str) -> int:
        value = self.ram[ident].get(name)
        return self.eeprom[ident][name] if value is None else value

    def write(self, ident: int, name: str, value: int) -> int:
        item = TABLE[name]
        if item.eeprom and self.ram[ident]['torque_enable']:
            return 7
        if not item.minimum <= value <= item.maximum:
            return 4
        if name == 'goal_position' and not 0 <= value <= 4095:
            return 6
        if name == 'goal_current' and abs(value) > self.eeprom[ident]['current_limit']:
            return 6
        (self.eeprom if item.eeprom else self.ram)[ident][name] = value
        return 0

    def reboot(self, ident: int) -> None:
        self.ram[ident] = self._fresh(ident)

    def factory(self, ident: int) -> None:
        self.eeprom[ident] = {name: TABLE[name].default for name in self.eeprom[ident]}
        self.reboot(ident)


class Questions:
    """Asks random questions and compares."""

    def __init__(self, port: object, wait: Callable[[], None], seed: int) -> None:
        self.rng = random.Random(seed)
        self.port = port
        self.wait = wait  # lets a servo start; it stays where it is
        self.sdk = Protocol2PacketHandler()
        self.model = Model()
        # Kinds of questions, and how often.
        self.kinds: list[Callable[[], None]] = (
            [self.ping] * 2
            + [self.read] * 6
            + [self.write] * 6
            + [self.torque] * 2
            + [self.registered] * 2
            + [self.sync_write] * 3
            + [self.sync_read] * 6
            + [self.bulk_write] * 2
            + [self.bulk_read] * 4
            + [self.start_anew]
        )
        # These last as long as the SDK waits for more.
        self.slow = [self.broadcast_ping, self.absent]

    def ask(self) -> None:
        self.rng.choice(self.kinds)()

    def _ident(self) -> int:
        return self.rng.choice(IDS)

    def _draw(self) -> tuple[str, int, bytes]:
        """Draw an item, a value that is mostly in its range, and its bytes."""
        item = TABLE[self.rng.choice(PLAIN)]
        low, high = item.minimum, item.maximum
        if item.name == 'goal_position':
            low, high = -20, 4115
        if self.rng.random() < 0.05:
            # Beyond the range, where the bytes of the item can say so.
            top = (1 << 8 * item.size - item.signed) - 1
            low, high = (high + 1, top) if high < top else (low, high)
        value = self.rng.randint(low, high)
        return item.name, value, value.to_bytes(item.size, 'little', signed=item.signed)

    def _value(self, ident: int, name: str) -> int:
        """Return what the SDK shall read: it knows no signs."""
        return self.model.value(ident, name) % (1 << 8 * TABLE[name].size)

    def ping(self) -> None:
        assert self.sdk.ping(self.port, self._ident()) == (1030, COMM_SUCCESS, 0)

    def absent(self) -> None:
        assert self.sdk.ping(self.port, ABSENT)[1] == COMM_RX_TIMEOUT
        assert self.sdk.read4ByteTxRx(self.port, ABSENT, 132)[1] == COMM_RX_TIMEOUT

    def read(self) -> None:
        ident, name = self._ident(), self.rng.choice(PLAIN)
        item = TABLE[name]
        ask = {1: self.sdk.read1ByteTxRx, 2: self.sdk.read2ByteTxRx, 4: self.sdk.read4ByteTxRx}
        answer = ask[item.size](self.port, ident, item.address)
        assert answer == (self._value(ident, name), COMM_SUCCESS, 0)

    def write(self) -> None:
        ident = self._ident()
        name, value, data = self._draw()
        answer = self.sdk.writeTxRx(self.port, ident, TABLE[name].address, len(data), list(data))
        assert answer == (COMM_SUCCESS, self.model.write(ident, name, value))

    def torque(self) -> None:
        ident, value = self._ident(), self.rng.randint(0, 1)
        assert self.sdk.write1ByteTxRx(self.port, ident, 64, value) == (COMM_SUCCESS, 0)
        self.model.ram[ident]['torque_enable'] = value

    def registered(self) -> None:
        ident = self._ident()
        name, value, data = self._draw()
        before = self._value(ident, name)
        address = TABLE[name].address
        error = self.model.write(ident, name, value)
        answer = self.sdk.regWriteTxRx(self.port, ident, address, len(data), list(data))
        assert answer == (COMM_SUCCESS, error)
        read = self.sdk.readTxRx(self.port, ident, address, len(data))[0]
        assert int.from_bytes(bytes(read), 'little') == before
        assert self.sdk.action(self.port, BROADCAST) == COMM_SUCCESS
        read = self.sdk.readTxRx(self.port, ident, address, len(data))[0]
        assert int.from_bytes(bytes(read), 'little') == self._value(ident, name)

    def _some(self) -> list[int]:
        return self.rng.sample(IDS, self.rng.randint(1, len(IDS)))

    def sync_write(self) -> None:
        name, _, _ = self._draw()
        item = TABLE[name]
        group = GroupSyncWrite(self.port, self.sdk, item.address, item.size)
        for ident in self._some():
            value = self.rng.randint(max(0, item.minimum), min(item.maximum, 4000))
            assert group.addParam(ident, list(value.to_bytes(item.size, 'little')))
            self.model.write(ident, name, value)
        assert group.txPacket() == COMM_SUCCESS

    def sync_read(self) -> None:
        # Two neighbouring items, so that addresses within a block matter.
        first, second = TABLE['profile_acceleration'], TABLE['goal_position']
        length = second.address + second.size - first.address
        group = GroupSyncRead(self.port, self.sdk, first.address, length)
        idents = self._some()
        for ident in idents:
            assert group.addParam(ident)
        ask = group.fastSyncRead if self.rng.random() < 0.5 else group.txRxPacket
        assert ask() == COMM_SUCCESS
        for ident in idents:
            for name in ('profile_acceleration', 'profile_velocity', 'goal_position'):
                got = group.getData(ident, TABLE[name].address, 4)
                assert got == self._value(ident, name)

    def bulk_write(self) -> None:
        group = GroupBulkWrite(self.port, self.sdk)
        for ident in self._some():
            name, value, data = self._draw()
            assert group.addParam(ident, TABLE[name].address, len(data), list(data))
            self.model.write(ident, name, value)
        assert group.txPacket() == COMM_SUCCESS

    def bulk_read(self) -> None:
        group = GroupBulkRead(self.port, self.sdk)
        names = {ident: self.rng.choice(PLAIN) for ident in self._some()}
        for ident, name in names.items():
            assert group.addParam(ident, TABLE[name].address, TABLE[name].size)
        # The SDK looks for ids of a fast answer among addresses and lengths as well.
        fast = self.rng.random() < 0.5 and _unmistakable(names)
        assert (group.fastBulkRead() if fast else group.txRxPacket()) == COMM_SUCCESS
        for ident, name in names.items():
            item = TABLE[name]
            assert group.getData(ident, item.address, item.size) == self._value(ident, name)

    def start_anew(self) -> None:
        ident = self._ident()
        if self.rng.random() < 0.5:
            assert self.sdk.reboot(self.port, ident) == (COMM_SUCCESS, 0)
            self.model.reboot(ident)
        else:
            # As the factory has it, but for id and baud rate.
            assert self.sdk.factoryReset(self.port, ident, 2) == (COMM_SUCCESS, 0)
            self.model.factory(ident)
        self.wait()

    def broadcast_ping(self) -> None:
        found, result = self.sdk.broadcastPing(self.port)
        assert (found, result) == ({ident: [1030, 45] for ident in IDS}, COMM_SUCCESS)


def _unmistakable(names: dict[int, str]) -> bool:
    others = {value for name in names.values() for value in _halves(TABLE[name].address)}
    others |= {value for name in names.values() for value in _halves(TABLE[name].size)}
    return not others & set(names)


def _halves(word: int) -> tuple[int, int]:
    return word & 0xFF, word >> 8


class Still:
    """Shafts that never turn, so that a reboot finds each where it was."""

    def advance(self, dt, drive):
        return Motion(drive.setpoint * 0.0, drive.setpoint * 0.0, drive.setpoint * 0.0)


def _bus() -> EmulatedBus:
    factory = {'return_delay_time': TABLE['return_delay_time'].default}
    return make_bus(IDS, timing=False, dynamics=Still(), settings=factory)


def test_ten_thousand_random_questions_of_the_sdk_are_answered_as_a_model_says() -> None:
    bus = _bus()
    questions = Questions(MemoryPort(bus), lambda: bus.advance(BOOT_TIME + 0.01), seed=1)
    questions.kinds += questions.slow
    for _ in range(TRANSACTIONS):
        questions.ask()


def test_the_sdks_own_port_on_the_pseudo_terminal_gets_the_same_answers(
    tmp_path, monkeypatch
) -> None:
    # The SDK waits 34 ms by default, which a busy machine can take for its own affairs.
    monkeypatch.setattr(port_handler, 'LATENCY_TIMER', 3000)
    # The SDK never lets go of the interpreter while it waits.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    bus = _bus()
    try:
        with PtyBus(bus, tmp_path / 'bus') as pty:
            port = PortHandler(str(tmp_path / 'bus'))
            assert port.openPort()

            def wait() -> None:
                with pty.lock:
                    bus.advance(BOOT_TIME + 0.01)

            questions = Questions(port, wait, seed=2)
            for _ in range(OVER_THE_PORT):
                questions.ask()
            questions.broadcast_ping()
            monkeypatch.setattr(port_handler, 'LATENCY_TIMER', 16)
            questions.absent()
            port.closePort()
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize('seed', range(3))
def test_the_sdk_sends_the_bytes_that_our_encoder_makes(seed) -> None:
    rng = random.Random(seed)
    sdk, port = Protocol2PacketHandler(), MemoryPort()
    for _ in range(300):
        ident, address = rng.randrange(253), rng.randrange(600)
        data = bytes(rng.randrange(250) for _ in range(rng.randint(1, 40)))
        at = address.to_bytes(2, 'little')
        sdk.writeTxOnly(port, ident, address, len(data), list(data))
        assert port.sent == encode(ident, Instruction.WRITE, at + data)
        sdk.readTx(port, ident, address, len(data))
        port.is_using = False
        size = len(data).to_bytes(2, 'little')
        assert port.sent == encode(ident, Instruction.READ, at + size)


def _received(data: bytes) -> bytes:
    port = MemoryPort()
    port.waiting += encode_status(1, Error.NONE, data)
    packet, result = Protocol2PacketHandler().rxPacket(port, False)
    assert result == COMM_SUCCESS
    return bytes(packet[9 : 9 + len(data)])


def test_the_sdk_takes_the_stuffing_out_of_our_answers() -> None:
    for data in (b'\xff\xff\xfd', b'\x01\xff\xff\xfd\xfd\x02', b'\xff\xff\xfd' * 5):
        assert _received(data) == data


def test_what_the_sdk_does_wrong_with_stuffing_is_known() -> None:
    """
    Say what dynamixel-sdk 4.1.0 gets wrong, so that a release that mends it is noticed.

    It sends bytes that need stuffing without it, and behind a first stuffed byte it also takes
    one out of ``ff fd fd``, which is none.
    """
    sdk, port = Protocol2PacketHandler(), MemoryPort()
    sdk.writeTxOnly(port, 1, 224, 4, [0xFF, 0xFF, 0xFD, 7])
    assert port.sent[10:14] == b'\xff\xff\xfd\x07'
    assert port.sent != encode(1, Instruction.WRITE, b'\xe0\x00\xff\xff\xfd\x07')
    data = b'\xff\xff\xfd\x00\xff\xfd\xfd\x01'
    assert _received(data)[:7] == b'\xff\xff\xfd\x00\xff\xfd\x01'


def test_what_the_sdk_sends_without_stuffing_is_understood_all_the_same() -> None:
    bus = make_bus((1,), timing=False)
    sdk, port = Protocol2PacketHandler(), MemoryPort(bus)
    address = TABLE['indirect_data_1'].address
    assert sdk.writeTxRx(port, 1, address, 4, [0xFF, 0xFF, 0xFD, 7]) == (COMM_SUCCESS, 0)
    assert sdk.readTxRx(port, 1, address, 4)[0] == [0xFF, 0xFF, 0xFD, 7]
