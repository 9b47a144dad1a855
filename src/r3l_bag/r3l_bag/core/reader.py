# SPDX-License-Identifier: Apache-2.0
"""Read bags, whole or cut, without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
import heapq
import itertools
from pathlib import Path
from typing import Any

from r3l_bag.core.scan import BrokenError, messages_of, Place, RawMessage, read_place, Scan, scan
from r3l_node.core.errors import ConfigError

INFO = 'r3l'  # name of the metadata record of a run
CONFIG = 'config.yaml'  # name of the attachment with the parameters of a run


@dataclass(frozen=True, slots=True)
class Message:
    """One recorded message."""

    topic: str  # as recorded, with its leading slash
    type: str  # such as 'sensor_msgs/msg/Image'
    time: int  # of receipt, wall clock [ns]
    stamp: int  # of the header, else as time [ns]
    data: bytes  # CDR


class Bag:
    """
    A recording, in one or more files.

    ``problems`` collects sentences about what could not be read; reading goes on behind it.
    """

    def __init__(self, path: Path | str) -> None:
        """
        Find the files and walk over them; messages are read later.

        :param path: an MCAP file, a rosbag2 folder, a run's folder ``bags`` or a run folder (then
            all its bags, in order).
        :raises ConfigError: if there is no bag.
        """
        self.path = Path(path)
        self.files = bag_files(self.path)
        self.problems: list[str] = []
        try:
            self.scans = tuple(scan(file) for file in self.files)
        except OSError as error:
            raise ConfigError(f'{self.path} cannot be read: {error}') from error
        self.problems += [f'{s.path.name}: {s.problem}' for s in self.scans if s.problem]
        self.topics: Mapping[str, str] = {
            channel.topic: found.schemas[channel.schema_id].name
            for found in self.scans
            for channel in found.channels.values()
            if channel.schema_id in found.schemas
        }
        self.info: Mapping[str, str] = next(
            (found.metadata[INFO] for found in self.scans if INFO in found.metadata), {}
        )
        places = [place for found in self.scans for place in found.places]
        self.start = min((place.start_time for place in places), default=0)
        self.end = max((place.end_time for place in places), default=0)

    @property
    def config(self) -> str | None:
        """Text of the parameter file of the run that was recorded, None if there is none."""
        texts = (found.attachments.get(CONFIG) for found in self.scans)
        return next((text.decode('utf-8', 'replace') for text in texts if text is not None), None)

    def find(self, name: str) -> str | None:
        """
        Return the recorded topic of a relative name.

        :param name: such as ``transition``; a recorded one may have a namespace in front.
        :return: such as ``/transition``; None if there is none.
        """
        return next((topic for topic in sorted(self.topics, key=len) if _is(topic, name)), None)

    def messages(
        self,
        topics: Iterable[str] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[Message]:
        """
        Read messages in the order of their receipt.

        :param topics: names, with or without the leading slash or namespace; None: all.
        :param start: first log time [ns].
        :param stop: log time before which to stop [ns].
        """
        names = None if topics is None else tuple(topics)
        # Bags of one run follow each other; files of one bag may overlap by a message or two.
        streams = [self._read(found, names, start, stop) for found in self.scans]
        return heapq.merge(*streams, key=lambda message: message.time)

    def decode(self, message: Message) -> Any:
        """
        Return the content of a message, with its fields as attributes and arrays as numpy's.

        :raises ConfigError: if it is not what its type says.
        """
        try:
            return self._types.deserialize_cdr(message.data, message.type)
        except Exception as error:  # rosbags raises whatever the bytes lead to
            raise ConfigError(
                f'a message of {message.topic} is no {message.type}: {error!r}'
            ) from error

    @cached_property
    def _types(self) -> Any:
        # Imported here: it takes a while, and much can be done without decoding.
        from rosbags.typesys import get_types_from_msg, get_typestore, Stores

        store = get_typestore(Stores.EMPTY)
        types: dict[str, Any] = {}
        for found in self.scans:
            for schema in found.schemas.values():
                if schema.encoding == 'ros2msg' and schema.name not in types:
                    types |= get_types_from_msg(schema.data.decode(), schema.name)
        store.register(types)
        return store

    def _read(
        self, found: Scan, names: tuple[str, ...] | None, start: int | None, stop: int | None
    ) -> Iterator[Message]:
        wanted = {
            key: (channel.topic, found.schemas[channel.schema_id].name)
            for key, channel in found.channels.items()
            if channel.schema_id in found.schemas
            and (names is None or any(_is(channel.topic, name) for name in names))
        }
        if not wanted:
            return
        for log_time, publish_time, channel, data in self._in_order(found, start, stop):
            known = wanted.get(channel)
            if known is None or (start is not None and log_time < start):
                continue
            if stop is not None and log_time >= stop:
                continue
            yield Message(*known, log_time, publish_time, data)

    def _in_order(self, found: Scan, start: int | None, stop: int | None) -> Iterator[RawMessage]:
        """Read chunks such that messages come by log time, even where chunks overlap."""
        places = [
            place
            for place in found.places
            if (start is None or place.end_time >= start)
            and (stop is None or place.start_time < stop)
        ]
        # The earliest message of all that is still to be read.
        ahead = list(itertools.accumulate((p.start_time for p in reversed(places)), min))[::-1]
        waiting: list[RawMessage] = []
        with found.path.open('rb') as file:
            for index, place in enumerate(places):
                try:
                    messages = messages_of(read_place(file, place))
                except BrokenError as error:
                    self._note(found, place, error)
                    messages = []
                if waiting:
                    messages = sorted(waiting + messages, key=lambda message: message[0])
                limit = ahead[index + 1] if index + 1 < len(places) else None
                waiting = []
                for position, message in enumerate(messages):
                    if limit is not None and message[0] > limit:
                        waiting = messages[position:]
                        break
                    yield message

    def _note(self, found: Scan, place: Place, error: BrokenError) -> None:
        sentence = f'{found.path.name}: {error}'
        if sentence not in self.problems:
            self.problems.append(sentence)


def bag_files(path: Path) -> tuple[Path, ...]:
    """
    Return the MCAP files behind a path, in the order in which they were written.

    :param path: an MCAP file, a rosbag2 folder, a folder of such folders or a run folder.
    :raises ConfigError: if there is none.
    """
    if path.is_file():
        return (path,)
    for folder in (path, path / 'bags'):
        files = sorted(folder.glob('*.mcap'), key=_number)
        if not files:
            # A folder is named by the time at which it was begun.
            files = [
                file
                for bag in sorted(folder.glob('*/'))
                for file in sorted(bag.glob('*.mcap'), key=_number)
            ]
        if files:
            return tuple(files)
    what = 'has no .mcap file' if path.exists() else 'does not exist'
    raise ConfigError(f'{path} {what}: expected a bag, a folder of bags or a run with bags')


def _number(file: Path) -> tuple[str, int, str]:
    """Return what to sort files by: ``name_2.mcap`` comes before ``name_10.mcap``."""
    name, _, number = file.stem.rpartition('_')
    return (name, int(number), '') if number.isdecimal() else (file.stem, -1, file.name)


def _is(topic: str, name: str) -> bool:
    return topic == name or topic.endswith('/' + name.lstrip('/'))
