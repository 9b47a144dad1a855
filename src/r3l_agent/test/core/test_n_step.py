# SPDX-License-Identifier: Apache-2.0
"""Returns of several steps: against sums written out by hand; they stop where episodes do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_agent.core.replay.buffer import PERTURBATION, Replay, Row, TASK
from r3l_agent.core.sac.learner import Batch, Sac, SacConfig
from r3l_agent.core.schedule import Model
from r3l_node.core.ring import go_back
import torch

JOINTS = JointRange((-1.0,) * 9, (1.0,) * 9)
CONFIG = LearningConfig(
    capacity=60, image_size=32, hidden=(16, 16), batch=16, rnd_hidden=16, n_step=3, discount=0.9
)

Maker = Callable[..., Model]


def learner_of(
    config: LearningConfig, make_row: Callable[..., Row], classifier_model: Maker
) -> Learner:
    """Make a learner with episodes of four actions, rows 5 k to 5 k + 4, of both policies."""
    learner = Learner(config, JOINTS, latent_size=4, seed=3)
    for sequence in range(40):
        learner.add(make_row(sequence, policy=(TASK, PERTURBATION)[sequence // 5 % 2]))
    model = classifier_model()
    learner.set_reward(model.tensors, model.metadata, 1)
    return learner


def rewards_of(learner: Learner, rows: list[int]) -> list[float]:
    logits = learner.reward_model.logits(learner.replay.arrays['latent'][rows])
    return [float(value) for value in learner.reward_model.reward(logits)]


@pytest.fixture
def learner(make_row: Callable[..., Row], classifier_model: Maker) -> Learner:
    return learner_of(CONFIG, make_row, classifier_model)


def test_a_return_is_the_discounted_sum_up_to_the_end_of_the_episode(learner: Learner) -> None:
    batch = learner._task_batch(np.array([0, 2, 3, 6]))
    arrays = learner.replay.arrays
    for index, followed in enumerate([[1, 2, 3], [3, 4], [4], [7, 8, 9]]):
        expected = sum(0.9**k * r for k, r in enumerate(rewards_of(learner, followed)))
        assert batch.reward[index] == pytest.approx(expected, abs=1e-5)
        assert batch.discount[index] == pytest.approx(0.9 ** len(followed))
        latent = batch.next_observation[index][:4].numpy()
        assert np.array_equal(latent, arrays['latent'][followed[-1]])
    assert batch.terminal.tolist() == [0.0] * 4


def test_without_bootstrap_a_return_that_reaches_the_end_is_terminal(
    make_row: Callable[..., Row], classifier_model: Maker
) -> None:
    config = replace(CONFIG, bootstrap_switch=False)
    batch = learner_of(config, make_row, classifier_model)._task_batch(np.array([0, 1, 2, 3]))
    assert batch.terminal.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_one_step_is_what_it_was(make_row: Callable[..., Row], classifier_model: Maker) -> None:
    learner = learner_of(replace(CONFIG, n_step=1), make_row, classifier_model)
    batch = learner._task_batch(np.array([0, 3]))
    assert batch.discount is None
    assert batch.reward.tolist() == pytest.approx(rewards_of(learner, [1, 4]))


@pytest.mark.parametrize('rnd_input', ['latent', 'pixels'])
def test_novelty_sums_up_too_and_is_learned_from_the_first_step_alone(
    make_row: Callable[..., Row], classifier_model: Maker, rnd_input: str
) -> None:
    one, three = (
        learner_of(replace(CONFIG, rnd_input=rnd_input, n_step=n), make_row, classifier_model)
        for n in (1, 3)
    )
    slots = np.array([5, 7, 8, 6])
    first = one._perturbation_batch(slots).reward
    rows, steps = three.replay.ahead(slots, 3)
    total = three._perturbation_batch(slots).reward
    assert all(
        torch.equal(value, three.perturbation_rnd.state()[name])
        for name, value in one.perturbation_rnd.state().items()
    )
    before = rows if rnd_input == 'latent' else np.concatenate([slots[None], rows[:-1]])
    for index, count in enumerate(steps):
        later = three.perturbation_rnd.measure(three._rnd_inputs(before[1:count, index]))
        expected = first[index] + sum(0.9 ** (k + 1) * value for k, value in enumerate(later))
        assert total[index] == pytest.approx(float(expected), rel=1e-4)


def test_steps_cross_no_gap_no_interruption_and_no_wrap(make_row: Callable[..., Row]) -> None:
    replay = Replay(None, 8, 32, 4, 9)
    for sequence in (0, 1, 2, 3):
        replay.append(make_row(sequence))
    replay.interrupt(2)
    assert [list(x) for x in replay.ahead(np.array([0, 2]), 4)[0].T] == [[1] * 4, [3] * 4]
    for sequence in (5, 6, 7, 11, 12, 13):  # 11 lies in slot 7, 12 in 0, 13 in 1
        replay.append(make_row(sequence))
    rows, steps = replay.ahead(np.array([5, 7, 0]), 4)
    assert rows.T.tolist() == [[6] * 4, [0, 1, 1, 1], [1] * 4]
    assert steps.tolist() == [1, 2, 1]


def test_steps_do_not_lead_into_a_life_that_was_taken_back(
    make_row: Callable[..., Row], tmp_path: Path
) -> None:
    replay = Replay(tmp_path, 20, 32, 4, 9)
    for sequence in range(10):
        replay.append(make_row(sequence))
    replay.ring.flush()
    go_back(tmp_path, 7)
    rows, steps = Replay(tmp_path, 20, 32, 4, 9).ahead(np.array([1, 5]), 3)
    assert rows.T.tolist() == [[2, 3, 4], [6, 6, 6]]
    assert steps.tolist() == [3, 1]


def test_the_actor_waits_for_its_interval(
    make_row: Callable[..., Row], classifier_model: Maker
) -> None:
    config = replace(CONFIG, actor_interval=2, perturbation_interval=3, n_step=1)
    learner = learner_of(config, make_row, classifier_model)
    found = []
    for _ in range(12):
        before = [sac.state() for sac in (learner.task, learner.perturbation)]
        before = [{name: value.clone() for name, value in state.items()} for state in before]
        learner.update()
        after = [sac.state() for sac in (learner.task, learner.perturbation)]
        found.append(
            [not torch.equal(b[k], a[k]) for b, a in zip(before, after, strict=True)
             for k in ('critic', 'actor', 'log_temperature')]
        )  # fmt: skip
    task = [[True, True, True], [True, False, False]] * 6
    both = [[True] * 3, [True, False, False]]
    perturbation = [both[n // 3 % 2] if n % 3 == 0 else [False] * 3 for n in range(12)]
    assert found == [one + two for one, two in zip(task, perturbation, strict=True)]


def test_a_chain_of_rewards_has_its_value_with_any_number_of_steps() -> None:
    # One reward of 1 at the end of five states in a row: the values are powers of the discount.
    states = torch.eye(6)
    values = {}
    for n in (1, 3):
        config = SacConfig(6, 1, (64,), 2, 2, False, 0.9, 3e-3, 0.05, -100.0, 1e-6)
        sac = Sac(config, seed=0)
        steps = torch.tensor([min(n, 5 - s) for s in range(5)])
        end = torch.arange(5) + steps
        reward = torch.where(end == 5, 0.9 ** (steps - 1), torch.zeros(5))
        for _ in range(400):
            batch = Batch(
                states[:5], torch.zeros(5, 1), reward, states[end], (end == 5).float(), 0.9**steps
            )
            sac.update(batch, actor=False)
        inputs = torch.cat([states[:5], torch.zeros(5, 1)], dim=-1)
        values[n] = sac.critic.forward(sac.critic.layers(sac.critic_flat), inputs)[0, :, 0]
    expected = 0.9 ** torch.arange(4, -1, -1)
    assert torch.allclose(values[3], expected, atol=0.1)
    assert (values[3] - expected).abs().max() < (values[1] - expected).abs().max()
