# SPDX-License-Identifier: Apache-2.0
"""
Packets of Dynamixel Protocol 2.0 as bytes, written from the e-Manual and independent of the SDK.

A packet is ``FF FF FD 00 id length(2) instruction parameters... crc(2)``; the length counts what
follows it.  Where the header occurs in a body, a further ``FD`` is stuffed in, so an unstuffed
``FF FF FD 00`` always begins a packet.
"""

from collections.abc import Iterable
from enum import IntEnum
from struct import unpack_from
from typing import NamedTuple

import numpy as np

HEADER = b'\xff\xff\xfd\x00'
BROADCAST = 0xFE
MAX_ID = 0xFC
ALERT = 0x80
STATUS = 0x55
# Longest body that is waited for; a longer length field is noise, not a packet.
MAX_LENGTH = 4096
_BODY = 7  # bytes in front of the instruction
_LEAST_LENGTH = 3  # instruction and CRC
_STUFFED = b'\xff\xff\xfd\xfd'
_PLAIN = b'\xff\xff\xfd'


class Instruction(IntEnum):
    """What the host asks for."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    FACTORY_RESET = 0x06
    REBOOT = 0x08
    CLEAR = 0x10
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83
    FAST_SYNC_READ = 0x8A
    BULK_READ = 0x92
    BULK_WRITE = 0x93
    FAST_BULK_READ = 0x9A


class Error(IntEnum):
    """Error number of a status packet, without the alert bit."""

    NONE = 0
    RESULT_FAIL = 1
    INSTRUCTION = 2
    CRC = 3
    DATA_RANGE = 4
    DATA_LENGTH = 5
    DATA_LIMIT = 6
    ACCESS = 7


class Packet(NamedTuple):
    """
    A packet as received.

    :param ident: id, `BROADCAST` for all.
    :param code: instruction, or `STATUS`.
    :param parameters: without stuffing; of a status packet the first byte is its error.
    :param size: bytes on the wire.
    :param intact: whether the CRC fits; if not, only `ident` and `size` mean anything.
    """

    ident: int
    code: int
    parameters: bytes
    size: int
    intact: bool = True


def _make_tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """
    Return what one byte and what two bytes do to the CRC.

    Polynomial 0x8005, highest bit first.  The second table works on states whose two bytes are
    swapped: so it takes the words of a packet as they stand, lowest byte first.
    """
    index = np.arange(1 << 16)
    state = index
    for _ in range(16):
        state = (state << 1) & 0xFFFF ^ np.where(state & 0x8000, 0x8005, 0)
    swapped = index >> 8 | (index & 0xFF) << 8
    pairs = state[swapped]
    pairs = pairs >> 8 | (pairs & 0xFF) << 8
    # Two bytes of which the first is 0 do to an empty CRC what the second does alone.
    return tuple(state[:256].tolist()), tuple(pairs.tolist())


_SINGLE, _PAIRS = _make_tables()


def crc16(data: bytes | bytearray, crc: int = 0) -> int:
    """
    Compute the CRC of a packet (CRC-16 with polynomial 0x8005, start 0, not reflected).

    :param crc: of what comes before, to go on from there.
    """
    pairs = _PAIRS
    count = len(data) >> 1
    state = crc >> 8 | (crc & 0xFF) << 8
    for word in unpack_from(f'<{count}H', data):
        state = pairs[state ^ word]
    crc = state >> 8 | (state & 0xFF) << 8
    if len(data) & 1:
        crc = (crc << 8 & 0xFF00) ^ _SINGLE[crc >> 8 ^ data[-1]]
    return crc


def encode(ident: int, code: int, parameters: bytes = b'') -> bytes:
    """
    Make a packet.

    :param ident: id of the servo, or `BROADCAST`.
    :param code: instruction or `STATUS`.
    :param parameters: not yet stuffed; of a status packet they begin with the error.
    :raises ValueError: for an id or a length that no packet can have.
    """
    body = bytes((code,)) + parameters
    if _PLAIN in body:
        body = body.replace(_PLAIN, _STUFFED)
    length = len(body) + 2
    if not 0 <= ident <= BROADCAST or length > MAX_LENGTH:
        raise ValueError(
            f'packet for id {ident} with a length of {length}: '
            f'expected ids 0 to {BROADCAST} and at most {MAX_LENGTH} bytes'
        )
    packet = HEADER + bytes((ident, length & 0xFF, length >> 8)) + body
    return packet + crc16(packet).to_bytes(2, 'little')


def encode_status(ident: int, error: int, data: bytes = b'') -> bytes:
    """
    Make a status packet.

    :param error: number of the error, with `ALERT` where the servo has a hardware error.
    """
    return encode(ident, STATUS, bytes((error,)) + data)


def encode_fast_status(blocks: Iterable[tuple[int, int, bytes]], size: int) -> list[bytes]:
    """
    Make the one status packet in which all servos answer a fast read, in one piece per servo.

    Each servo appends error, id, data and the CRC of everything so far; nothing is stuffed, for
    every servo must know beforehand where its turn comes.

    :param blocks: error, id and data of each servo that answers.
    :param size: data bytes of all servos that were asked plus 4 per servo; what the header says.
    :return: pieces to be joined; the first one begins with the header.
    """
    length = size + 1
    piece = HEADER + bytes((BROADCAST, length & 0xFF, length >> 8, STATUS))
    crc = 0
    pieces = []
    for error, ident, data in blocks:
        piece += bytes((error, ident)) + data
        crc = crc16(piece, crc)
        check = crc.to_bytes(2, 'little')
        pieces.append(piece + check)
        crc = crc16(check, crc)
        piece = b''
    return pieces


class Decoder:
    """Cuts a stream of bytes into packets, over noise and broken packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a packet that has only begun."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget a packet that has only begun."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Packet]:
        """
        Take further bytes.

        :return: the packets that they complete; how the stream was cut makes no difference.
        """
        buffer = self._buffer
        buffer += data
        packets: list[Packet] = []
        while True:
            start = buffer.find(HEADER)
            if start < 0:
                # The end can be the beginning of a header.
                del buffer[: max(0, len(buffer) - len(HEADER) + 1)]
                return packets
            del buffer[:start]
            if len(buffer) < _BODY:
                return packets
            length = buffer[5] | buffer[6] << 8
            if buffer[4] > BROADCAST or not _LEAST_LENGTH <= length <= MAX_LENGTH:
                del buffer[:1]
                continue
            size = _BODY + length
            # A header inside of the stuffed part: the packet before it was cut short.
            inner = buffer.find(HEADER, 4, size - 2)
            if inner > 0:
                del buffer[:inner]
                continue
            if len(buffer) < size:
                return packets
            packets.append(self._cut(bytes(buffer[:size])))
            # A broken packet can hide the beginning of a whole one.
            del buffer[: size if packets[-1].intact else 1]

    @staticmethod
    def _cut(raw: bytes) -> Packet:
        ident = raw[4]
        body = raw[_BODY:-2]
        intact = crc16(raw[:-2]) == raw[-2] | raw[-1] << 8
        if _STUFFED in body:
            body = body.replace(_STUFFED, _PLAIN)
        return Packet(ident, body[0], body[1:], len(raw), intact)
