# SPDX-License-Identifier: Apache-2.0
"""
Takes serialised messages in bulk.

A callback for each message costs more than everything else that a recorder does, and takes it
from the nodes that it looks at. What comes is therefore left with the middleware, which notes the
time of receipt, and taken ten times a second.
"""

from __future__ import annotations

import struct
from typing import Any

from r3l_bag.core.scan import RawMessage
from r3l_bag.nodes.topics import Recorded
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

# More than comes between two looks, however fast the simulation is.
DEPTH = 2000
_BIG, _LITTLE = struct.Struct('>iI'), struct.Struct('<iI')
_CDR_HEAD = 4  # byte 1 says which order the bytes have


class Intake:
    """The messages of one topic, since they were last taken."""

    def __init__(self, node: Node, topic: Recorded, channel: int, *, newest: bool = False) -> None:
        """
        Subscribe.

        :param channel: number of the topic in the bag.
        :param newest: keep only the last message.
        """
        self._channel = channel
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=1 if newest else DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=topic.qos.durability,
        )
        self._subscription = node.create_subscription(
            topic.type, topic.name, _never, profile, raw=True
        )
        # Else the executor would take the messages, one by one.
        node._subscriptions.remove(self._subscription)
        self._type = topic.type

    @property
    def topic(self) -> str:
        """Name with its namespace and leading slash."""
        name: str = self._subscription.topic_name
        return name

    def take(self, now: int | None = None) -> list[RawMessage]:
        """
        Return what has come, oldest first.

        :param now: said to be the time of receipt [ns]; None: as the middleware says.
        """
        found: list[RawMessage] = []
        handle = self._subscription.handle
        with handle:
            while True:
                taken = handle.take_message(self._type, True)
                if taken is None:
                    return found
                data, info = taken
                time = _receipt(info) if now is None else now
                found.append((time, stamp(data, time), self._channel, data))

    def destroy(self) -> None:
        """Unsubscribe."""
        self._subscription.destroy()


def _never(message: object) -> None:
    raise RuntimeError('a recorded topic has a callback')


def _receipt(info: Any) -> int:
    """Return the wall clock time of receipt, else of sending [ns]."""
    return int(info['received_timestamp'] or info['source_timestamp'])


def stamp(data: bytes, otherwise: int) -> int:
    """
    Return the stamp of a serialised message that begins with a header.

    :param data: CDR.
    :param otherwise: returned where the stamp is not set.
    :return: [ns].
    """
    if len(data) < _CDR_HEAD + _LITTLE.size:
        return otherwise
    seconds, nanoseconds = (_LITTLE if data[1] & 1 else _BIG).unpack_from(data, _CDR_HEAD)
    return seconds * 1_000_000_000 + nanoseconds if seconds > 0 or nanoseconds else otherwise
