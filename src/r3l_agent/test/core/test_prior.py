# SPDX-License-Identifier: Apache-2.0
"""Experience of earlier runs: a share of every batch, with today's latents and rewards."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.memory import Memory
from r3l_agent.core.observation import JointRange, Layout
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Replay, Row, TASK
from r3l_agent.core.schedule import Model
from r3l_agent.core.training import PRIOR, Training
from r3l_agent.core.training_config import LearnerConfig
from r3l_node.core.errors import ConfigError
import torch

JOINTS = JointRange((-1.0,) * 9, (1.0,) * 9)
CONFIG = LearningConfig(
    capacity=200, hidden=(16, 16), batch=16, rnd_hidden=16, perturbation_interval=2
)
Maker = Callable[..., Model]
Rows = Callable[..., Row]


@pytest.fixture
def prior(tmp_path: Path, make_row: Rows) -> Path:
    """Write 30 rows of earlier experience, of random motion and of a task policy."""
    replay = Replay(tmp_path / 'prior', 30, 32, 4, 9)
    for sequence in range(100, 130):
        policy = (RANDOM, TASK)[sequence // 5 % 2]
        replay.append(make_row(sequence, policy=policy, encoded=False))
    replay.ring.flush()
    return tmp_path / 'prior'


def learner_of(
    config: LearningConfig, prior: Path | None, make_row: Rows, encoder: Model, classifier: Model
) -> Learner:
    learner = Learner(config, JOINTS, latent_size=4, seed=3, prior=prior)
    for sequence in range(40):
        policy = (TASK, PERTURBATION)[sequence // 5 % 2]
        learner.add(make_row(sequence, policy=policy, encoded=False))
    learner.set_encoder(encoder.tensors, encoder.metadata)
    learner.set_reward(classifier.tensors, classifier.metadata, 1)
    return learner


@pytest.fixture
def make(make_row: Rows, encoder_model: Maker, classifier_model: Maker) -> Callable[..., Learner]:
    """Provide a function that makes a learner that is ready."""

    def learner(config: LearningConfig, prior: Path | None) -> Learner:
        return learner_of(config, prior, make_row, encoder_model(), classifier_model())

    return learner


def rewards_of(learner: Learner, memory: Memory, rows: np.ndarray) -> list[float]:
    assert learner.reward_model is not None
    logits = learner.reward_model.logits(memory.replay.arrays['latent'][rows])
    return [float(value) for value in learner.reward_model.reward(logits)]


def test_stored_images_get_latents_of_todays_encoder(
    make: Callable[..., Learner], prior: Path, encoder_model: Maker
) -> None:
    learner = make(CONFIG, prior)
    assert learner.prior is not None
    arrays = learner.prior.replay.arrays
    assert np.allclose(arrays['latent'], learner.encode(arrays['image']), atol=1e-6)
    before = arrays['latent'].copy()
    other = encoder_model(version=2, seed=9)
    learner.set_encoder(other.tensors, other.metadata)
    assert not np.allclose(arrays['latent'], before)


@pytest.mark.parametrize('n_step', [1, 3])
def test_a_batch_joins_both_with_todays_rewards(
    make: Callable[..., Learner], prior: Path, n_step: int, classifier_model: Maker
) -> None:
    learner = make(replace(CONFIG, n_step=n_step), prior)
    assert learner.prior is not None
    own, earlier = np.array([0, 8]), np.array([3, 23, 18])
    for version in (1, 2):
        model = classifier_model(version=version)
        learner.set_reward(model.tensors, model.metadata, version)
        batch = learner._task_batch(own, earlier)
        # Rows 3, 8, 18 and 23 are the last steps of their episodes.
        expected = rewards_of(learner, learner.memory, np.array([9]))
        expected += rewards_of(learner, learner.prior, earlier + 1)
        assert batch.reward[1:].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(
        batch.action[2:], torch.from_numpy(learner.prior.replay.arrays['action'][earlier])
    )
    latents = learner.prior.replay.arrays['latent']
    assert np.array_equal(batch.observation[2:, :4].numpy(), latents[earlier])
    assert np.array_equal(batch.next_observation[2:, :4].numpy(), latents[earlier + 1])
    change = latents[earlier] - latents[earlier - 1]
    assert np.allclose(batch.observation[2:, 4:8].numpy(), change, atol=1e-6)


@pytest.mark.parametrize(('share', 'count'), [(0.5, 8), (0.25, 4), (1.0, 14)])
def test_the_share_of_a_batch_is_that_of_the_parameter(
    make: Callable[..., Learner], prior: Path, share: float, count: int
) -> None:
    learner = make(replace(CONFIG, prior_share=share), prior)
    own, earlier = learner._drawn(np.random.default_rng(0), TASK)
    assert (len(own), len(earlier)) == (16 - count, count)
    assert not set(earlier % 5) & {4}
    learner.update()
    learner.update()
    metrics = learner.metrics()
    assert np.isfinite(list(metrics.values())).all()
    assert {'train/prior_reward_mean', 'rnd/prior_reward_mean'} <= metrics.keys()


def test_novelty_is_learned_from_this_run_alone_and_told_of_both(
    make: Callable[..., Learner], prior: Path
) -> None:
    alone, both = make(CONFIG, None), make(CONFIG, prior)
    own, earlier = np.array([5, 7]), np.array([1, 2, 3])
    expected = alone._perturbation_batch(own).reward
    reward = both._perturbation_batch(own, earlier).reward
    assert torch.equal(reward[:2], expected)
    for name, value in alone.perturbation_rnd.state().items():
        assert torch.equal(value, both.perturbation_rnd.state()[name]), name
    measured = both.perturbation_rnd.measure(both._rnd_inputs(earlier + 1, both.prior))
    assert torch.equal(reward[2:], measured)


def test_without_a_prior_the_share_changes_nothing(make: Callable[..., Learner]) -> None:
    plain, other = make(CONFIG, None), make(replace(CONFIG, prior_share=0.1), None)
    for learner in (plain, other):
        for _ in range(3):
            learner.update()
    expected, found = plain.policy_weights()[0], other.policy_weights()[0]
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert plain.metrics() == other.metrics()
    assert not [name for name in plain.metrics() if 'prior' in name]


def test_separate_replays_take_only_what_their_policy_may_see(
    make: Callable[..., Learner], tmp_path: Path, make_row: Rows
) -> None:
    replay = Replay(tmp_path / 'of_tasks', 10, 32, 4, 9)
    for sequence in range(10):
        replay.append(make_row(sequence, policy=TASK, encoded=False))
    learner = make(replace(CONFIG, share_replay=False), tmp_path / 'of_tasks')
    rng = np.random.default_rng(0)
    assert [len(part) for part in learner._drawn(rng, TASK)] == [8, 8]
    assert [len(part) for part in learner._drawn(rng, PERTURBATION)] == [16]


def config_of(run: Path, **more: float) -> LearnerConfig:
    return LearnerConfig(
        run=str(run), latent_size=4, capacity=50, warmup_steps=8, hidden=(8,), batch=8,
        rnd_hidden=8, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_run_learns_from_what_lies_in_its_folder(prior: Path, tmp_path: Path) -> None:
    run = tmp_path / 'run'
    (run / PRIOR).parent.mkdir(parents=True)
    prior.rename(run / PRIOR)
    training = Training(config_of(run))
    assert training.learner.prior is not None
    assert training.learner.prior.replay.transitions() == 24
    assert Training(config_of(run, prior_share=0.0)).learner.prior is None
    with pytest.raises(ConfigError, match='expected a world with a camera'):
        Training(config_of(run), Layout(features=3))
    assert Training(config_of(tmp_path / 'other')).learner.prior is None


def test_rows_found_at_the_start_are_linked_as_they_came(tmp_path: Path, make_row: Rows) -> None:
    for count in (3, 24, 41):
        folder = tmp_path / str(count)
        replay = Replay(folder, 20, 32, 4, 9)
        for sequence in range(count):
            policy = (RANDOM, TASK, PERTURBATION)[sequence // 5 % 3]
            replay.append(make_row(sequence + 2 * (sequence > 7), policy=policy))
        again = Replay(folder, 20, 32, 4, 9)
        for policies in ((RANDOM,), (TASK,), (PERTURBATION,), (RANDOM, TASK, PERTURBATION)):
            assert again.transitions(policies) == replay.transitions(policies)
            if replay.transitions(policies):
                drawn = (one.sample(np.random.default_rng(1), 30, policies)
                         for one in (again, replay))  # fmt: skip
                assert np.array_equal(*drawn)
