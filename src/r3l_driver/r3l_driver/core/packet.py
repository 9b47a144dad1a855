# SPDX-License-Identifier: Apache-2.0
"""
Packets of Protocol 2.0 for the bus cycle.

dynamixel-sdk does the same byte by byte and cannot look for one expected reply; tests compare
both. Everything outside of the cycle goes through the SDK itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from
from typing import NamedTuple

BROADCAST = 0xFE
STATUS = 0x55
SYNC_READ = 0x82
SYNC_WRITE = 0x83
FAST_SYNC_READ = 0x8A
ALERT = 0x80

_HEADER = b'\xff\xff\xfd\x00'
_START = b'\xff\xff\xfd'
_STUFFED = b'\xff\xff\xfd\xfd'
_PREFIX = 7  # bytes before those that the length counts: header, id, length
_POLYNOMIAL = 0x8005
# No servo has so much to say in one packet: a longer one is a damaged length.
MAX_LENGTH = 1024


def _swap(word: int) -> int:
    return word >> 8 | (word & 0xFF) << 8


def _advance(crc: int, bits: int) -> int:
    """Shift zeros into a CRC, highest bit first."""
    for _ in range(bits):
        crc = (crc << 1 ^ (_POLYNOMIAL if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def _word_table() -> list[int]:
    """
    Tabulate what two bytes do to a CRC; index and value have their bytes swapped.

    The CRC is linear, so the table of 65,536 is the sum of two small ones.
    """
    high = [_swap(_advance(byte << 8, 16)) for byte in range(256)]
    low = [_swap(_advance(byte, 16)) for byte in range(256)]
    return [a ^ b for b in low for a in high]


_BYTES = [_advance(byte << 8, 8) for byte in range(256)]
_WORDS = _word_table()


def crc16(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """
    Compute the check sum of Protocol 2.0 (polynomial 0x8005, highest bit first).

    :param crc: of what comes before ``data``.
    """
    words = _WORDS
    count = len(data) // 2
    state = _swap(crc)
    for word in unpack_from(f'<{count}H', data):
        state = words[state ^ word]
    crc = _swap(state)
    if len(data) % 2:
        crc = (crc << 8 & 0xFFFF) ^ _BYTES[crc >> 8 ^ data[-1]]
    return crc


def encode(number: int, instruction: int, parameters: bytes) -> bytes:
    """
    Make an instruction packet.

    :param number: id of a servo, or :data:`BROADCAST`.
    """
    body = bytes((instruction,)) + parameters
    if _START in body:
        body = body.replace(_START, _STUFFED)
    length = len(body) + 2
    packet = b'%b%c%b%b' % (_HEADER, number, length.to_bytes(2, 'little'), body)
    return packet + crc16(packet).to_bytes(2, 'little')


def sync_read(ids: Sequence[int], address: int, length: int, fast: bool) -> bytes:
    """Ask several servos for ``length`` bytes from ``address`` on."""
    where = address.to_bytes(2, 'little') + length.to_bytes(2, 'little')
    return encode(BROADCAST, FAST_SYNC_READ if fast else SYNC_READ, where + bytes(ids))


def sync_write(address: int, values: dict[int, bytes]) -> bytes:
    """
    Write to several servos; none of them answers.

    :param values: bytes by id, all of the same number.
    """
    lengths = {len(value) for value in values.values()}
    if len(lengths) != 1:
        raise ValueError(f'values have {sorted(lengths)} bytes: expected one number for all')
    where = address.to_bytes(2, 'little') + lengths.pop().to_bytes(2, 'little')
    parameters = b''.join(bytes((number,)) + value for number, value in values.items())
    return encode(BROADCAST, SYNC_WRITE, where + parameters)


class Reply(NamedTuple):
    """What one servo answered."""

    error: int  # with the alert bit
    data: bytes


class Status(NamedTuple):
    """A status packet with a fitting check sum."""

    id: int
    error: int
    data: bytes


class Scanner:
    """
    Cuts status packets out of a stream with gaps and noise.

    :ivar damaged: packets whose check sum did not fit.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.damaged = 0

    def clear(self) -> None:
        """Forget all bytes."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Status]:
        """Add bytes and return the packets that are complete now."""
        buffer = self._buffer
        buffer += data
        found: list[Status] = []
        while True:
            start = buffer.find(_HEADER)
            if start < 0:
                del buffer[: max(0, len(buffer) - len(_HEADER) + 1)]
                return found
            del buffer[:start]
            if len(buffer) < _PREFIX + 1:
                return found
            length = buffer[5] | buffer[6] << 8
            if not 4 <= length <= MAX_LENGTH or buffer[7] != STATUS:
                del buffer[:1]
                continue
            size = _PREFIX + length
            if len(buffer) < size:
                # Stuffing keeps headers out of packets: one inside means that this one broke.
                inner = buffer.find(_HEADER, 4)
                if inner < 0 or buffer[4] == BROADCAST:
                    return found
                self.damaged += 1
                del buffer[:inner]
                continue
            packet = bytes(buffer[:size])
            if crc16(packet[:-2]) != packet[-2] | packet[-1] << 8:
                self.damaged += 1
                del buffer[:1]
                continue
            del buffer[:size]
            body = packet[_PREFIX + 1 : -2]
            if _STUFFED in body and packet[4] != BROADCAST:
                body = body.replace(_STUFFED, _START)
            found.append(Status(packet[4], body[0], body[1:]))


def fast_reply_size(count: int, length: int) -> int:
    """Bytes of the reply of ``count`` servos to a fast sync read of ``length`` bytes each."""
    return _PREFIX + 1 + count * (length + 4)


def decode_fast(buffer: bytes | bytearray, ids: Sequence[int], length: int) -> dict[int, Reply]:
    """
    Take the servos' parts out of the one packet that answers a fast sync read.

    Each part ends with the check sum of everything before it, so those in front of a gap
    are as good as in a whole packet. The packet is not stuffed.

    :param buffer: what was received; noise in front is passed over.
    :param ids: in the order of the request.
    :param length: bytes asked of each.
    :return: replies by id, as many from the front as are sound.
    """
    counted = (1 + len(ids) * (length + 4)).to_bytes(2, 'little')
    header = b'%b%c%b%c' % (_HEADER, BROADCAST, counted, STATUS)
    start = buffer.find(header)
    if start < 0:
        return {}
    body, size = start + len(header), start + fast_reply_size(len(ids), length)
    whole = len(buffer) >= size and _sound(buffer, start, size - 2)
    replies: dict[int, Reply] = {}
    for place, number in zip(range(body, size, length + 4), ids, strict=True):
        end = place + 2 + length
        if len(buffer) < end + 2 or buffer[place + 1] != number:
            break
        if not whole and not _sound(buffer, start, end):
            break
        replies[number] = Reply(buffer[place], bytes(buffer[place + 2 : end]))
    return replies


def _sound(buffer: bytes | bytearray, start: int, end: int) -> bool:
    """Whether the check sum at ``end`` is that of what is before it."""
    return crc16(buffer[start:end]) == buffer[end] | buffer[end + 1] << 8
