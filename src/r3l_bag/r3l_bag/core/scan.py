# SPDX-License-Identifier: Apache-2.0
"""
Where everything lies in an MCAP file, found by walking over its records (https://mcap.dev/spec).

The summary at the end of a file is not needed: one that was cut anywhere is walked up to the cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
import os
from pathlib import Path
import struct
from typing import BinaryIO
import zlib

from mcap import records
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from r3l_node.core.files import is_written
import zstandard

MAGIC = b'\x89MCAP0\r\n'
RECORD = struct.Struct('<BQ')  # opcode, length
MESSAGE = struct.Struct('<HIQQ')  # channel, sequence, log time, publish time
_CHUNK = struct.Struct('<QQQII')  # start, end, uncompressed size, CRC, length of 'compression'
_LENGTH = struct.Struct('<Q')
_MAX_RECORD = 1 << 34
# Messages outside of chunks are read in pieces of about this size [byte].
_LOOSE = 1 << 20

RawMessage = tuple[int, int, int, bytes]  # log time, publish time [ns], channel, data


class BrokenError(ValueError):
    """A piece of a file that is not what its writer wrote."""


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk of messages, or some messages outside of chunks."""

    offset: int  # of its first record, in the file [byte]
    end: int  # of its last record [byte]
    start_time: int  # log time of its first message [ns]
    end_time: int  # log time of its last message [ns]
    data: int = -1  # offset of the compressed data [byte]; -1: plain records
    compression: str = ''
    size: int = 0  # uncompressed [byte]
    crc: int = 0  # of the uncompressed data; 0: none


@dataclass(slots=True)
class Scan:
    """What an MCAP file holds."""

    path: Path
    size: int = 0  # of the file [byte]
    profile: str = ''
    schemas: dict[int, records.Schema] = field(default_factory=dict)
    channels: dict[int, records.Channel] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)  # by channel, if the summary tells
    whole: bool = False  # ends as a closed file does
    cut: bool = False  # ends within a record
    data_end: int = 0  # offset behind the last complete record of the data [byte]
    problem: str = ''  # why the walk ended early


def scan(path: Path) -> Scan:
    """
    Walk over the records of a file.

    :param path: an MCAP file, whole or cut.
    :raises OSError: if it cannot be read.
    """
    found = Scan(path, size=path.stat().st_size)
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            found.problem = 'it does not begin as an MCAP file does'
            return found
        found.data_end = len(MAGIC)
        try:
            _walk(file, found)
        except (BrokenError, struct.error, UnicodeDecodeError, OverflowError) as error:
            found.problem = f'broken at byte {found.data_end}: {error}'
        if not found.whole:
            _find_channels(file, found)
    return found


def _walk(file: BinaryIO, found: Scan) -> None:
    in_data = True
    while True:
        offset = file.tell()
        head = file.read(RECORD.size)
        if len(head) < RECORD.size:
            break
        opcode, length = RECORD.unpack(head)
        end = offset + RECORD.size + length
        if not opcode or length > _MAX_RECORD:
            raise BrokenError(f'there is no record with code {opcode} and length {length}')
        if end > found.size:
            break
        if opcode == Opcode.FOOTER:
            file.seek(end)
            found.whole = file.read(len(MAGIC)) == MAGIC
            break
        if opcode == Opcode.DATA_END:
            in_data = False
        _take(file, found, opcode, offset, end)
        if in_data:
            found.data_end = end
        file.seek(end)
    if not found.whole:
        found.cut = True
        why = 'it is being recorded' if is_written(found.path) else 'it was cut'
        found.problem = f'{why}: its last complete record ends at byte {found.data_end}'


def _take(file: BinaryIO, found: Scan, opcode: int, offset: int, end: int) -> None:
    length = end - offset - RECORD.size
    if opcode == Opcode.CHUNK:
        found.places.append(_chunk(file, offset, end))
    elif opcode == Opcode.MESSAGE:
        _, _, log_time, _ = MESSAGE.unpack(file.read(MESSAGE.size))
        _add_loose(found, offset, end, log_time)
    elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
        _learn(found, opcode, file.read(length))
    elif opcode == Opcode.HEADER:
        found.profile = records.Header.read(ReadDataStream(BytesIO(file.read(length)))).profile
    elif opcode == Opcode.METADATA:
        entry = records.Metadata.read(ReadDataStream(BytesIO(file.read(length))))
        found.metadata[entry.name] = entry.metadata
    elif opcode == Opcode.STATISTICS:
        statistics = records.Statistics.read(ReadDataStream(BytesIO(file.read(length))))
        found.counts = statistics.channel_message_counts
    elif opcode == Opcode.ATTACHMENT:
        attached = records.Attachment.read(ReadDataStream(BytesIO(file.read(length))))
        found.attachments[attached.name] = attached.data


def _chunk(file: BinaryIO, offset: int, end: int) -> Place:
    start, stop, size, crc, name = _CHUNK.unpack(file.read(_CHUNK.size))
    compression = file.read(name).decode()
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    data = file.tell()
    if data + length != end:
        raise BrokenError(f'a chunk says that it holds {length} bytes, but has {end - data}')
    return Place(offset, end, start, stop, data, compression, size, crc)


def _add_loose(found: Scan, offset: int, end: int, log_time: int) -> None:
    last = found.places[-1] if found.places else None
    if last is None or last.data >= 0 or last.end != offset or end - last.offset > _LOOSE:
        found.places.append(Place(offset, end, log_time, log_time))
        return
    times = (last.start_time, last.end_time, log_time)
    found.places[-1] = Place(last.offset, end, min(times), max(times))


def _learn(found: Scan, opcode: int, body: bytes) -> None:
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.SCHEMA:
        schema = records.Schema.read(stream)
        found.schemas[schema.id] = schema
    else:
        channel = records.Channel.read(stream)
        found.channels[channel.id] = channel


def _find_channels(file: BinaryIO, found: Scan) -> None:
    """Look for channels where other writers have them: within chunks, and in a lost summary."""
    for place in found.places if not found.channels else ():
        try:
            buffer = read_place(file, place)
            for opcode, start, end in walk_buffer(buffer):
                if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                    _learn(found, opcode, buffer[start:end])
        except BrokenError:
            continue


def read_place(file: BinaryIO, place: Place) -> bytes:
    """
    Return the records of a chunk, decompressed and checked.

    :param file: the file that the place was found in.
    :raises BrokenError: naming the damage.
    """
    file.seek(place.offset if place.data < 0 else place.data)
    raw = file.read(place.end - file.tell())
    if place.data < 0:
        return raw
    where = f'the chunk at byte {place.offset}'
    try:
        buffer = _decompress(raw, place)
    except (zstandard.ZstdError, RuntimeError, MemoryError) as error:
        raise BrokenError(f'{where} cannot be decompressed: {error}') from None
    if len(buffer) != place.size:
        raise BrokenError(f'{where} has {len(buffer)} bytes: expected {place.size}')
    if place.crc and zlib.crc32(buffer) != place.crc:
        raise BrokenError(f'{where} does not match its CRC')
    return buffer


def _decompress(raw: bytes, place: Place) -> bytes:
    if not place.compression:
        return raw
    if place.size > _MAX_RECORD:
        raise MemoryError(f'{place.size} bytes')
    if place.compression == 'zstd':
        return zstandard.ZstdDecompressor().decompress(raw, max_output_size=place.size)
    if place.compression == 'lz4':
        import lz4.frame

        data: bytes = lz4.frame.decompress(raw)
        return data
    raise BrokenError(f"compression is '{place.compression}': expected zstd, lz4 or none")


def walk_buffer(buffer: bytes) -> Iterator[tuple[int, int, int]]:
    """
    Walk over the records of a chunk.

    :return: opcode, and where the record's content begins and ends [byte].
    :raises BrokenError: if they do not fill the buffer.
    """
    position, size = 0, len(buffer)
    while position < size:
        if size - position < RECORD.size:
            raise BrokenError(f'a record is cut at byte {position} of a chunk')
        opcode, length = RECORD.unpack_from(buffer, position)
        start = position + RECORD.size
        position = start + length
        if position > size:
            raise BrokenError(f'a record at byte {start} of a chunk says that it has {length}')
        yield opcode, start, position


def messages_of(buffer: bytes) -> list[RawMessage]:
    """
    Return the messages of a chunk, by log time.

    :param buffer: as :func:`read_place` returned it.
    :raises BrokenError: if it is no row of records.
    """
    found: list[RawMessage] = []
    for opcode, start, end in walk_buffer(buffer):
        if opcode == Opcode.MESSAGE:
            if end - start < MESSAGE.size:
                raise BrokenError(f'a message has {end - start} bytes')
            channel, _, log_time, publish_time = MESSAGE.unpack_from(buffer, start)
            data = buffer[start + MESSAGE.size : end]
            found.append((log_time, publish_time, channel, data))
    found.sort(key=lambda message: message[0])
    return found


def file_size(path: Path) -> int:
    """Return the size of a file, 0 if there is none [byte]."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
