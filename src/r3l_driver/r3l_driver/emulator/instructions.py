# SPDX-License-Identifier: Apache-2.0
"""
What the servos of a bus make of an instruction packet.

In a sync or bulk read every servo waits for the one named before it, so behind a servo that is
silent nobody answers; a fast read breaks off there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from r3l_driver.emulator.answers import Answer
from r3l_driver.emulator.servo import EmulatedServo
from r3l_driver.emulator.wire import (
    BROADCAST,
    encode_fast_status,
    encode_status,
    Error,
    Instruction,
    MAX_LENGTH,
    Packet,
)

if TYPE_CHECKING:
    from r3l_driver.emulator.bus import EmulatedBus

# Id, address and length of a read, in the order in which they are to be answered.
_Reads = list[tuple[int, int, int]]
_GROUPS = frozenset(
    {
        Instruction.SYNC_READ,
        Instruction.FAST_SYNC_READ,
        Instruction.BULK_READ,
        Instruction.FAST_BULK_READ,
        Instruction.SYNC_WRITE,
        Instruction.BULK_WRITE,
    }
)


def execute(bus: 'EmulatedBus', packet: Packet) -> list[Answer]:
    """
    Do what a packet asks for.

    :return: the answers in their order on the wire.
    """
    if not packet.intact:
        servo = bus.hearing(packet.ident)
        if servo is None or not servo.answers(reading=False):
            return []
        return [_answer(servo, servo.status(Error.CRC))]
    if packet.ident == BROADCAST:
        return _broadcast(bus, packet)
    servo = bus.hearing(packet.ident)
    if servo is None or packet.code in _GROUPS:
        return []
    return _single(servo, packet)


def writes_goals(bus: 'EmulatedBus', packet: Packet) -> bool:
    """Return whether a packet is a broadcast sync write that covers the goal position."""
    if packet.code != Instruction.SYNC_WRITE or packet.ident != BROADCAST or not packet.intact:
        return False
    if len(packet.parameters) < 4 or not bus.servos:
        return False
    address, length = _words(packet.parameters)
    return address <= bus.servos[0].table['goal_position'].address < address + length


def _words(parameters: bytes) -> tuple[int, int]:
    return parameters[0] | parameters[1] << 8, parameters[2] | parameters[3] << 8


def _answer(servo: EmulatedServo, error: int, data: bytes = b'') -> Answer:
    ident = servo.ident
    delay = servo.registers.get('return_delay_time')
    return Answer((ident,), [encode_status(ident, error, data)], delay)


def _single(servo: EmulatedServo, packet: Packet) -> list[Answer]:
    """Do an instruction for one servo."""
    servo.feed()
    parameters = packet.parameters
    # What it is told to change may be what its answer is made from.
    reading = packet.code in (Instruction.READ, Instruction.PING)
    silent = packet.code != Instruction.PING and not servo.answers(reading)
    ident, delay = servo.ident, servo.registers.get('return_delay_time')
    data = b''
    if packet.code == Instruction.PING:
        error, data = servo.status(Error.NONE), _identity(servo)
    elif packet.code == Instruction.READ:
        if len(parameters) == 4:
            error, data = servo.read(*_words(parameters))
        else:
            error = servo.status(Error.DATA_LENGTH)
    else:
        error = _change(servo, packet.code, parameters)
    return [] if silent else [Answer((ident,), [encode_status(ident, error, data)], delay)]


def _change(servo: EmulatedServo, code: int, parameters: bytes) -> int:
    """Do an instruction that answers with nothing but its error."""
    if code in (Instruction.WRITE, Instruction.REG_WRITE):
        if len(parameters) < 3:
            return servo.status(Error.DATA_LENGTH)
        address = parameters[0] | parameters[1] << 8
        write = servo.write if code == Instruction.WRITE else servo.reg_write
        return write(address, parameters[2:])
    if code == Instruction.ACTION:
        return servo.action()
    if code == Instruction.REBOOT:
        return servo.reboot()
    if code == Instruction.CLEAR:
        return servo.clear(parameters)
    if code == Instruction.FACTORY_RESET:
        return servo.factory_reset(parameters[0] if len(parameters) == 1 else -1)
    return servo.status(Error.INSTRUCTION)


def _identity(servo: EmulatedServo) -> bytes:
    number = servo.registers.get('model_number')
    return bytes((number & 0xFF, number >> 8, servo.registers.get('firmware_version')))


def _broadcast(bus: 'EmulatedBus', packet: Packet) -> list[Answer]:
    code, parameters = packet.code, packet.parameters
    if code in (Instruction.SYNC_READ, Instruction.FAST_SYNC_READ):
        reads = _sync_reads(parameters)
        return _group(bus, reads) if code == Instruction.SYNC_READ else _fast(bus, reads)
    if code in (Instruction.BULK_READ, Instruction.FAST_BULK_READ):
        reads = _bulk_reads(parameters)
        return _group(bus, reads) if code == Instruction.BULK_READ else _fast(bus, reads)
    if code in (Instruction.SYNC_WRITE, Instruction.BULK_WRITE):
        for ident, address, data in _writes(code, parameters):
            servo = bus.hearing(ident)
            if servo is not None:
                servo.feed()
                servo.write(address, data)
        return []
    answers = []
    for ident in sorted(servo.ident for servo in bus.servos):
        servo = bus.hearing(ident)
        if servo is None:
            continue
        servo.feed()
        if code == Instruction.PING:
            answers.append(_answer(servo, servo.status(Error.NONE), _identity(servo)))
        elif code != Instruction.READ and not _resets_all(code, parameters):
            _change(servo, code, parameters)
    return answers


def _resets_all(code: int, parameters: bytes) -> bool:
    """Return whether all ids would become the same: the firmware refuses that."""
    return code == Instruction.FACTORY_RESET and parameters == b'\xff'


def _sync_reads(parameters: bytes) -> _Reads:
    if len(parameters) < 5:
        return []
    address, length = _words(parameters)
    return [(ident, address, length) for ident in parameters[4:]]


def _bulk_reads(parameters: bytes) -> _Reads:
    if len(parameters) % 5:
        return []
    return [
        (parameters[k], *_words(parameters[k + 1 : k + 5])) for k in range(0, len(parameters), 5)
    ]


def _group(bus: 'EmulatedBus', reads: _Reads) -> list[Answer]:
    """Let one servo answer after the other."""
    answers = []
    for servo, error, data in _turns(bus, reads):
        answers.append(_answer(servo, error, data))
    return answers


def _fast(bus: 'EmulatedBus', reads: _Reads) -> list[Answer]:
    """Let all servos answer in one packet."""
    size = sum(length + 4 for _, _, length in reads)
    if not reads or size + 1 > MAX_LENGTH:
        return []
    blocks: list[tuple[int, int, bytes]] = []
    delay = 0
    for (servo, error, data), (ident, _, length) in zip(_turns(bus, reads), reads, strict=False):
        if not blocks:
            delay = servo.registers.get('return_delay_time')
        # The header has promised so many bytes, whatever the error.
        blocks.append((error, ident, data.ljust(length, b'\0')))
    if not blocks:
        return []
    idents = tuple(ident for _, ident, _ in blocks)
    return [Answer(idents, encode_fast_status(blocks, size), delay)]


def _turns(bus: 'EmulatedBus', reads: _Reads) -> Iterator[tuple[EmulatedServo, int, bytes]]:
    """Go through the servos that answer a group read, up to the first silent one."""
    silent = False
    for ident, address, length in reads:
        servo = bus.hearing(ident)
        if servo is None or not servo.answers(reading=True):
            silent = True
        if servo is not None:
            # It hears the packet, whether its turn comes or not.
            servo.feed()
            if not silent:
                yield servo, *servo.read(address, length)


def _writes(code: int, parameters: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Go through id, address and data of a group write, up to what is cut short."""
    if code == Instruction.SYNC_WRITE:
        if len(parameters) < 4:
            return
        address, length = _words(parameters)
        for k in range(4, len(parameters) - length, length + 1):
            yield parameters[k], address, parameters[k + 1 : k + 1 + length]
        return
    k = 0
    while k + 5 <= len(parameters):
        address, length = _words(parameters[k + 1 : k + 5])
        data = parameters[k + 5 : k + 5 + length]
        if len(data) < length:
            return
        yield parameters[k], address, data
        k += 5 + length
