# SPDX-License-Identifier: Apache-2.0
"""Test that experience is the same from a bag and from a replay, and that it fits together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_bag.core.experience import read_experience
from r3l_bag.core.writer import BagWriter, Limits
from r3l_node.core.errors import ConfigError
from r3l_node.core.ring import MappedRing
import yaml

Write = Callable[..., Any]
LOW, HIGH = np.asarray([-1.0, -2.0]), np.asarray([1.0, 2.0])
CONFIG = {
    '/**/monitor': {'ros__parameters': {'task': 'valve', 'hardware': 'sim'}},
    '/**/agent': {'ros__parameters': {
        'joint_names': ['a', 'b'], 'joint_low': [-1.0, -2.0], 'joint_high': [1.0, 2.0],
        'control_rate': 10.0,
    }},
    '/**/learner': {'ros__parameters': {'image_size': 8}},
}  # fmt: skip


def test_a_bag_gives_rows_in_order(tmp_path: Path, messages: Any, write: Write) -> None:
    write(tmp_path, [messages.transition(n) for n in range(30)])
    found = read_experience(tmp_path)
    assert len(found) == 30
    assert found.sequence.tolist() == list(range(30))
    assert found.transitions == 27
    assert found.robot.joint_names == ('a', 'b')
    assert found.robot.control_rate == 10.0
    assert found.image.shape == (30, 8, 8, 3)
    assert found.joint_position[5].tolist() == pytest.approx([0.005, -1.0])
    assert found.stamp[0] == 10**8
    assert found.episode[-1] == 2
    assert {a.dtype.name for a in (found.image, found.action, found.sequence)} == {
        'uint8', 'float32', 'int64',
    }  # fmt: skip


def test_repeated_rows_are_dropped_and_late_news_cut_the_chain(
    tmp_path: Path, messages: Any, write: Write
) -> None:
    row = [messages.transition(n) for n in range(10)]
    late = messages.transition(4, time=row[7][0] + 5, interrupted=True, first=False)
    again = messages.transition(3, time=row[8][0] + 5)
    sent = sorted([*row, late, again], key=lambda message: message[0])
    write(tmp_path, sent)
    found = read_experience(tmp_path)
    assert found.sequence.tolist() == list(range(10))
    assert found.first.tolist() == [n in (0, 4) for n in range(10)]
    assert found.transitions == 8


def test_an_interruption_in_time_begins_a_chain(
    tmp_path: Path, messages: Any, write: Write
) -> None:
    row = [messages.transition(n, interrupted=n == 6) for n in range(10)]
    write(tmp_path, row)
    assert np.flatnonzero(read_experience(tmp_path).first).tolist() == [0, 6]


def _run(folder: Path, rows: Any, capacity: int) -> None:
    """Write a run folder without a bag, whose replay holds some rows."""
    fields = {
        'sequence': ((), np.uint64), 'policy': ((), np.uint8), 'first': ((), np.bool_),
        'last': ((), np.bool_), 'image': ((8, 8, 3), np.uint8),
        'joint_position': ((2,), np.float32), 'previous_action': ((2,), np.float32),
        'action': ((2,), np.float32), 'latent': ((3,), np.float32),
    }  # fmt: skip
    folder.mkdir()
    (folder / 'config.yaml').write_text(yaml.safe_dump(CONFIG))
    ring = MappedRing(folder / 'replay' / 'learner', capacity, fields)
    for n in range(len(rows)):
        own = {name: getattr(rows, name)[n] for name in fields if name != 'latent'}
        own['joint_position'] = (2 * own['joint_position'] - LOW - HIGH) / (HIGH - LOW)
        ring.append(**own, latent=np.zeros(3, np.float32))
    ring.flush()


@pytest.mark.parametrize('capacity', [100, 16])
def test_a_replay_gives_the_same(
    tmp_path: Path, messages: Any, write: Write, capacity: int
) -> None:
    write(tmp_path / 'bag', [messages.transition(n) for n in range(25)])
    bag = read_experience(tmp_path / 'bag')
    _run(tmp_path / 'run', bag, capacity)
    replay = read_experience(tmp_path / 'run')
    kept = slice(25 - min(capacity, 25), None)
    for name in ('image', 'previous_action', 'action', 'policy', 'first', 'last', 'sequence'):
        np.testing.assert_array_equal(getattr(replay, name), getattr(bag, name)[kept], name)
    np.testing.assert_allclose(replay.joint_position, bag.joint_position[kept], atol=1e-6)
    assert replay.robot == bag.robot


def test_a_row_of_another_robot_is_refused(tmp_path: Path, messages: Any, write: Write) -> None:
    wrong = messages.transition(4, action=np.zeros(3, np.float32))
    write(tmp_path, [messages.transition(3), wrong])
    with pytest.raises(ConfigError, match='action of transition 4 has 3 values: expected 2'):
        read_experience(tmp_path)


def test_an_image_of_another_size_is_refused(tmp_path: Path, messages: Any, write: Write) -> None:
    image = messages.store.types['sensor_msgs/msg/Image']
    header = messages._header(0)
    small = image(header, 4, 4, 'rgb8', 0, 12, np.zeros(48, np.uint8))
    write(tmp_path, [messages.transition(0, image=small)])
    with pytest.raises(ConfigError, match='transition 0 has 4x4 pixels: expected 8x8'):
        read_experience(tmp_path)


def test_neither_bag_nor_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'expected a bag, a folder of bags or a run'):
        read_experience(tmp_path)


def test_a_bag_without_transitions_is_refused(
    tmp_path: Path, messages: Any, write: Write, content: Any
) -> None:
    own = replace(content, topics=content.topics[:1])
    writer = BagWriter(tmp_path, own, Limits(10**9, 10**15, 3), 1)
    writer.write([messages.reward(0)], 1)
    writer.close()
    with pytest.raises(ConfigError, match="has no topic 'transition'"):
        read_experience(tmp_path)
