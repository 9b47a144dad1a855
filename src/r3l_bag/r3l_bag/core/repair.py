# SPDX-License-Identifier: Apache-2.0
"""Close the files of a bag that nobody closed: after a kill, a power cut or a full disk."""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path
import zlib

from r3l_bag.core.chunk import entries_of, Packed
from r3l_bag.core.mcap_file import McapFile, Topic
from r3l_bag.core.metadata import FileFacts, metadata_text, NAME
from r3l_bag.core.reader import bag_files
from r3l_bag.core.scan import BrokenError, Place, read_place, Scan, scan
from r3l_bag.core.writer import RESERVE_NAME
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import is_written, sync_folder, write_atomic

# What a damaged file is kept as if its copy may lack more than a torn end.
DAMAGED = '.damaged'


def repair(path: Path) -> list[str]:
    """
    Write the summary of every file that has none, and ``metadata.yaml`` of every folder.

    The chunks stay as they are. A file is replaced only once its successor is complete on the
    disk; one with damage in its middle is kept beside it.

    :param path: a bag, a folder of bags or a run folder.
    :return: what was done, one sentence each.
    :raises ConfigError: if there is no bag, or it cannot be written.
    """
    files = bag_files(path)
    done: list[str] = []
    try:
        for file in files:
            done += _repair_file(file)
        for folder in dict.fromkeys(file.parent for file in files):
            if not any(is_written(file) for file in files if file.parent == folder):
                done += _describe(folder, [file for file in files if file.parent == folder])
                (folder / RESERVE_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f'{path} cannot be repaired: {error}') from error
    return done


def _repair_file(path: Path) -> list[str]:
    found = scan(path)
    if found.whole:
        return []
    if is_written(path):
        return [f'{path.name} is left as it is: it is being recorded']
    if not found.data_end:
        return [f'{path.name} is left as it is: {found.problem}']
    part = path.with_name(f'{path.name}.part')
    part.unlink(missing_ok=True)
    try:
        broken = _copy(found, part)
        torn = found.size - found.data_end
        kept = ''
        if broken or not found.cut:
            os.replace(path, path.with_name(path.name + DAMAGED))
            kept = f'; the damaged file is kept as {path.name}{DAMAGED}'
        os.replace(part, path)
        sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    lost = f'{broken} broken chunks and {torn} bytes' if broken else f'{torn} bytes'
    return [f'{path.name} is closed now; {lost} behind its last whole record are left out{kept}']


def _copy(found: Scan, part: Path) -> int:
    """Write what can be read into a new file, and count the chunks that cannot."""
    time = min((place.start_time for place in found.places), default=0)
    schemas, channels = list(found.schemas.values()), list(found.channels.values())
    copy = McapFile(part, schemas, channels, found.metadata, found.attachments, time)
    broken = 0
    with found.path.open('rb') as file:
        for place in found.places:
            try:
                plain = read_place(file, place)
                copy.add(_packed(plain, place, file.fileno()))
            except BrokenError:
                broken += 1
    copy.close()
    return broken


def _packed(plain: bytes, place: Place, descriptor: int) -> Packed:
    """Return a chunk as it is in the file; messages outside of chunks become one."""
    loose = place.data < 0
    return Packed(
        buffer=plain if loose else os.pread(descriptor, place.end - place.data, place.data),
        compression='' if loose else place.compression,
        size=len(plain),
        crc=zlib.crc32(plain),
        start_time=place.start_time,
        end_time=place.end_time,
        entries=entries_of(plain),
    )


def _describe(folder: Path, files: list[Path]) -> list[str]:
    """Write metadata.yaml of a folder, unless there is one that names all of its files."""
    target = folder / NAME
    text = target.read_text(encoding='utf-8') if target.exists() else ''
    if all(file.name in text for file in files):
        return []
    scans = [found for found in map(scan, files) if found.whole]
    topics = {
        channel.topic: Topic(
            channel.topic, found.schemas[channel.schema_id].name, '', channel.metadata
        )
        for found in scans
        for channel in found.channels.values()
        if channel.schema_id in found.schemas
    }
    write_atomic(target, metadata_text(list(topics.values()), [_facts(s, topics) for s in scans]))
    return [f'{folder.name}/{NAME} is written']


def _facts(found: Scan, topics: Iterable[str]) -> FileFacts:
    counts = {channel.topic: found.counts.get(n, 0) for n, channel in found.channels.items()}
    return FileFacts(
        name=found.path.name,
        start=min((place.start_time for place in found.places), default=0),
        end=max((place.end_time for place in found.places), default=0),
        counts=tuple(counts.get(topic, 0) for topic in topics),
    )
