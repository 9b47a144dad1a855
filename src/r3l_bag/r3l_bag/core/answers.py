# SPDX-License-Identifier: Apache-2.0
"""What a recording says of the answers to its images: which model gave them, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import struct
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.names import LATENT
from r3l_bag.core.reader import Message

NANO = 10**9

Values = NDArray[np.float32]


class Source(Protocol):
    """The part of a bag that is read here."""

    def messages(
        self,
        topics: Iterable[str] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[Message]:
        """Return messages in the order of their log times."""
        ...

    def decode(self, message: Message) -> Any:
        """Return the fields of a message as attributes."""
        ...


def stamp_of(data: bytes) -> int:
    """
    Return the header stamp of a serialised message that begins with a header.

    :param data: CDR with its encapsulation of 4 bytes.
    :return: [ns].
    """
    seconds, nanoseconds = struct.unpack_from(_order(data) + 'iI', data, 4)
    return int(seconds) * NANO + int(nanoseconds)


def version_of(data: bytes) -> int:
    """
    Return the model version of a serialised Latent or Reward: its last field.

    :param data: CDR with its encapsulation of 4 bytes.
    """
    return int(struct.unpack_from(_order(data) + 'I', data, len(data) - 4)[0])


def values_of(topic: str, message: Any) -> Values:
    """
    Return what an answer says.

    :param topic: ``LATENT`` or ``REWARD``.
    :param message: decoded, by ROS or by the bag.
    :return: mean and log variance, or logit, probability and reward.
    """
    if topic == LATENT:
        parts = [np.asarray(message.mean), np.asarray(message.log_variance)]
        return np.concatenate(parts).astype(np.float32)
    return np.array([message.logit, message.probability, message.reward], np.float32)


class Asked:
    """
    Which version of a model gave the recorded answers to an image.

    :param source: the bag.
    :param topic: of the answers.
    :param start: log time of the first image [ns].
    """

    def __init__(self, source: Source, topic: str, start: int | None = None) -> None:
        stamps, versions = [], []
        for message in source.messages([topic], start):
            stamps.append(stamp_of(message.data))
            versions.append(version_of(message.data))
        stamp_array = np.array(stamps, np.int64)
        order = np.argsort(stamp_array, kind='stable')
        self._stamps = stamp_array[order]
        self._versions = np.array(versions, np.uint32)[order]
        self._taken: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._stamps)

    def next_version(self, stamp: int) -> int | None:
        """
        Return the version behind the next answer to an image.

        :param stamp: of the image; one that was published again has several answers [ns].
        :return: None if there is no further one.
        """
        taken = self._taken.get(stamp, 0)
        row = int(np.searchsorted(self._stamps, stamp)) + taken
        if row >= len(self._stamps) or self._stamps[row] != stamp:
            return None
        self._taken[stamp] = taken + 1
        return int(self._versions[row])


class RecordedWeights:
    """
    The weights messages of a bag by version; one is in memory at a time.

    :param source: the bag.
    :param topic: of the weights.
    """

    def __init__(self, source: Source, topic: str) -> None:
        self._source = source
        self._topic = topic
        self._messages: Iterator[Message] = iter(())
        self._missing: set[int] = set()
        self._found: tuple[int, Message] | None = None

    def find(self, version: int) -> Message | None:
        """
        Return the message with a version.

        :param version: asked for in increasing order, as a rule.
        :return: None if the bag has none.
        """
        if self._found is not None and self._found[0] == version:
            return self._found[1]
        if version in self._missing:
            return None
        found = self._search(version)
        if found is None:
            self._messages = self._source.messages([self._topic])
            found = self._search(version)
        if found is None:
            self._missing.add(version)
            return None
        self._found = version, found
        return found

    def _search(self, version: int) -> Message | None:
        for message in self._messages:
            if int(self._source.decode(message).version) == version:
                return message
        return None


def _order(data: bytes) -> str:
    # The lowest bit of the second byte of the encapsulation tells the byte order.
    return '<' if data[1] & 1 else '>'
