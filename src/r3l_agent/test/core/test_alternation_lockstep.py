# SPDX-License-Identifier: Apache-2.0
"""Which policy version acts in lockstep, and how long the agent waits for it."""

from dataclasses import replace

import numpy as np
import pytest
from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.agent_state import AgentState, AgentStateError
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Observation, Phase, PolicyKind, PolicyVersion, Step
from r3l_agent.core.observation import ObservationSpec
from r3l_agent.core.policy_store import PolicyStore
from r3l_node.core.parameters import ParameterError

CONFIG = AgentConfig(
    steps=400, warmup_steps=8, episode_steps=4, perturbation_share=1.0, homing_steps=2
)


class Constant:
    """An actor that always answers the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def act(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return np.full(9, self.value, dtype=np.float32)


def policy(env_steps: int, version: int) -> PolicyVersion:
    actor = Constant(env_steps / 1000)
    actors = {PolicyKind.TASK: actor, PolicyKind.PERTURBATION: actor}
    return PolicyVersion(env_steps, version, ObservationSpec(2, 9, 1), actors)


def observation(k: int) -> Observation:
    return Observation(1 + k * 200_000_000, np.zeros(9), np.zeros(2, np.float32), 1)


def drive(alternation: Alternation, start: int, limit: int = 200) -> tuple[int, list[Step]]:
    """Go on until the agent waits; return the observation it waits at and the steps."""
    steps = []
    for k in range(start, start + limit):
        decision = alternation.observe(observation(k))
        if decision.step is not None:
            steps.append(decision.step)
        if decision.target is None:
            return k, steps
    return start + limit, steps


def test_the_agent_leads_the_learner_by_two_episodes_at_most() -> None:
    alternation = Alternation(CONFIG)
    alternation.policies.add(policy(0, 1))
    k, steps = drive(alternation, 0)
    assert alternation.phase == Phase.WAITING
    # The first learned episode is number 2: it needs all data of episode 0, that is 4 steps.
    assert alternation.required == 4
    assert {s.policy for s in steps} == {PolicyKind.RANDOM}
    for episode in range(1, 6):
        alternation.policies.add(policy(4 * episode, 1 + episode))
        k, steps = drive(alternation, k)
        assert {s.episode for s in steps} == {episode + 1}
        assert alternation.phase == Phase.WAITING


def test_the_version_that_acts_does_not_depend_on_how_fast_the_learner_is() -> None:
    slow, fast = Alternation(CONFIG), Alternation(CONFIG)
    fast.policies.add(policy(4, 1))
    fast.policies.add(policy(8, 2))
    slow.policies.add(policy(4, 1))
    k_slow, of_slow = drive(slow, 0)
    slow.policies.add(policy(8, 2))
    of_slow += drive(slow, k_slow)[1]
    of_fast = drive(fast, 0)[1]
    assert len(of_fast) == len(of_slow) == 20
    for a, b in zip(of_fast, of_slow, strict=True):
        assert a.sequence == b.sequence
        assert np.array_equal(a.action, b.action)


def test_the_agent_goes_on_with_a_learner_that_lost_experience() -> None:
    alternation = Alternation(CONFIG)
    alternation.policies.add(policy(4, 1))
    k, _ = drive(alternation, 0)
    assert alternation.phase == Phase.WAITING
    assert alternation.release()
    k, steps = drive(alternation, k)
    assert steps
    # Later episodes wait again, by the learner's lower count.
    assert alternation.phase == Phase.WAITING
    alternation.policies.add(policy(8, 2))
    assert drive(alternation, k)[1]


def test_nothing_is_released_without_any_policy() -> None:
    alternation = Alternation(CONFIG)
    drive(alternation, 0)
    assert not alternation.release()


def test_the_store_forgets_the_oldest_versions() -> None:
    store = PolicyStore()
    for version in range(30):
        store.add(policy(version, version + 1))
    assert len(store) == 10
    assert store.choose(0).env_steps == 20
    assert store.choose(25).env_steps == 25
    assert store.choose(31) is None


def test_a_restarted_agent_waits_by_the_episodes_it_completed() -> None:
    state = AgentState('valve', 30, 6, 24, 4, (20, 24))
    alternation = Alternation(CONFIG, state)
    alternation.policies.add(policy(24, 6))
    _, steps = drive(alternation, 0)
    assert steps[0].sequence == 30
    assert steps[0].episode == 6
    assert steps[0].policy == PolicyKind.TASK


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"format": 1', 'unreadable'),
        ('[]', 'unreadable'),
        ('{"format": 2, "ends": []}', 'another format'),
        (AgentState('beads').to_json(), "belongs to task 'beads': expected 'valve'"),
        (replace(AgentState('valve'), env_steps=-1).to_json(), 'expected counts from 0'),
    ],
)
def test_a_state_file_that_cannot_be_continued_is_refused(text: str, message: str) -> None:
    with pytest.raises(AgentStateError, match=message):
        AgentState.from_json(text, 'valve')


def test_a_state_survives_its_file() -> None:
    state = AgentState('valve', 5, 4, 3, 2, (1, 2))
    assert AgentState.from_json(state.to_json(), 'valve') == state


def test_joint_parameters_that_disagree_are_refused() -> None:
    with pytest.raises(ParameterError, match=r'agent\.home has 2 values'):
        AgentConfig(home=(0.0, 0.0))
    with pytest.raises(ParameterError, match='expected low < high and home between'):
        AgentConfig(joint_low=(2.0,) * 9)
    with pytest.raises(ParameterError, match='distinct names'):
        AgentConfig(joint_names=('a',) * 9)
