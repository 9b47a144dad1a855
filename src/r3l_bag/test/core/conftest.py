# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of r3l_bag: messages and bags without ROS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_bag.core.definitions import definition, type_hash
from r3l_bag.core.mcap_file import Topic
from r3l_bag.core.metadata import HASH, QOS, qos_text
from r3l_bag.core.scan import RawMessage
from r3l_bag.core.writer import BagWriter, Content, Limits
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

SECOND = 10**9
START = 1_700_000_000 * SECOND  # log time of the first message [ns]
RATE = 10  # transitions per second
SIZE = 8  # of images [px]
REWARD, TRANSITION = 1, 2
ONE_FILE = Limits(split_size=10**9, split_time=10**15, level=3)
TYPES = {'/reward': 'r3l_msgs/msg/Reward', '/transition': 'r3l_msgs/msg/Transition'}
INFO = {
    'task': 'valve',
    'joint_names': json.dumps(['a', 'b']),
    'joint_low': '[-1.0, -2.0]',
    'joint_high': '[1.0, 2.0]',
    'control_rate': '10.0',
    'image_size': str(SIZE),
}
MakeTransition = Callable[..., RawMessage]


class Messages:
    """Makes serialised messages."""

    def __init__(self) -> None:
        self.store = get_typestore(Stores.EMPTY)
        types: dict[str, Any] = {}
        for name in TYPES.values():
            types |= get_types_from_msg(definition(name), name)
        self.store.register(types)

    def transition(self, sequence: int, time: int | None = None, **changes: Any) -> RawMessage:
        """Make number ``sequence`` of a row in which every tenth ends an episode."""
        make = self.store.types
        stamp = (sequence + 1) * SECOND // RATE
        header = self._header(stamp)
        pixels = np.random.default_rng(sequence).integers(0, 256, 3 * SIZE * SIZE, dtype=np.uint8)
        fields: dict[str, Any] = {
            'sequence': sequence,
            'episode': sequence // 10,
            'policy': 1 + sequence % 3,
            'first': sequence % 10 == 0,
            'last': sequence % 10 == 9,
            'interrupted': False,
            'joint_position': np.asarray([sequence * 1e-3, -1.0], np.float32),
            'previous_action': np.asarray([0.5, 0.25], np.float32),
            'action': np.asarray([-0.5, 1.0], np.float32),
            'latent_mean': np.zeros(0, np.float32),
            'encoder_version': 0,
            'image': make['sensor_msgs/msg/Image'](
                header, SIZE, SIZE, 'rgb8', 0, 3 * SIZE, pixels
            ),
        } | changes
        message = make['r3l_msgs/msg/Transition'](header=header, **fields)
        data = bytes(self.store.serialize_cdr(message, 'r3l_msgs/msg/Transition'))
        return (START + stamp if time is None else time, stamp, TRANSITION, data)

    def reward(self, number: int, time: int | None = None) -> RawMessage:
        """Make the reward that goes with a transition."""
        stamp = (number + 1) * SECOND // RATE
        kind = 'r3l_msgs/msg/Reward'
        message = self.store.types[kind](self._header(stamp), float(number), 0.5, 0.25, 7)
        data = bytes(self.store.serialize_cdr(message, kind))
        return (START + stamp + 1 if time is None else time, stamp, REWARD, data)

    def row(self, count: int) -> list[RawMessage]:
        """Make transitions and rewards by log time."""
        return [m for n in range(count) for m in (self.transition(n), self.reward(n))]

    def _header(self, stamp: int) -> Any:
        make = self.store.types
        seconds, nanoseconds = divmod(stamp, SECOND)
        return make['std_msgs/msg/Header'](
            make['builtin_interfaces/msg/Time'](seconds, nanoseconds), 'camera'
        )


@pytest.fixture(scope='session')
def messages() -> Messages:
    """Return a maker of messages."""
    return Messages()


@pytest.fixture(scope='session')
def content() -> Content:
    """Return what the bags of the tests say of themselves."""
    topics = [
        Topic(name, kind, definition(kind), {QOS: qos_text(10, latched=False),
                                             HASH: type_hash(kind)})
        for name, kind in TYPES.items()
    ]  # fmt: skip
    return Content(topics, {'r3l': INFO}, {'config.yaml': b'/**/agent: {}\n'})


@pytest.fixture
def write(content: Content) -> Callable[[Path, Sequence[RawMessage]], BagWriter]:
    """Return a function that writes messages into a bag, in chunks of 0.8 s, and closes it."""

    def function(bags: Path, row: Sequence[RawMessage], limits: Limits = ONE_FILE) -> BagWriter:
        writer = BagWriter(bags, content, limits, START)
        chunk: list[RawMessage] = []
        for message in row:
            if chunk and message[0] - chunk[0][0] > 0.8 * SECOND:
                writer.write(chunk, message[0])
                chunk = []
            chunk.append(message)
        writer.write(chunk, row[-1][0])
        writer.close()
        return writer

    return function
