# SPDX-License-Identifier: Apache-2.0
"""A bag played into live nodes: the same answers, the weights of the time, no driver."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
from pathlib import Path

import numpy as np
import pytest
from r3l_bag.core.reader import Bag
from r3l_bag.nodes.player_node import message_type, PlayerNode
from r3l_bag.testing import Recording, write_bag
from r3l_node.core.errors import ConfigError
from r3l_node.testing import Graph, graph
from r3l_perception.nodes.encoder_node import EncoderNode
from r3l_reward.nodes.reward_node import RewardNode
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory


@pytest.fixture
def recording() -> Recording:
    """Return a recording that is not written yet."""
    return Recording()


class Driver(Node):
    """Would execute a command, and writes down what it hears."""

    def __init__(self) -> None:
        super().__init__('driver')
        self.commands: list[JointTrajectory] = []
        self.recorded: list[JointTrajectory] = []
        self.images: list[Image] = []
        self.times: list[Clock] = []
        for topic, kind, heard in (
            ('joint_command', JointTrajectory, self.commands),
            ('recorded/joint_command', JointTrajectory, self.recorded),
            ('camera/image_raw', Image, self.images),
            ('/clock', Clock, self.times),
        ):
            self.create_subscription(kind, topic, heard.append, 100)


@contextmanager
def playing(bag: Path, **parameters: object) -> Iterator[tuple[Graph, PlayerNode, Driver]]:
    values = {
        'player': {'bag': str(bag), **parameters},
        'encoder': {'replay': True},
        'reward': {'replay': True},
    }
    with graph(values) as nodes:
        driver = nodes.add(Driver())
        nodes.add(EncoderNode())
        nodes.add(RewardNode())
        yield nodes, nodes.add(PlayerNode()), driver


def test_a_replay_says_what_the_recording_says(recording: Recording, tmp_path: Path) -> None:
    bag, result = recording.write(tmp_path / 'a.mcap'), tmp_path / 'result.json'
    with playing(bag, result=str(result)) as (nodes, player, driver):
        nodes.spin_until(lambda: player.playback.finished, 60.0)
        nodes.spin_until(result.exists)
    found = json.loads(result.read_text())
    assert found['latent']['equal'] == found['images'] == 40
    assert found['reward']['equal'] == 29
    assert found['good']
    assert player.exit_code == 0
    # Stamps are those of the recording, and images come in its order.
    stamps = [message.header.stamp for message in driver.images]
    seen = list(dict.fromkeys(s.sec * 10**9 + s.nanosec for s in stamps))
    assert seen == [step * 10**8 for step in range(40)]
    np.testing.assert_array_equal(
        np.frombuffer(driver.images[-1].data, np.uint8), recording.images[-1].ravel()
    )
    assert driver.times[-1].clock == stamps[-1]


def test_nothing_is_said_to_a_driver(recording: Recording, tmp_path: Path) -> None:
    bag = recording.write(tmp_path / 'a.mcap')
    with playing(bag, rate=20.0) as (nodes, player, driver):
        nodes.spin_until(lambda: player.playback.finished, 60.0)
        nodes.spin_until(lambda: len(driver.recorded) >= 30)
        names = dict(player.get_publisher_names_and_types_by_node('player', '/'))
        assert not driver.commands
        assert driver.count_publishers('joint_command') == 0
    own = {'/camera/image_raw', '/joint_states', '/agent/status', '/driver/safety', '/clock',
           '/encoder/weights', '/reward/weights'}  # fmt: skip
    recorded = {
        f'/recorded/{name}' for name in ('joint_command', 'latent', 'reward', 'transition')
    }
    assert {name for name in names if name not in ('/rosout', '/parameter_events')} == (
        own | recorded
    )


def test_a_difference_is_found_and_named(recording: Recording, tmp_path: Path) -> None:
    bag = Bag(recording.write(tmp_path / 'a.mcap'))
    messages = []
    for message in bag.messages():
        content = deserialize_message(message.data, message_type(message.type))
        if message.topic == '/reward' and content.header.stamp.nanosec == 500_000_000:
            content.logit += 0.25 * content.header.stamp.sec
        messages.append((message.time, message.topic, content))
    other = write_bag(tmp_path / 'b.mcap', iter(messages))
    result = tmp_path / 'result.json'
    with playing(other, result=str(result)) as (nodes, player, _):
        nodes.spin_until(lambda: player.playback.finished, 60.0)
        nodes.spin_until(result.exists)
    found = json.loads(result.read_text())['reward']
    assert (found['equal'], found['differ']) == (26, 3)
    assert found['largest_time'] // 10**7 == (recording.start + 35 * 10**8) // 10**7
    assert player.exit_code == 1


def test_a_part_meets_the_weights_of_its_time(recording: Recording, tmp_path: Path) -> None:
    bag, result = recording.write(tmp_path / 'a.mcap'), tmp_path / 'result.json'
    with playing(bag, result=str(result), start='2.45', stop='3.55') as (nodes, player, _):
        nodes.spin_until(lambda: player.playback.finished, 60.0)
        nodes.spin_until(result.exists)
    found = json.loads(result.read_text())
    assert found['images'] == found['latent']['equal'] == found['reward']['equal'] == 11


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'start': '7'}, "player.start is '7': expected a time from .* or seconds from 0 to 3.9"),
        ({'start': 'noon'}, "player.start is 'noon': expected a time from"),
        ({'start': '3', 'stop': '2'}, "player.stop is '2': expected a later time than"),
        ({'bag': '/none'}, '/none does not exist: expected a bag'),
        ({'encoder': False, 'reward': False}, 'player.rate is 0: expected more'),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    recording: Recording, tmp_path: Path, parameters: dict[str, object], sentence: str
) -> None:
    bag = recording.write(tmp_path / 'a.mcap')
    with (
        graph({'player': {'bag': str(bag), **parameters}}),
        pytest.raises(ConfigError, match=sentence),
    ):
        PlayerNode()


def test_a_bag_alone_is_played_by_its_clock(recording: Recording, tmp_path: Path) -> None:
    bag = recording.write(tmp_path / 'a.mcap')
    values = {'bag': str(bag), 'rate': 10.0, 'encoder': False, 'reward': False}
    with graph({'player': values}) as nodes:
        driver, player = nodes.add(Driver()), nodes.add(PlayerNode())
        nodes.spin_until(lambda: player.playback.finished, 60.0)
        nodes.spin_until(lambda: len(driver.images) >= 30)
