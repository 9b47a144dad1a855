# SPDX-License-Identifier: Apache-2.0
"""
Write an MCAP file such that a kill at any moment costs its last chunk only.

Schemas, channels, metadata and attachments stand in front of the first chunk and, as the format
wants it, once more in the summary. Every chunk is handed to the system in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import struct
import zlib

from mcap import records
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from r3l_bag.core.chunk import message_index, Packed
from r3l_bag.core.scan import MAGIC, RECORD
from r3l_node.core.files import mark_written

LIBRARY = 'r3l_bag'
PROFILE = 'ros2'


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a file."""

    name: str  # with its leading slash
    type: str  # such as 'sensor_msgs/msg/Image'
    definition: str  # as ros2msg
    metadata: Mapping[str, str]  # of the channel


class McapFile:
    """A file that is being written; an error leaves it with whole chunks only."""

    def __init__(
        self,
        path: Path,
        schemas: Sequence[records.Schema],
        channels: Sequence[records.Channel],
        metadata: Mapping[str, Mapping[str, str]],
        attachments: Mapping[str, bytes],
        time: int,
    ) -> None:
        """
        Make the file, with everything that comes before the messages.

        :param path: must not exist yet.
        :param schemas: of the channels.
        :param channels: of the messages to come.
        :param metadata: maps by name.
        :param attachments: contents by file name.
        :param time: of the attachments [ns].
        :raises OSError: if it cannot be written; there is no file then.
        """
        self.path = path
        self.counts: dict[int, int] = {}
        self.start = self.end = 0  # log times of the first and of the last message [ns]
        self._indexes: list[records.McapRecord] = []  # of chunks
        self._others: list[records.McapRecord] = []  # of attachments and metadata
        self._schemas, self._channels = list(schemas), list(channels)
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
        )
        mark_written(self._descriptor)
        self.size = 0
        try:
            self._write(self._beginning(metadata, attachments, time))
        except OSError:
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise

    @property
    def messages(self) -> int:
        """Number of messages."""
        return sum(self.counts.values())

    def add(self, packed: Packed) -> None:
        """
        Append a chunk.

        :raises OSError: if there is no room; the file then is as it was before.
        """
        chunk = _bytes(
            records.Chunk(
                compression=packed.compression,
                data=packed.buffer,
                message_end_time=packed.end_time,
                message_start_time=packed.start_time,
                uncompressed_crc=packed.crc,
                uncompressed_size=packed.size,
            )
        )
        length = len(chunk)
        offsets: dict[int, int] = {}
        index: list[bytes] = []
        position = self.size + length
        for channel, entries in packed.entries.items():
            offsets[channel] = position
            index.append(message_index(channel, entries))
            position += len(index[-1])
        offset = self.size
        self._write(b''.join([chunk, *index]))
        self._indexes.append(
            records.ChunkIndex(
                chunk_length=length,
                chunk_start_offset=offset,
                compression=packed.compression,
                compressed_size=len(packed.buffer),
                message_end_time=packed.end_time,
                message_index_length=position - offset - length,
                message_index_offsets=offsets,
                message_start_time=packed.start_time,
                uncompressed_size=packed.size,
            )
        )
        first = not self.counts
        self.start = packed.start_time if first else min(self.start, packed.start_time)
        self.end = packed.end_time if first else max(self.end, packed.end_time)
        for channel, entries in packed.entries.items():
            self.counts[channel] = self.counts.get(channel, 0) + len(entries) // 2

    def close(self) -> None:
        """
        Append the summary, and bring the file to the disk; it is not opened again.

        :raises OSError: if there is no room; the file then ends behind its last chunk.
        """
        try:
            self._write(self._ending())
        finally:
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def _beginning(
        self,
        metadata: Mapping[str, Mapping[str, str]],
        attachments: Mapping[str, bytes],
        time: int,
    ) -> bytes:
        head = (records.Header(PROFILE, LIBRARY), *self._schemas, *self._channels)
        data = bytearray(MAGIC + b''.join(map(_bytes, head)))
        for name, values in metadata.items():
            record = _bytes(records.Metadata(name, dict(values)))
            self._others.append(records.MetadataIndex(len(data), len(record), name))
            data += record
        for name, content in attachments.items():
            kind = 'application/yaml' if name.endswith('.yaml') else 'application/octet-stream'
            record = _bytes(records.Attachment(time, time, name, kind, content))
            self._others.append(
                records.AttachmentIndex(
                    len(data), len(record), time, time, len(content), name, kind
                )
            )
            data += record
        return bytes(data)

    def _ending(self) -> bytes:
        data_end = _bytes(records.DataEnd(0))
        start = self.size + len(data_end)
        kinds = [index.__class__ for index in self._others]
        statistics = records.Statistics(
            attachment_count=kinds.count(records.AttachmentIndex),
            channel_count=len(self._channels),
            channel_message_counts=dict(self.counts),
            chunk_count=len(self._indexes),
            message_count=self.messages,
            message_end_time=self.end,
            message_start_time=self.start,
            metadata_count=kinds.count(records.MetadataIndex),
            schema_count=len(self._schemas),
        )
        groups: list[tuple[Opcode, Sequence[records.McapRecord]]] = [
            (Opcode.SCHEMA, self._schemas),
            (Opcode.CHANNEL, self._channels),
            (Opcode.STATISTICS, [statistics]),
            (Opcode.CHUNK_INDEX, self._indexes),
            (Opcode.ATTACHMENT_INDEX, self._of(records.AttachmentIndex)),
            (Opcode.METADATA_INDEX, self._of(records.MetadataIndex)),
        ]
        summary, offsets = bytearray(), bytearray()
        for opcode, group in groups:
            part = b''.join(map(_bytes, group))
            if part:
                offset = records.SummaryOffset(opcode, start + len(summary), len(part))
                offsets += _bytes(offset)
                summary += part
        offset_start = start + len(summary)
        footer = RECORD.pack(Opcode.FOOTER, 20) + struct.pack('<QQ', start, offset_start)
        crc = zlib.crc32(summary + offsets + footer)
        return bytes(data_end + summary + offsets + footer + struct.pack('<I', crc) + MAGIC)

    def _of(self, kind: type[records.McapRecord]) -> list[records.McapRecord]:
        return [index for index in self._others if isinstance(index, kind)]


def channels_of(topics: Sequence[Topic]) -> tuple[list[records.Schema], list[records.Channel]]:
    """
    Return schemas and channels of topics.

    :param topics: channels are numbered from 1 in their order.
    """
    schemas: dict[str, records.Schema] = {}
    channels = []
    for number, topic in enumerate(topics, 1):
        if topic.type not in schemas:
            schemas[topic.type] = records.Schema(
                id=len(schemas) + 1,
                data=topic.definition.encode(),
                encoding='ros2msg',
                name=topic.type,
            )
        channels.append(
            records.Channel(
                id=number,
                topic=topic.name,
                message_encoding='cdr',
                metadata=dict(topic.metadata),
                schema_id=schemas[topic.type].id,
            )
        )
    return list(schemas.values()), channels


def _bytes(record: records.McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
