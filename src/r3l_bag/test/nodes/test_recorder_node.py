# SPDX-License-Identifier: Apache-2.0
"""The recorder on live topics."""

from __future__ import annotations

from pathlib import Path
import time

import pytest
from r3l_bag.core.check import check
from r3l_bag.core.reader import Bag
from r3l_bag.nodes.recorder_node import RecorderNode
from r3l_msgs.msg import GroundTruth, Metrics, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.testing import Graph, graph
from rclpy.serialization import deserialize_message
import yaml

COUNT = 300
TIMEOUT = 30.0  # [s]
JOINTS = {'joint_names': ['a'], 'joint_low': [-1.0], 'joint_high': [1.0], 'control_rate': 10.0}
CONFIG = {
    '/**/monitor': {'ros__parameters': {'task': 'valve', 'hardware': 'sim', 'pace': 'lockstep'}},
    '/**/agent': {'ros__parameters': JOINTS},
    '/**/learner': {'ros__parameters': {'image_size': 8, 'latent_size': 3}},
}


def test_a_recorder_without_a_run_says_so() -> None:
    with graph(), pytest.raises(ConfigError, match=r"recorder\.run is ''"):
        RecorderNode()


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_recorder_whose_thread_is_dead_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(CONFIG), encoding='utf-8')
    with graph({'recorder': {'run': str(tmp_path), 'min_free': 0.0}}) as live:
        node = live.add(RecorderNode())
        # No OSError: nothing that a recorder knows how to go on from.
        monkeypatch.setattr(node.recorder, '_record', lambda chunk: 1 // 0)
        node.recorder.add([(1, 1, 1, b'')])
        with pytest.raises(RuntimeError, match='has ended'):
            live.spin_until(lambda: False, TIMEOUT)


def test_what_is_published_is_in_the_bag(tmp_path: Path) -> None:
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(CONFIG), encoding='utf-8')
    values = {'run': str(tmp_path), 'min_free': 0.0, 'chunk_period': 0.2}
    with graph({'recorder': values}) as live:
        sent = _publish(live)
    bag = Bag(tmp_path)
    found = list(bag.messages(['transition']))
    # Not the bytes: those between two fields are what they happen to be.
    assert [deserialize_message(message.data, Transition) for message in found] == sent
    assert [message.stamp for message in found] == [(n + 1) * 10**8 for n in range(COUNT)]
    assert all(abs(time.time_ns() - message.time) < 10**11 for message in found)
    # Of the policies only the last one, at the end.
    assert [bag.decode(m).version for m in bag.messages(['policy/weights'])] == [2]
    assert len(list(bag.messages(['reward/weights']))) == 1
    assert bag.find('ground_truth') is None
    assert bag.info['joint_names'] == '["a"]'
    assert check(tmp_path).sound


def _publish(live: Graph) -> list[Transition]:
    """Say what a training says, until it is recorded, and return the transitions."""
    node, source = live.add(RecorderNode()), live.probe()
    outputs = {
        'transition': source.create_publisher(Transition, 'transition', qos.TRANSITION),
        'metrics': source.create_publisher(Metrics, 'metrics', qos.METRICS),
        'reward/weights': source.create_publisher(Weights, 'reward/weights', qos.WEIGHTS),
        'policy/weights': source.create_publisher(Weights, 'policy/weights', qos.POLICY_WEIGHTS),
        'ground_truth': source.create_publisher(GroundTruth, 'ground_truth', qos.GROUND_TRUTH),
    }

    recorded = [name for name in outputs if name != 'ground_truth']
    live.spin_until(
        lambda: all(outputs[n].get_subscription_count() == 1 for n in recorded), TIMEOUT
    )
    assert outputs['ground_truth'].get_subscription_count() == 0
    sent = []
    for number in range(COUNT):
        message = Transition(sequence=number, policy=1, first=number == 0)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(
            (number + 1) * 10**8, 10**9
        )
        outputs['transition'].publish(message)
        sent.append(message)
    for version in (1, 2):
        outputs['policy/weights'].publish(Weights(name='policy', version=version))
    outputs['reward/weights'].publish(Weights(name='reward', version=1))
    outputs['metrics'].publish(Metrics(source='test'))
    live.spin_until(lambda: node.recorder.written >= COUNT + 2, TIMEOUT)
    return sent
