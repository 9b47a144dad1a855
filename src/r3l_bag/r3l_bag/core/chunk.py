# SPDX-License-Identifier: Apache-2.0
"""Chunks of an MCAP file: messages together, compressed, with an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import struct
import zlib

from mcap.opcode import Opcode
from r3l_bag.core.scan import MESSAGE, RawMessage, RECORD, walk_buffer
import zstandard

_HEAD = struct.Struct('<BQHIQQ')  # of a message record with its content up to the data
_MESSAGE_HEAD = _HEAD.size - RECORD.size


@dataclass(frozen=True, slots=True)
class Packed:
    """The content of a chunk: compressed, and what its index says of it."""

    buffer: bytes
    compression: str
    size: int  # uncompressed [byte]
    crc: int
    start_time: int
    end_time: int
    entries: Mapping[int, Sequence[int]]  # channel to log time, offset, log time, offset, ...


def pack(messages: Sequence[RawMessage], compressor: zstandard.ZstdCompressor) -> Packed:
    """
    Put messages into a chunk.

    :param messages: at least one, by log time; the channel numbers are those of the file.
    """
    parts: list[bytes] = []
    entries: dict[int, list[int]] = {}
    offset = 0
    for log_time, publish_time, channel, data in messages:
        length = _MESSAGE_HEAD + len(data)
        parts.append(_HEAD.pack(Opcode.MESSAGE, length, channel, 0, log_time, publish_time))
        parts.append(data)
        entries.setdefault(channel, []).extend((log_time, offset))
        offset += RECORD.size + length
    plain = b''.join(parts)
    return Packed(
        buffer=compressor.compress(plain),
        compression='zstd',
        size=len(plain),
        crc=zlib.crc32(plain),
        start_time=messages[0][0],
        end_time=messages[-1][0],
        entries=entries,
    )


def message_index(channel: int, entries: Sequence[int]) -> bytes:
    """
    Return the record that tells where in a chunk the messages of a channel are.

    :param entries: log time, offset, log time, offset, ...
    """
    content = struct.pack(f'<HI{len(entries)}Q', channel, 8 * len(entries), *entries)
    return RECORD.pack(Opcode.MESSAGE_INDEX, len(content)) + content


def entries_of(buffer: bytes) -> dict[int, list[int]]:
    """
    Return the index of a chunk that another writer made.

    :param buffer: its records.
    :return: channel to log time, offset, log time, offset, ...
    """
    entries: dict[int, list[int]] = {}
    for opcode, start, _ in walk_buffer(buffer):
        if opcode == Opcode.MESSAGE:
            channel, _, log_time, _ = MESSAGE.unpack_from(buffer, start)
            entries.setdefault(channel, []).extend((log_time, start - RECORD.size))
    return entries
