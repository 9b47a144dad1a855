# SPDX-License-Identifier: Apache-2.0
"""Write a rosbag2 folder: MCAP files, split by size and time, and metadata.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
from dataclasses import dataclass
from datetime import datetime
import os
from pathlib import Path

from r3l_bag.core.chunk import pack
from r3l_bag.core.mcap_file import channels_of, McapFile, Topic
from r3l_bag.core.metadata import FileFacts, metadata_text, NAME
from r3l_bag.core.scan import RawMessage
from r3l_node.core.files import sync_folder, write_atomic
import zstandard

# Room for the summaries of files that are closed when the disk is full [byte].
RESERVE = 1 << 20
RESERVE_NAME = '.reserve'


@dataclass(frozen=True, slots=True)
class Content:
    """
    What a bag says of itself.

    :param topics: numbered from 1 in this order.
    :param metadata: maps by name.
    :param attachments: contents by file name.
    """

    topics: Sequence[Topic]
    metadata: Mapping[str, Mapping[str, str]]
    attachments: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """When to begin another file, and how hard to compress."""

    split_size: int  # [byte]
    split_time: int  # [ns]
    level: int  # of zstd


class BagWriter:
    """A new rosbag2 folder; errors leave whole chunks behind."""

    def __init__(self, bags: Path, content: Content, limits: Limits, time: int) -> None:
        """
        Make the folder and its first file.

        :param bags: folder of bags.
        :param time: wall clock [ns]; names the folder.
        :raises OSError: if that is not possible; then there is no folder.
        """
        self._content, self._limits = content, limits
        self._compressor = zstandard.ZstdCompressor(level=limits.level)
        self.folder = _new_folder(bags, time)
        self._closed: list[FileFacts] = []
        self.bytes_before = 0  # in files that are closed
        try:
            (self.folder / RESERVE_NAME).write_bytes(os.urandom(RESERVE))
            self._file: McapFile | None = self._open(time)
        except OSError:
            self._free_reserve()
            with contextlib.suppress(OSError):
                self.folder.rmdir()
            raise
        sync_folder(bags)

    @property
    def size(self) -> int:
        """Size of all files [byte]."""
        return self.bytes_before + (self._file.size if self._file else 0)

    def write(self, messages: Sequence[RawMessage], time: int) -> None:
        """
        Append a chunk; begin another file first if it is time.

        :param messages: at least one, by log time.
        :param time: wall clock [ns].
        :raises OSError: if there is no room; what was written before is whole.
        """
        packed = pack(messages, self._compressor)
        file, limits = self._file, self._limits
        if file is not None and file.messages:
            due = file.size >= limits.split_size or time - self._begun >= limits.split_time
            if due:
                self._finish()
                self._describe()
                file = None
        if file is None:
            file = self._file = self._open(time)
        file.add(packed)

    def close(self) -> None:
        """
        Close the last file and describe the bag.

        :raises OSError: if there is no room even now; the bag can be read, and repaired, then too.
        """
        self._free_reserve()
        self._finish()
        self._describe()

    def _open(self, time: int) -> McapFile:
        self._begun = time
        name = f'{self.folder.name}_{len(self._closed)}.mcap'
        content = self._content
        return McapFile(
            self.folder / name,
            *channels_of(content.topics),
            content.metadata,
            content.attachments,
            time,
        )

    def _finish(self) -> None:
        """Close the file that is being written, if there is one."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        finally:
            self._note(file)

    def _note(self, file: McapFile) -> None:
        self.bytes_before += file.size
        counts = tuple(file.counts.get(n, 0) for n in range(1, len(self._content.topics) + 1))
        self._closed.append(FileFacts(file.path.name, file.start, file.end, counts))

    def _describe(self) -> None:
        write_atomic(self.folder / NAME, metadata_text(self._content.topics, self._closed))

    def _free_reserve(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / RESERVE_NAME).unlink(missing_ok=True)


def _new_folder(bags: Path, time: int) -> Path:
    stamp = datetime.fromtimestamp(time / 1e9).astimezone().strftime('%Y-%m-%d_%H-%M-%S')
    bags.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = bags / (stamp if number == 1 else f'{stamp}.{number}')
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder
