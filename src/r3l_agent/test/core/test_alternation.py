# SPDX-License-Identifier: Apache-2.0
"""The alternation of warm-up, task, perturbation and homing."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.agent_state import AgentState
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Decision, Observation, Phase, PolicyKind, PolicyVersion, Step
from r3l_agent.core.observation import ObservationSpec
from r3l_agent.core.success import SuccessHead

PERIOD = 200_000_000
LATENT = 3
SMALL = AgentConfig(
    steps=40, warmup_steps=8, episode_steps=4, perturbation_share=1.0, homing_steps=2,
    lockstep=False, seed=5,
)  # fmt: skip


class Constant:
    """An actor that always answers the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def act(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return np.full(9, self.value, dtype=np.float32)


class Noisy:
    """An actor whose answer depends on what it sees and on the noise."""

    def act(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        assert rng is not None
        return np.tanh(observation[:9] + rng.normal(0, 3, 9)).astype(np.float32)


def policy(env_steps: int, version: int, actor: object | None = None) -> PolicyVersion:
    actor = actor or Constant(version / 100)
    actors = {PolicyKind.TASK: actor, PolicyKind.PERTURBATION: actor}
    return PolicyVersion(env_steps, version, ObservationSpec(LATENT, 9, 2), actors)


def observation(k: int, version: int = 1, **changes: object) -> Observation:
    latent = np.full(LATENT if version else 0, np.sin(k), dtype=np.float32)
    made = Observation(1 + k * PERIOD, np.full(9, 0.01 * (k % 7)), latent, version)
    return replace(made, **changes)


def run(alternation: Alternation, count: int, start: int = 0) -> list[Decision]:
    return [alternation.observe(observation(k)) for k in range(start, start + count)]


def steps_of(decisions: list[Decision]) -> list[Step]:
    return [decision.step for decision in decisions if decision.step is not None]


def with_policy(config: AgentConfig = SMALL, actor: object | None = None) -> Alternation:
    alternation = Alternation(config)
    alternation.policies.add(policy(0, 1, actor))
    return alternation


def check_episodes(steps: list[Step], length: int) -> None:
    """Every complete episode: T + 1 messages, one first, one last, nothing between."""
    episodes: dict[int, list[Step]] = {}
    for step in steps:
        episodes.setdefault(step.episode, []).append(step)
    for messages in episodes.values():
        assert [m.first for m in messages] == [True] + [False] * (len(messages) - 1)
        assert [m.last for m in messages] == [False] * (len(messages) - 1) + [True]
        assert len(messages) == length + 1
        assert not messages[-1].action.any()
        assert not messages[0].previous_action.any()
        for before, after in pairwise(messages):
            assert np.array_equal(after.previous_action, before.action)
            assert after.policy == before.policy


def test_a_run_homes_first_then_warms_up_then_takes_strict_turns() -> None:
    decisions = run(with_policy(), 80)
    order = [d.phase for d in decisions if d.target is not None and d.phase != Phase.DONE]
    phases = [phase for phase, before in zip(order, [None, *order], strict=False)
              if phase != before]  # fmt: skip
    episode = [Phase.HOMING, Phase.WARM_UP] * 2
    for _ in range(4):
        episode += [Phase.HOMING, Phase.TASK, Phase.HOMING, Phase.PERTURBATION]
    assert phases == [*episode, Phase.HOMING]
    assert decisions[-1].phase == Phase.DONE


def test_every_episode_has_one_message_more_than_actions() -> None:
    steps = steps_of(run(with_policy(), 80))
    check_episodes(steps, 4)
    assert [step.sequence for step in steps] == list(range(50))
    assert sum(not step.last for step in steps) == 40


@pytest.mark.parametrize(('share', 'length'), [(0.1, 1), (0.5, 2), (1.75, 7)])
def test_episodes_of_the_perturbation_may_have_a_length_of_their_own(
    share: float, length: int
) -> None:
    config = replace(SMALL, perturbation_share=share)
    steps = steps_of(run(with_policy(config), 80))
    complete = {step.episode for step in steps if step.last and step.sequence < steps[-1].sequence}
    whole = [step for step in steps if step.episode in complete]
    perturbed = [step for step in whole if step.policy is PolicyKind.PERTURBATION]
    assert len({step.episode for step in perturbed}) >= 2
    check_episodes(perturbed, length)
    check_episodes([step for step in whole if step.policy is not PolicyKind.PERTURBATION], 4)
    # What a restart must not use again are the numbers of the longer kind.
    longest = max(4, length) + 1
    assert with_policy(config).reserved(2).sequence == 2 * longest


@pytest.mark.parametrize(
    ('wanted', 'seen', 'length'),
    [
        (2, 'sss', 3),  # an observation after each of 1 + 2 actions, 2 control steps apart
        (2, 'ssfsss', 6),  # in a row
        (2, 'ffffffff', 8),  # the full length
        (0, 'ssssssss', 8),  # never early
    ],
)
def test_an_attempt_ends_once_success_has_lasted(wanted: int, seen: str, length: int) -> None:
    config = replace(SMALL, episode_steps=8, warmup_steps=0, homing_steps=1, success_steps=wanted)
    # The classifier says yes to positive latents.
    head = SuccessHead(((np.full((LATENT, 1), 5.0, np.float32), np.zeros(1, np.float32)),))
    alternation = Alternation(config, homing=0)
    alternation.policies.add(replace(policy(0, 1), success=head))
    value = {'s': 1.0, 'f': -1.0}
    latents = [1.0, *(value[one] for one in seen)]  # the first is what homing left
    found = [
        alternation.observe(observation(k, latent=np.full(LATENT, latent, np.float32)))
        for k, latent in enumerate(latents)
    ]
    attempt = steps_of(found)
    assert {step.policy for step in attempt} == {PolicyKind.TASK}
    assert [step.last for step in attempt] == [False] * length + [True]
    # What perturbs goes on, whatever it looks like.
    latent = np.ones(LATENT, np.float32)
    after = [alternation.observe(observation(length + 1 + k, latent=latent)) for k in range(9)]
    assert {step.policy for step in steps_of(after)} == {PolicyKind.PERTURBATION}
    assert sum(not step.last for step in steps_of(after)) == 8


def test_without_a_classifier_of_latents_an_attempt_has_its_full_length() -> None:
    config = replace(SMALL, warmup_steps=0, homing_steps=1, success_steps=1)
    attempt = steps_of(run(with_policy(config), 6))
    assert [step.last for step in attempt] == [False] * 4 + [True]


def test_the_robot_homes_for_exactly_the_configured_steps_between_episodes() -> None:
    decisions = run(with_policy(), 40)
    home = np.asarray(SMALL.home)
    kinds = ''.join('h' if d.phase == Phase.HOMING else 'a' for d in decisions)
    assert kinds.startswith('hh' + 'aaaahh' * 5)
    for decision in decisions:
        if decision.phase == Phase.HOMING:
            assert np.array_equal(decision.target, home)


def test_a_repeated_stamp_gets_the_same_command_and_no_step() -> None:
    alternation = with_policy()
    for k in range(30):
        first = alternation.observe(observation(k))
        again = alternation.observe(observation(k, joint_position=np.ones(9)))
        assert np.array_equal(first.target, again.target)
        assert again.step is None
        assert again.phase == first.phase


def test_the_agent_is_done_at_the_step_limit_even_within_an_episode() -> None:
    config = replace(SMALL, steps=18)
    decisions = run(with_policy(config), 60)
    steps = steps_of(decisions)
    assert sum(not step.last for step in steps) == 18
    assert steps[-1].last
    assert decisions[-1].phase == Phase.DONE


def test_warm_up_lasts_until_there_is_an_encoder() -> None:
    alternation = with_policy()
    blind = [alternation.observe(observation(k, 0)) for k in range(32)]
    seeing = run(alternation, 30, 32)
    assert {step.policy for step in steps_of(blind)} == {PolicyKind.RANDOM}
    assert all(step.latent.size == 0 and step.encoder_version == 0 for step in steps_of(blind))
    assert PolicyKind.TASK in {step.policy for step in steps_of(seeing)}


def test_random_actions_are_held_and_depend_on_the_seed_alone() -> None:
    first = [s.action for s in steps_of(run(Alternation(SMALL), 8)) if not s.last]
    again = [s.action for s in steps_of(run(Alternation(SMALL), 8)) if not s.last]
    other = [s.action for s in steps_of(run(Alternation(replace(SMALL, seed=6)), 8)) if not s.last]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


@pytest.mark.parametrize(
    ('mode', 'kinds'),
    [
        ('rnd', [PolicyKind.TASK, PolicyKind.PERTURBATION]),
        ('random', [PolicyKind.TASK, PolicyKind.PERTURBATION]),
        ('none', [PolicyKind.TASK, PolicyKind.TASK]),
    ],
)
def test_the_perturbation_mode_decides_who_acts_between_task_episodes(
    mode: str, kinds: list[PolicyKind]
) -> None:
    config = replace(SMALL, perturbation=mode, warmup_steps=0)
    steps = steps_of(run(with_policy(config), 14))
    by_episode = [[s for s in steps if s.episode == e and not s.last] for e in (0, 1)]
    assert [part[0].policy for part in by_episode] == kinds
    constant = np.full(9, 0.01, dtype=np.float32)
    learned = [np.array_equal(part[0].action, constant) for part in by_episode]
    assert learned == [True, mode != 'random']


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'latent': np.array([0, np.nan, 0], np.float32)}, 'latent is not finite'),
        ({'joint_position': np.full(9, np.inf)}, 'joint positions are not finite'),
        ({'joint_position': np.zeros(8)}, '8 joint positions: expected 9'),
        ({'latent': np.zeros(0, np.float32)}, 'latent of 0 values with encoder version 1'),
        ({'encoder_version': 0}, 'latent of 3 values with encoder version 0'),
    ],
)
def test_an_unusable_observation_is_dropped_whole_and_counted(
    changes: dict[str, object], reason: str
) -> None:
    alternation = with_policy()
    run(alternation, 4)
    before = alternation.state
    decision = alternation.observe(observation(4, **changes))
    assert decision.target is None
    assert decision.step is None
    assert decision.dropped
    assert reason in decision.reason
    assert alternation.dropped == 1
    assert alternation.state == before
    assert alternation.observe(observation(4)).step is not None


def test_a_gap_in_time_ends_the_episode_without_an_end() -> None:
    alternation = with_policy()
    run(alternation, 4)
    decision = alternation.observe(observation(6))
    assert decision.phase == Phase.HOMING
    assert decision.step is None
    assert alternation.interrupted == 1
    steps = steps_of(run(alternation, 4, 7))
    assert steps[0].first
    assert [s.sequence for s in steps] == [2, 3, 4]


def test_a_clock_that_was_set_back_is_followed_but_a_late_message_is_not() -> None:
    alternation = with_policy()
    run(alternation, 20)
    assert alternation.observe(observation(18)).dropped
    assert alternation.observe(observation(20)).target is not None
    assert not alternation.observe(observation(2)).dropped


def test_an_encoder_that_lost_its_weights_sends_the_agent_back_to_random_motion() -> None:
    alternation = with_policy(replace(SMALL, warmup_steps=0))
    assert alternation.observe(observation(0)).phase == Phase.HOMING
    run(alternation, 3, 1)
    assert alternation.phase == Phase.TASK
    after = [alternation.observe(observation(k, 0)) for k in range(4, 10)]
    assert after[0].phase == Phase.HOMING
    assert after[-1].phase == Phase.WARM_UP


def test_three_unusable_actions_in_a_row_fall_back_to_the_version_before() -> None:
    alternation = with_policy(replace(SMALL, warmup_steps=0))
    alternation.policies.add(policy(4, 2, Constant(np.nan)))
    run(alternation, 2)
    tries = [alternation.observe(observation(2)) for _ in range(3)]
    assert [t.dropped for t in tries] == [True, True, False]
    assert tries[-1].step is not None
    assert tries[-1].step.action == pytest.approx(0.01)
    assert not alternation.policies.add(policy(4, 2, Constant(np.nan)))


def test_without_a_version_before_an_unusable_policy_is_not_used_again() -> None:
    alternation = with_policy(replace(SMALL, warmup_steps=0), Constant(np.inf * 0))
    run(alternation, 2)
    for _ in range(3):
        assert alternation.observe(observation(2)).target is None
    assert run(alternation, 4, 3)[-1].phase == Phase.WAITING
    alternation.policies.add(policy(0, 2))
    assert alternation.observe(observation(7)).phase == Phase.TASK


def test_latents_that_the_policy_does_not_expect_are_waited_out() -> None:
    alternation = with_policy(replace(SMALL, warmup_steps=0))
    run(alternation, 2)
    wide = observation(2, latent=np.zeros(5, np.float32))
    decision = alternation.observe(wide)
    assert decision.phase == Phase.WAITING
    assert 'policy expects 3 latents: got 5' in decision.reason


def test_images_between_two_control_steps_are_early() -> None:
    alternation = with_policy()
    assert not alternation.early(5)
    run(alternation, 2)
    assert alternation.early(1 + PERIOD + PERIOD // 3)
    assert not alternation.early(1 + PERIOD)
    assert not alternation.early(1 + 2 * PERIOD)


def test_a_restart_from_the_reserved_state_repeats_no_sequence_number() -> None:
    alternation = with_policy()
    before = steps_of(run(alternation, 3))
    kept = alternation.reserved(2)
    before += steps_of(run(alternation, 2, 3))
    restarted = Alternation(SMALL, AgentState.from_json(kept.to_json(), 'valve'))
    restarted.policies.add(policy(0, 1))
    restarted.note_received(3)
    after = steps_of(run(restarted, 20, 10))
    assert after[0].sequence == before[0].sequence + 10
    assert after[0].episode == 2
    assert restarted.state.env_steps == 3 + sum(not s.last for s in after)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_invariants_hold_whatever_arrives(data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 5))
    config = AgentConfig(
        steps=data.draw(st.integers(1, 30)),
        warmup_steps=data.draw(st.integers(0, 12)),
        episode_steps=length,
        perturbation_share=1.0,
        homing_steps=data.draw(st.integers(1, 3)),
        perturbation=data.draw(st.sampled_from(['rnd', 'random', 'none'])),
        lockstep=data.draw(st.booleans()),
    )
    alternation = Alternation(config)
    steps: list[Step] = []
    k = version = 0
    low, high = np.asarray(config.joint_low), np.asarray(config.joint_high)
    for _ in range(data.draw(st.integers(0, 120))):
        event = data.draw(st.sampled_from(['next', 'next', 'next', 'again', 'nan', 'policy']))
        if event == 'policy':
            version += 1
            alternation.policies.add(policy(alternation.state.env_steps, version, Noisy()))
        elif event == 'nan':
            bad = observation(k, latent=np.full(3, np.nan, np.float32))
            assert alternation.observe(bad).step is None
        else:
            answer = alternation.observe(observation(k))
            again = alternation.observe(observation(k))
            assert again.step is None
            if answer.target is not None:
                assert np.array_equal(answer.target, again.target)
                assert (low - 1e-6 <= answer.target).all()
                assert (answer.target <= high + 1e-6).all()
                k += event == 'next'
            if answer.step is not None:
                steps.append(answer.step)
                assert (np.abs(answer.step.action) <= 1).all()
    assert [s.sequence for s in steps] == list(range(len(steps)))
    taken = sum(not s.last for s in steps)
    assert taken == alternation.state.env_steps <= config.steps
    complete = {s.episode for s in steps if s.last}
    cut = taken % length if taken == config.steps else 0
    whole = [s for s in steps if s.episode in complete]
    if cut:
        whole = [s for s in whole if s.episode != whole[-1].episode]
    check_episodes(whole, length)
