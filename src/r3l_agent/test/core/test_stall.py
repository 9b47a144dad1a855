# SPDX-License-Identifier: Apache-2.0
"""A training that stands still is noticed, shaken harder and harder, and left alone again."""

from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.agent_state import AgentState
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Observation, PolicyKind, PolicyVersion
from r3l_agent.core.interventions import append, INTERVENTIONS, rewind
from r3l_agent.core.observation import ObservationSpec
from r3l_agent.core.policy_store import read_version
from r3l_agent.core.replay.buffer import Row
from r3l_agent.core.schedule import Model
from r3l_agent.core.stall import StallGuard
from r3l_agent.core.training import Training
from r3l_agent.core.training_config import LearnerConfig
from r3l_node.core.records import read_lines
from r3l_node.core.weights import unpack, WeightsError

SMALL = LearnerConfig(
    warmup_steps=8, latent_size=4, hidden=(8,), batch=16, capacity=100, rnd_hidden=8,
    rnd_learning_rate=1e-2, stall_tolerance=0.1,
    rnd_output=4, round_steps=10, stall_guard=True, stall_window=20, stall_entropy=2.0,
)  # fmt: skip

MakeRow = Callable[..., Row]
MakeModel = Callable[..., Model]


class Course:
    """Feeds a guard window after window."""

    def __init__(self, guard: StallGuard) -> None:
        self.guard = guard
        self._rng = np.random.default_rng(0)

    def window(self, reward: float, novelty: float, spread: float) -> int:
        """Let a window of 100 env steps pass; return the level."""
        for _ in range(100):
            self.guard.see(self._rng.uniform(-spread, spread, 4).astype(np.float32))
            self.guard.learn(reward, novelty)
        return self.guard.judge().level


def settled() -> Course:
    """Return a course that has learned for a while."""
    course = Course(StallGuard(0.2, 4, seed=0))
    for reward, novelty, spread in ((0.1, 1.0, 1.0), (0.4, 0.6, 2.0), (0.7, 0.2, 3.0)):
        assert course.window(reward, novelty, spread) == 0
    return course


def test_a_stall_raises_the_level_step_by_step_and_a_movement_lowers_it() -> None:
    course = settled()
    assert [course.window(0.7, 0.2, 3.0) for _ in range(5)] == [1, 2, 3, 3, 3]
    assert course.window(0.7, 0.5, 3.0) == 2
    assert course.window(0.2, 0.5, 3.0) == 1
    assert course.window(0.2, 0.5, 3.0) == 2


@pytest.mark.parametrize('moving', ['reward', 'novelty', 'spread'])
def test_one_of_the_three_that_moves_is_no_stall(moving: str) -> None:
    course = settled()
    values = {'reward': 0.7, 'novelty': 0.2, 'spread': 3.0}
    for factor in (0.5, 1.0, 0.5):
        values[moving] = factor * {'reward': 0.7, 'novelty': 0.9, 'spread': 3.0}[moving]
        assert course.window(**values) == 0


def test_without_novelty_and_latents_the_reward_alone_counts() -> None:
    guard = StallGuard(0.1, 4, seed=0)
    levels = []
    for reward in (0.1, 0.5, 0.5, 0.5, 0.2):
        guard.see(np.zeros(0, np.float32))
        guard.learn(reward)
        found = guard.judge()
        levels.append(found.level)
        assert set(found.figures) == {'reward'}
    assert levels == [0, 0, 1, 2, 1]


def test_a_window_without_updates_is_not_judged() -> None:
    course = settled()
    course.window(0.7, 0.2, 3.0)
    course.guard.see(np.ones(4, np.float32))
    judgement = course.guard.judge()
    assert (judgement.level, judgement.changed, judgement.figures) == (1, False, {})


def test_a_loaded_guard_continues_exactly() -> None:
    course = settled()
    course.guard.see(np.ones(4, np.float32))
    course.guard.learn(0.7, 0.2)
    other = StallGuard(0.2, 4, seed=0)
    other.load(*course.guard.state())
    for guard in (course.guard, other):
        guard.see(-np.ones(4, np.float32))
        guard.learn(0.6)
    assert other.judge() == course.guard.judge()
    assert other.state()[1] == course.guard.state()[1]


def standing_still(
    config: LearnerConfig, make_row: MakeRow, encoder: Model, classifier: Model
) -> Training:
    """Return a training to which the same few observations come again and again."""
    training = Training(config)
    training.set_encoder(encoder)
    training.add_classifier(classifier)
    return training


def advance(training: Training, make_row: MakeRow, first: int, count: int) -> None:
    for sequence in range(first, first + count):
        # All kinds of observations in the beginning, then the same one again and again.
        same = make_row(min(sequence, 60) // 5 * 5, policy=(2, 3)[sequence // 5 % 2])
        first, last = sequence % 5 == 0, sequence % 5 == 4
        training.add(same._replace(sequence=sequence, first=first, last=last), 1)
        training.use_classifier()
        while training.owed and training.learner.ready():
            training.update()


def test_a_synthetic_stall_raises_the_entropy_and_tells_the_agent(
    make_row: MakeRow, encoder_model: MakeModel, classifier_model: MakeModel, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path))
    training = standing_still(config, make_row, encoder_model(), classifier_model())
    advance(training, make_row, 0, 50)
    assert training.learner.metrics()['stall/level'] == 0.0
    assert 'stall_level' not in unpack(training.policy(0))[1]
    advance(training, make_row, 50, 250)
    level = training.learner.stall_level
    assert level in (1, 2, 3)
    assert training.learner.metrics()['stall/level'] == level
    for sac in (training.learner.task, training.learner.perturbation):
        assert sac.target_entropy == config.target_entropy + 2.0 * level
    tensors, metadata = unpack(training.policy(0))
    kinds = (PolicyKind.TASK, PolicyKind.PERTURBATION)
    assert read_version(tensors, metadata, 0, 1, 9, kinds).stall_level == level
    lines = read_lines(tmp_path / INTERVENTIONS)
    assert [line['env_steps'] % 20 for line in lines] == [0] * len(lines)
    assert lines[0]['kind'] == 'stall'
    assert lines[0]['level'] == 1
    assert lines[-1]['level'] == level
    assert set(lines[0]) >= {'reward', 'novelty', 'coverage'}


def test_a_restart_continues_a_stalled_training_exactly(
    make_row: MakeRow, encoder_model: MakeModel, classifier_model: MakeModel, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path / 'cut'))
    whole = replace(config, run=str(tmp_path / 'whole'))
    models = (make_row, encoder_model(), classifier_model())
    expected, first = standing_still(whole, *models), standing_still(config, *models)
    advance(expected, make_row, 0, 251)
    advance(first, make_row, 0, 251)
    first.save()
    # What is said after the checkpoint is lost with it.
    append(Path(config.run), 'stall', 10_000, {'level': 3})
    resumed = standing_still(config, *models)
    assert resumed.learner.stall_level == expected.learner.stall_level
    advance(expected, make_row, 251, 100)
    advance(resumed, make_row, 251, 100)
    assert resumed.policy(0) == expected.policy(0)
    one, other = ((Path(run) / INTERVENTIONS).read_bytes() for run in (config.run, whole.run))
    assert one == other


def test_without_the_guard_nothing_is_watched(make_row: MakeRow, tmp_path: Path) -> None:
    training = Training(replace(SMALL, stall_guard=False, run=str(tmp_path)))
    training.save()
    tensors, metadata = training.state()
    assert not [name for name in [*tensors, *metadata] if 'stall' in name]
    assert 'stall/level' not in training.learner.metrics()


def test_a_file_of_interventions_is_cut_at_a_checkpoint(tmp_path: Path) -> None:
    rewind(tmp_path, 5)
    for env_steps in (3, 5, 8):
        append(tmp_path, 'stall', env_steps, {'level': 1})
    with (tmp_path / INTERVENTIONS).open('a', encoding='utf-8') as file:
        file.write('{"env_st')
    rewind(tmp_path, 8)
    rewind(tmp_path, 7)
    lines = (tmp_path / INTERVENTIONS).read_text(encoding='utf-8').splitlines()
    assert [json.loads(line)['env_steps'] for line in lines] == [3, 5]


class Still:
    """An actor that does not move."""

    def act(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return np.zeros(9, np.float32)


def episodes(level: int, count: int, perturbation: str = 'rnd') -> list[tuple[str, bool]]:
    """Let the agent act; return the policy of each episode and whether its motion is random."""
    config = AgentConfig(
        steps=10_000, warmup_steps=0, episode_steps=2, homing_steps=1, perturbation=perturbation
    )
    alternation = Alternation(config)
    actors = {PolicyKind.TASK: Still(), PolicyKind.PERTURBATION: Still()}
    version = PolicyVersion(9_000, 1, ObservationSpec(2, 9, 1), actors, stall_level=level)
    alternation.policies.add(version)
    found: list[tuple[str, bool]] = []
    k = 0
    while len(found) < count:
        stamp = 1 + k * 200_000_000
        latent = np.zeros(2, np.float32)
        step = alternation.observe(Observation(stamp, np.zeros(9), latent, 1)).step
        k += 1
        if step is not None and step.first:
            found.append((step.policy.name.lower(), bool(step.action.any())))
    return found


TASK, NOVELTY, RANDOM = ('task', False), ('perturbation', False), ('perturbation', True)


@pytest.mark.parametrize(
    ('level', 'expected'),
    [
        (0, [TASK, NOVELTY] * 4),
        (1, [TASK, NOVELTY, TASK, RANDOM] * 2),
        (2, [TASK, NOVELTY, RANDOM] * 3),
        (3, [TASK, NOVELTY, RANDOM] * 3),
    ],
)
def test_the_agent_perturbs_more_at_each_level(
    level: int, expected: list[tuple[str, bool]]
) -> None:
    assert episodes(level, len(expected)) == expected


def test_where_nothing_perturbs_a_stall_changes_no_turn() -> None:
    assert episodes(3, 4, 'none') == [TASK] * 4
    assert episodes(1, 4, 'random') == [TASK, RANDOM] * 2


@pytest.mark.parametrize('turn', [4, 5])
def test_an_older_state_of_the_agent_keeps_its_turn(turn: int) -> None:
    values = json.loads(AgentState('valve', turn=turn).to_json())
    del values['since_task']
    state = AgentState.from_json(json.dumps(values), 'valve')
    assert state.since_task == (2 if turn == 4 else 0)


def test_a_level_that_is_no_count_is_refused(make_row: MakeRow, encoder_model: MakeModel) -> None:
    training = Training(replace(SMALL, stall_guard=False))
    tensors, metadata = training.learner.policy_weights()
    with pytest.raises(WeightsError, match="stall_level 'high': expected a count"):
        read_version(tensors, {**metadata, 'stall_level': 'high'}, 0, 1, 9)
