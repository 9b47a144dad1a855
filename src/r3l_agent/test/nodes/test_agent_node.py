# SPDX-License-Identifier: Apache-2.0
"""The agent node against a simulator and an encoder that take no time."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_agent.nodes.agent_node import AgentNode
from r3l_msgs.msg import AgentStatus, Metrics, Reward, SafetyState, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.testing import Graph, graph

SMALL = {'steps': 24, 'warmup_steps': 8, 'episode_steps': 4, 'homing_steps': 2, 'seed': 3,
         'perturbation_share': 1.0}  # fmt: skip


def start(nodes: Graph, fake_sim: Callable[[], Any]) -> tuple[AgentNode, Any]:
    sim = nodes.add(fake_sim())
    agent = nodes.add(AgentNode())
    nodes.spin_until(sim.connected)
    return agent, sim


def actions(sim: Any) -> np.ndarray:
    return np.array([t.action for t in sim.transitions])


def test_a_run_in_lockstep_waits_for_the_learner_and_ends(fake_sim: Callable[[], Any]) -> None:
    with graph({'agent': SMALL}) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.observe()
        nodes.spin_until(lambda: sim.statuses and sim.statuses[-1].phase == AgentStatus.WAITING)
        nodes.spin_until(lambda: len(sim.transitions) == 10)
        for version, trained in enumerate((4, 8, 12, 16), start=1):
            expected = 10 + 5 * version
            sim.publish_policy(trained, version)
            nodes.spin_until(lambda: len(sim.transitions) == expected)  # noqa: B023
        nodes.spin_until(lambda: sim.statuses[-1].phase == AgentStatus.DONE)
    assert sim.statuses[-1].env_steps == 24
    assert [t.sequence for t in sim.transitions] == list(range(30))
    kinds = [t.policy for t in sim.transitions if t.first]
    assert kinds == [1, 1, 2, 3, 2, 3]
    assert [t.last for t in sim.transitions[:5]] == [False] * 4 + [True]
    assert np.abs(actions(sim)).max() <= 1
    for transition in sim.transitions:
        # The hand was where the action before had told it to be, whatever the order of joints.
        assert transition.header.frame_id == 'camera_optical_frame'
        stamp = transition.image.header.stamp
        assert transition.header.stamp == stamp
        k = (stamp.sec * 10**9 + stamp.nanosec) // 200_000_000
        assert transition.image.data[0] == k % 256


def test_the_same_seed_gives_the_same_warm_up(fake_sim: Callable[[], Any]) -> None:
    seen = []
    for _ in range(2):
        with graph({'agent': SMALL}) as nodes:
            _, sim = start(nodes, fake_sim)
            sim.observe()
            nodes.spin_until(lambda: len(sim.transitions) == 10)  # noqa: B023
            seen.append((actions(sim), [list(c.points[0].positions) for c in sim.commands[:12]]))
    assert np.array_equal(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]


def test_a_repeated_observation_gets_the_same_command_and_no_transition(
    fake_sim: Callable[[], Any],
) -> None:
    with graph({'agent': SMALL}) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.auto = False
        sim.k = 5
        for _ in range(3):
            sim.observe()
            count = len(sim.commands)
            nodes.spin_until(lambda: len(sim.commands) > count)  # noqa: B023
        assert len({tuple(c.points[0].positions) for c in sim.commands}) == 1
        assert not sim.transitions


@pytest.mark.parametrize(
    'bad',
    [
        {'latent': np.full(4, np.nan)},
        {'joints': np.full(9, np.inf)},
        {'joints': np.zeros(4)},
        {'names': ['a', 'b'], 'joints': np.zeros(2)},
    ],
)
def test_a_malformed_observation_is_dropped_and_counted(
    fake_sim: Callable[[], Any], bad: dict[str, Any]
) -> None:
    with graph({'agent': SMALL}) as nodes:
        agent, sim = start(nodes, fake_sim)
        sim.observe(**bad)
        nodes.spin_until(lambda: agent._dropped == 1)
        assert not sim.commands
        sim.observe()
        nodes.spin_until(lambda: len(sim.transitions) >= 3)


def test_weights_that_are_none_are_dropped(fake_sim: Callable[[], Any]) -> None:
    with graph({'agent': SMALL}) as nodes:
        agent, sim = start(nodes, fake_sim)
        sim.publish_raw_policy(Weights(name='policy', version=1, sha256='0', data=b'nonsense'))
        nodes.spin_until(lambda: agent._dropped == 1)
        sim.publish_policy(8, 2)
        sim.observe()
        nodes.spin_until(lambda: len(sim.transitions) >= 15)


def test_a_learner_that_lost_experience_does_not_stop_the_agent(
    fake_sim: Callable[[], Any],
) -> None:
    with graph({'agent': SMALL | {'policy_wait': 0.2}}) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.publish_policy(2, 1)
        sim.observe()
        nodes.spin_until(lambda: len(sim.transitions) == 10)
        sim.publish_learner(6, 5)
        nodes.spin_for(1.3)
        assert len(sim.transitions) == 10
        sim.publish_learner(6, 6)
        nodes.spin_until(lambda: len(sim.transitions) == 15)


def test_a_restarted_agent_goes_on_with_higher_numbers(
    fake_sim: Callable[[], Any], tmp_path: Path
) -> None:
    parameters = {'agent': SMALL | {'run': str(tmp_path)}}
    with graph(parameters) as nodes:
        agent, sim = start(nodes, fake_sim)
        sim.observe()
        nodes.spin_until(lambda: len(sim.transitions) >= 7)
        # As kill -9 leaves it: only what was reserved for eight episodes at the start is there.
        killed = (tmp_path / 'agent_state.json').read_text()
        agent.close = lambda: None
        before = [t.sequence for t in sim.transitions]
    assert json.loads(killed)['sequence'] == 40
    with graph(parameters) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.k = 1000
        sim.publish_policy(6, 1)
        sim.publish_learner(6, 6)
        sim.observe()
        nodes.spin_until(lambda: len(sim.transitions) >= 5)
        assert sim.transitions[0].first
        assert sim.transitions[0].sequence == 40 > max(before)
        assert sim.transitions[0].episode == 8
    assert json.loads((tmp_path / 'agent_state.json').read_text())['sequence'] >= 44


def test_the_run_folder_of_another_task_is_refused(tmp_path: Path) -> None:
    state = {'format': 1, 'task': 'beads', 'sequence': 0, 'episode': 0, 'env_steps': 0}
    (tmp_path / 'agent_state.json').write_text(json.dumps(state | {'turn': 0, 'ends': []}))
    with (
        graph({'agent': {'run': str(tmp_path)}}),
        pytest.raises(ConfigError, match="belongs to task 'beads': expected 'valve'"),
    ):
        AgentNode()


def test_a_parameter_out_of_range_stops_the_node() -> None:
    with (
        graph({'agent': {'episode_steps': 0}}),
        pytest.raises(ConfigError, match=r'agent\.episode_steps is 0'),
    ):
        AgentNode()


def test_in_real_time_the_nearest_joint_state_is_taken_and_waiting_holds_home(
    fake_sim: Callable[[], Any],
) -> None:
    parameters = {'agent': SMALL | {'lockstep': False, 'warmup_steps': 4}}
    with graph(parameters) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.observe()
        nodes.spin_until(lambda: sim.statuses and sim.statuses[-1].phase == AgentStatus.WAITING)
        count = len(sim.commands)
        nodes.spin_until(lambda: len(sim.commands) > count + 5)
        home = [0.0, -np.pi / 3, np.pi / 3] * 3
        assert list(sim.commands[-1].points[0].positions) == pytest.approx(home)
        assert len(sim.transitions) == 5
        sim.publish_policy(0, 1)
        nodes.spin_until(lambda: len(sim.transitions) > 10)


@pytest.mark.parametrize('lockstep', [True, False])
def test_a_fault_of_the_driver_pauses_the_agent_and_marks_what_it_has_spoilt(
    fake_sim: Callable[[], Any], lockstep: bool
) -> None:
    parameters = {'agent': SMALL | {'steps': 1000, 'warmup_steps': 1000, 'driver': True}}
    parameters['agent']['lockstep'] = lockstep
    with graph(parameters) as nodes:
        _, sim = start(nodes, fake_sim)
        sim.observe()
        nodes.spin_until(lambda: sim.statuses and sim.statuses[-1].phase == AgentStatus.PAUSED)
        assert not sim.commands
        sim.publish_safety(SafetyState.RUN)
        nodes.spin_until(lambda: len(sim.transitions) >= 3)
        sim.publish_safety(SafetyState.HOLD, 'bus_timeout', 1)
        nodes.spin_until(lambda: sim.statuses[-1].phase == AgentStatus.PAUSED)
        told = [t for t in sim.transitions if t.image.data]
        marks = [t.sequence for t in sim.transitions if not t.image.data]
        assert marks
        assert marks[-1] == told[-1].sequence
        assert all(t.interrupted for t in sim.transitions if not t.image.data)
        count = len(sim.commands)
        nodes.spin_for(0.3)
        assert len(sim.transitions) == len(told) + len(marks)
        # In lockstep commands are what makes time pass; the driver does not execute them.
        assert (len(sim.commands) > count) == lockstep
        sim.publish_safety(SafetyState.RUN, interruptions=1)
        nodes.spin_until(lambda: sim.transitions[-1].sequence > told[-1].sequence + 1)
        again = next(t for t in sim.transitions if t.sequence == told[-1].sequence + 1)
        assert again.first
        assert again.interrupted


def test_scores_of_an_episode_become_metrics(fake_sim: Callable[[], Any]) -> None:
    with graph({'agent': SMALL}) as nodes:
        _, sim = start(nodes, fake_sim)
        metrics: list[Metrics] = []
        rewards = sim.create_publisher(Reward, 'reward', qos.OBSERVATION)
        sim.create_subscription(Metrics, 'metrics', metrics.append, qos.METRICS)
        nodes.spin_until(lambda: rewards.get_subscription_count())

        def score(message: Transition) -> None:
            reward = Reward(probability=0.25, reward=0.5)
            reward.header = message.header
            rewards.publish(reward)

        sim.create_subscription(Transition, 'transition', score, qos.TRANSITION)
        sim.observe()
        nodes.spin_until(lambda: metrics)
        values = dict(zip(metrics[0].names, metrics[0].values, strict=True))
        assert metrics[0].source == 'agent'
        assert values['rollout/success_probability_random'] == pytest.approx(0.25)
