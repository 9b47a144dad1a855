# SPDX-License-Identifier: Apache-2.0
"""The evaluator node, fed with weights as the learner publishes them."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
from pathlib import Path

import numpy as np
from PIL import Image
import pytest
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.policy import describe
from r3l_msgs.msg import AgentStatus, Evaluation, GroundTruth, Weights
from r3l_node.core.weights import pack
from r3l_node.nodes.qos import EVALUATION, GROUND_TRUTH, POLICY_WEIGHTS, STATUS, WEIGHTS
from r3l_node.nodes.weights import weights_message
from r3l_node.testing import Graph, graph
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_sim.core.coverage import CoverageError
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW
from r3l_sim.core.life_log import read_life
from r3l_sim.nodes.evaluator_node import EvaluatorNode
import torch

LATENT = 4
TIMEOUT = 30.0  # [s]
# Four starts at -135, -45, 45 and 135 degrees: standing still, none is within 0.26 rad.
OPTIONS = {'every': 100, 'starts': 4, 'backend': 'rays', 'baselines': False, 'final_wait': 0.5}


def encoder_weights() -> Weights:
    """Return the weights of an encoder that was never trained."""
    config = VaeConfig(image_size=32, latent_size=LATENT)
    tensors, metadata = to_weights(Vae(config, torch.Generator().manual_seed(0)))
    return weights_message('encoder', 1, 0, pack(tensors, metadata))


def policy_weights(version: int, env_steps: int, latent: int = LATENT) -> Weights:
    """Return the weights of a policy that goes to the home pose and stays there."""
    spec, joints = ObservationSpec(latent), JointRange(JOINT_LOW, JOINT_HIGH)
    bias = np.zeros(18, np.float32)
    bias[:9] = np.arctanh(np.clip(joints.normalise(HOME), -0.999, 0.999))
    tensors = {'deployed.weight0': np.zeros((spec.size, 18), np.float32), 'deployed.bias0': bias}
    return weights_message('policy', version, env_steps, pack(tensors, describe(spec, joints)))


class Probe:
    """Publishes what the other nodes of a run would."""

    def __init__(self, nodes: Graph) -> None:
        self.nodes = nodes
        self.evaluator = nodes.add(EvaluatorNode())
        node = nodes.probe()
        self.found: list[Evaluation] = []
        node.create_subscription(Evaluation, 'evaluation', self.found.append, EVALUATION)
        self.encoder = node.create_publisher(Weights, 'encoder/weights', WEIGHTS)
        self.policy = node.create_publisher(Weights, 'policy/weights', POLICY_WEIGHTS)
        self.status = node.create_publisher(AgentStatus, 'agent/status', STATUS)
        self.truth = node.create_publisher(GroundTruth, 'ground_truth', GROUND_TRUTH)

    def wait(self, count: int) -> None:
        """Wait until so many evaluations have been published."""
        self.nodes.spin_until(lambda: len(self.found) >= count, TIMEOUT)


@contextmanager
def evaluator(**parameters: object) -> Iterator[Probe]:
    """Start an evaluator of its own."""
    with graph({'evaluator': {**OPTIONS, **parameters}}) as nodes:
        probe = Probe(nodes)
        probe.encoder.publish(encoder_weights())
        nodes.spin_until(lambda: probe.evaluator._encoder is not None, TIMEOUT)
        yield probe


def test_the_first_policy_and_one_per_mark_are_evaluated(tmp_path: Path) -> None:
    with evaluator(run=str(tmp_path)) as probe:
        for version, steps in ((1, 0), (2, 50), (3, 110), (4, 150)):
            probe.policy.publish(policy_weights(version, steps))
        probe.wait(2)
        probe.nodes.spin_for(0.5)
        assert [(e.env_steps, e.policy_version) for e in probe.found] == [(0, 1), (110, 3)]
        first = probe.found[0]
        assert (first.success_rate, first.success_rate_strict) == (0.0, 0.0)
        assert (first.starts, first.unit) == (4, 'rad')
        # |error| of the four starts: 135, 45, 45, 135 degrees.
        assert first.final_distance_mean == pytest.approx(np.pi / 2, abs=1e-3)
    names = sorted(path.name for path in (tmp_path / 'evaluation').iterdir())
    assert names == ['00000000.png', '00000110.png']
    with Image.open(tmp_path / 'evaluation' / names[0]) as film:
        assert film.size[0] > 500


@pytest.mark.parametrize(('task', 'unit', 'starts'), [('beads', 'm', 8), ('object', '1', 24)])
def test_every_task_is_evaluated_from_as_many_starts_as_r3l_took(
    task: str, unit: str, starts: int
) -> None:
    with evaluator(task=task, starts=0) as probe:
        probe.policy.publish(policy_weights(1, 0))
        probe.wait(1)
        (found,) = probe.found
        assert (found.starts, found.success_rate, found.unit) == (starts, 0.0, unit)


def test_a_policy_that_came_before_the_encoder_is_not_lost() -> None:
    with graph({'evaluator': OPTIONS}) as nodes:
        probe = Probe(nodes)
        probe.policy.publish(policy_weights(1, 0))
        probe.nodes.spin_until(lambda: probe.evaluator._newest is not None)
        probe.encoder.publish(encoder_weights())
        probe.wait(1)


def test_the_last_policy_is_evaluated_once_when_the_agent_is_done() -> None:
    with evaluator() as probe:
        probe.policy.publish(policy_weights(1, 10))
        probe.wait(1)
        done = AgentStatus(phase=AgentStatus.DONE, env_steps=60)
        probe.status.publish(done)
        probe.policy.publish(policy_weights(2, 60))
        probe.wait(2)
        probe.status.publish(done)
        probe.nodes.spin_for(1.2)
        assert [(e.env_steps, e.policy_version) for e in probe.found] == [(10, 1), (60, 2)]


def test_weights_that_do_not_fit_are_reported_and_the_next_ones_evaluated() -> None:
    with evaluator() as probe:
        probe.policy.publish(policy_weights(1, 0, latent=LATENT + 3))
        torn = policy_weights(2, 100)
        torn.sha256 = '0' * 64
        probe.policy.publish(torn)
        probe.policy.publish(policy_weights(3, 200))
        probe.wait(1)
        assert probe.found[0].policy_version == 3
        assert probe.evaluator._failed == 2


def test_after_a_restart_only_the_next_mark_is_evaluated(tmp_path: Path) -> None:
    (tmp_path / 'evaluation').mkdir()
    (tmp_path / 'evaluation' / '00000110.png').touch()
    with evaluator(run=str(tmp_path)) as probe:
        probe.policy.publish(policy_weights(4, 150))
        probe.policy.publish(policy_weights(5, 210))
        probe.wait(1)
        assert [e.env_steps for e in probe.found] == [210]


def test_the_baselines_are_written_once(tmp_path: Path) -> None:
    with evaluator(run=str(tmp_path), baselines=True) as probe:
        probe.nodes.spin_until((tmp_path / 'baselines.json').exists, TIMEOUT)
    lines = json.loads((tmp_path / 'baselines.json').read_text())
    assert lines.keys() == {'hold still', 'random motion'}
    assert lines['hold still']['success_rate'] == 0.0
    assert lines['hold still']['starts'] == 4


def test_coverage_is_counted_and_kept(tmp_path: Path) -> None:
    with evaluator(run=str(tmp_path)) as probe:
        probe.nodes.spin_until(lambda: probe.truth.get_subscription_count() == 1)
        for second in (1, 2, 2, 3):  # the repeated observation counts once
            message = GroundTruth(task='valve', names=['angle'], units=['rad'], values=[0.1])
            message.header.stamp.sec = second
            probe.truth.publish(message)
        foreign = GroundTruth(task='beads', names=['angle'], units=['rad'], values=[0.1])
        foreign.header.stamp.sec = 4
        probe.truth.publish(foreign)
        probe.nodes.spin_until(lambda: probe.evaluator._truth_stamp == 4 * 10**9)
    (counted,) = json.loads((tmp_path / 'coverage.json').read_text())['maps']
    assert sum(counted['blocks'][0]) == 3
    life = read_life(tmp_path)
    assert life is not None
    assert life['distance'].tolist() == pytest.approx([0.1] * 3)


def test_a_foreign_coverage_file_stops_the_node(tmp_path: Path) -> None:
    (tmp_path / 'coverage.json').write_text('{}')
    options = {**OPTIONS, 'run': str(tmp_path)}
    with graph({'evaluator': options}), pytest.raises(CoverageError, match='coverage file'):
        EvaluatorNode()


def test_a_running_evaluation_is_given_up_when_the_node_stops() -> None:
    with evaluator(starts=128) as probe:
        probe.policy.publish(policy_weights(1, 0))
        probe.nodes.spin_until(lambda: probe.evaluator._newest is not None, TIMEOUT)
    assert not probe.evaluator._worker.is_alive()
