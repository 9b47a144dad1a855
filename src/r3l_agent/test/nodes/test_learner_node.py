# SPDX-License-Identifier: Apache-2.0
"""The learner node between a fake agent and fake trainers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_agent.nodes.conversions import policy_version
from r3l_agent.nodes.learner_node import LearnerNode
from r3l_msgs.msg import LearnerStatus, Metrics, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import pack
from r3l_node.nodes import qos
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.images import image_message
from r3l_node.nodes.weights import weights_message
from r3l_node.testing import Graph, graph
from std_msgs.msg import Header

SMALL = {
    'warmup_steps': 8, 'latent_size': 4, 'hidden': [8], 'batch': 4, 'capacity': 400,
    'rnd_hidden': 8, 'rnd_output': 4, 'metrics_steps': 8, 'classifier_wait': 0.1,
}  # fmt: skip


class Peers:
    """What an agent and two trainers publish, and what they hear."""

    def __init__(self, nodes: Graph, make_row: Callable[..., Any]) -> None:
        node = nodes.probe('peers')
        self.make_row = make_row
        self.policies: list[Weights] = []
        self.statuses: list[LearnerStatus] = []
        self.metrics: list[Metrics] = []
        self.transition = node.create_publisher(Transition, 'transition', qos.TRANSITION)
        self.encoder = node.create_publisher(Weights, 'encoder/weights', qos.WEIGHTS)
        self.reward = node.create_publisher(Weights, 'reward/weights', qos.WEIGHTS)
        node.create_subscription(
            Weights, 'policy/weights', self.policies.append, qos.POLICY_WEIGHTS
        )
        node.create_subscription(LearnerStatus, 'learner/status', self.statuses.append, qos.STATUS)
        node.create_subscription(Metrics, 'metrics', self.metrics.append, qos.METRICS)

    def message(self, sequence: int, shift: int = 0) -> Transition:
        row = self.make_row(sequence)
        header = Header(frame_id='camera')
        header.stamp.sec = sequence + 1 + shift
        message = Transition(
            header=header, sequence=sequence, episode=sequence // 5, policy=row.policy,
            first=row.first, last=row.last, encoder_version=1,
            image=image_message(row.image, header),
        )  # fmt: skip
        for name in ('joint_position', 'previous_action', 'action'):
            setattr(message, name, float_field(getattr(row, name)))
        message.latent_mean = float_field(row.latent)
        return message

    def send(self, start: int, end: int, shift: int = 0) -> None:
        for sequence in range(start, end):
            self.transition.publish(self.message(sequence, shift))

    def send_models(self, encoder: Any, classifier: Any) -> None:
        for publisher, name, model in (
            (self.encoder, 'encoder', encoder),
            (self.reward, 'reward', classifier),
        ):
            data = pack(model.tensors, model.metadata)
            publisher.publish(weights_message(name, model.version, model.env_steps, data))

    def trained(self) -> list[int]:
        return [policy.env_steps for policy in self.policies]


@pytest.fixture
def peers(make_row: Callable[..., Any]) -> Callable[[Graph], Peers]:
    return lambda nodes: Peers(nodes, make_row)


def test_every_episode_ends_with_a_policy_and_the_ratio_is_exact(
    peers: Callable, encoder_model: Callable, classifier_model: Callable
) -> None:
    with graph({'learner': SMALL | {'update_ratio': 2.0}}) as nodes:
        others = peers(nodes)
        nodes.add(LearnerNode())
        others.send_models(encoder_model(), classifier_model())
        nodes.spin_until(lambda: others.policies)
        assert others.trained() == [0]
        others.send(0, 25)
        nodes.spin_until(lambda: others.trained()[-1] == 20)
        assert others.trained() == [0, 4, 8, 12, 16, 20]
        assert [policy.version for policy in others.policies] == [1, 2, 3, 4, 5, 6]
        acting = policy_version(others.policies[-1], 9)
        assert acting.env_steps == 20
        nodes.spin_until(lambda: others.statuses[-1].env_steps == 20)
        status = others.statuses[-1]
        assert (status.received, status.updates, status.policy_version) == (20, 24, 6)
        assert status.update_ratio == pytest.approx(2.0)
        nodes.spin_until(lambda: any('train/critic_loss' in m.names for m in others.metrics))
        assert others.metrics[-1].source == 'learner'


def test_a_restarted_learner_takes_what_it_missed_without_loss_or_duplicates(
    peers: Callable, encoder_model: Callable, classifier_model: Callable, tmp_path: Path
) -> None:
    with graph({'learner': SMALL | {'run': str(tmp_path)}}) as nodes:
        others = peers(nodes)
        first = nodes.add(LearnerNode())
        others.send_models(encoder_model(), classifier_model())
        others.send(0, 12)
        nodes.spin_until(lambda: others.trained() and others.trained()[-1] == 8)
        nodes.spin_until(lambda: first._worker.training.env_steps == 10)
        before = others.policies[-1].version
        first.close()
        nodes.executor.remove_node(first)
        nodes._nodes.remove(first)
        first.destroy_node()
        # While nobody listens the agent goes on.
        others.send(12, 30)
        others.policies.clear()
        again = nodes.add(LearnerNode())
        nodes.spin_until(lambda: others.trained() and others.trained()[-1] == 24)
        replay = again._worker.training.learner.replay
        assert list(replay.arrays['sequence'][:30]) == list(range(30))
        assert replay.ring.count == 30
        assert again._lost == 0
        assert again._worker.training.learner.updates == 16
        # What was learned before is published again at once, under a newer version.
        assert others.trained()[0] == 8
        versions = [policy.version for policy in others.policies]
        assert versions[0] > before
        assert versions == sorted(set(versions))


def malformed(peers: Peers, kind: str) -> Transition:
    message = peers.message(0)
    if kind == 'nan action':
        message.action = float_field([np.nan] * 9)
    elif kind == 'large action':
        message.action = float_field([1.5] * 9)
    elif kind == 'short joints':
        message.joint_position = float_field([0.0] * 3)
    elif kind == 'infinite latent':
        message.latent_mean = float_field([np.inf] * 4)
    elif kind == 'long latent':
        message.latent_mean = float_field([0.0] * 7)
    elif kind == 'unknown policy':
        message.policy = 9
    elif kind == 'small image':
        message.image = image_message(np.zeros((8, 8, 3), np.uint8), message.header)
    elif kind == 'torn image':
        message.image.data = message.image.data[:-1]
    return message


@pytest.mark.parametrize(
    'kind',
    ['nan action', 'large action', 'short joints', 'infinite latent', 'long latent',
     'unknown policy', 'small image', 'torn image'],
)  # fmt: skip
def test_a_malformed_transition_is_dropped_and_counted(peers: Callable, kind: str) -> None:
    with graph({'learner': SMALL}) as nodes:
        others = peers(nodes)
        learner = nodes.add(LearnerNode())
        others.transition.publish(malformed(others, kind))
        nodes.spin_until(lambda: learner._malformed == 1)
        others.send(0, 5)
        nodes.spin_until(lambda: learner._worker.training.env_steps == 4)
        assert learner._malformed == 1


def test_weights_that_are_none_or_do_not_fit_are_dropped(
    peers: Callable, encoder_model: Callable, classifier_model: Callable
) -> None:
    with graph({'learner': SMALL}) as nodes:
        others = peers(nodes)
        learner = nodes.add(LearnerNode())
        others.encoder.publish(Weights(name='encoder', version=1, sha256='x', data=b'abc'))
        nodes.spin_until(lambda: learner._malformed == 1)
        others.send_models(encoder_model(latent_size=7), classifier_model())
        nodes.spin_until(lambda: 'latents of 7: expected 4' in learner._problem)
        others.send_models(encoder_model(), classifier_model())
        nodes.spin_until(lambda: others.policies)


def test_a_repeated_transition_is_stored_once_but_a_new_agent_may_count_again(
    peers: Callable,
) -> None:
    with graph({'learner': SMALL}) as nodes:
        others = peers(nodes)
        learner = nodes.add(LearnerNode())
        others.send(0, 5)
        others.send(2, 5)
        nodes.spin_until(lambda: learner._duplicates == 3)
        others.send(0, 5, shift=100)
        nodes.spin_until(lambda: learner._worker.training.env_steps == 8)
        assert learner._lost == 0


def test_a_late_notice_of_a_fault_cuts_a_transition_that_is_stored_or_still_to_come(
    peers: Callable,
) -> None:
    with graph({'learner': SMALL}) as nodes:
        others = peers(nodes)
        learner = nodes.add(LearnerNode())
        others.send(0, 5)
        others.transition.publish(Transition(sequence=2, interrupted=True))
        timely = others.message(7)
        timely.interrupted = True
        for message in (others.message(5), others.message(6), timely, others.message(8)):
            others.transition.publish(message)
        nodes.spin_until(lambda: learner._worker.training.env_steps == 8)
        replay = learner._worker.training.learner.replay
        slots = replay.sample(np.random.default_rng(0), 200)
        assert set(replay.arrays['sequence'][slots].tolist()) == {0, 2, 3, 5, 7}
        assert (learner._malformed, learner._duplicates) == (0, 0)
        learner._worker.put_cut(9)
        others.send(9, 10)
        nodes.spin_until(lambda: replay.ring.count == 10)
        assert 8 not in replay.arrays['sequence'][replay.sample(np.random.default_rng(0), 200)]


def test_in_real_time_data_comes_before_updates(
    peers: Callable, encoder_model: Callable, classifier_model: Callable
) -> None:
    with graph({'learner': SMALL | {'lockstep': False}}) as nodes:
        others = peers(nodes)
        learner = nodes.add(LearnerNode())
        others.send(0, 50)
        nodes.spin_until(lambda: learner._worker.training.env_steps == 40)
        others.send_models(encoder_model(), classifier_model())
        nodes.spin_until(lambda: others.statuses and others.statuses[-1].env_steps == 40)
        assert learner._worker.training.learner.updates == 32


def test_a_run_folder_of_another_task_is_refused(tmp_path: Path) -> None:
    with graph({'learner': SMALL | {'run': str(tmp_path)}}) as nodes:
        nodes.add(LearnerNode())
    other = SMALL | {'run': str(tmp_path), 'task': 'beads'}
    with (
        graph({'learner': other}),
        pytest.raises(ConfigError, match="belongs to task 'valve': expected 'beads'"),
    ):
        LearnerNode()


def test_a_parameter_out_of_range_stops_the_learner() -> None:
    with (
        graph({'learner': {'discount': 2.0}}),
        pytest.raises(ConfigError, match=r'learner\.discount is 2'),
    ):
        LearnerNode()
