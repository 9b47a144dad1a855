# SPDX-License-Identifier: Apache-2.0
"""The learned reset: the perturbation is rewarded by a second classifier, and by that alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_agent.core.replay.buffer import PERTURBATION, RESET, Row, TASK
from r3l_agent.core.schedule import Model
from r3l_agent.core.training import Training
from r3l_agent.core.training_config import LearnerConfig
from r3l_reward.core.vice import RewardModel, trainer_of, ViceConfig
import torch

JOINTS = JointRange((-1.0,) * 9, (1.0,) * 9)
CONFIG = LearningConfig(
    capacity=60, hidden=(16, 16), batch=16, rnd_hidden=16, perturbation='goals',
    perturbation_interval=1,
)  # fmt: skip

MakeRow = Callable[..., Row]
MakeModel = Callable[..., Model]


def classifiers(form: str = 'log_sigmoid') -> tuple[dict, dict]:
    rng = np.random.default_rng(0)
    goals, starts = (rng.normal(mean, 1, (20, 4)).astype(np.float32) for mean in (1, -1))
    trainer = trainer_of(ViceConfig(hidden=(8, 8), form=form), goals, starts)
    trainer.round(rng.normal(size=(5, 64, 4)).astype(np.float32))
    return trainer.weights()


def learner_of(
    make_row: MakeRow, encoder: Model, config: LearningConfig = CONFIG, path: Path | None = None
) -> Learner:
    learner = Learner(config, JOINTS, latent_size=4, seed=3, folder=path)
    learner.set_encoder(encoder.tensors, encoder.metadata)
    for sequence in range(40):
        learner.add(make_row(sequence, policy=(TASK, PERTURBATION)[sequence // 5 % 2]))
    learner.set_reward(*classifiers(), version=1)
    return learner


def test_each_policy_is_rewarded_by_its_own_classifier(
    make_row: MakeRow, encoder_model: MakeModel
) -> None:
    learner = learner_of(make_row, encoder_model())
    slots = np.array([0, 7, 12])
    latents = learner.replay.arrays['latent'][slots + 1]
    for reset, batch in (
        (False, learner._task_batch(slots)),
        (True, learner._perturbation_batch(slots)),
    ):
        model = RewardModel.from_weights(*classifiers(), reset=reset)
        assert torch.allclose(batch.reward, torch.from_numpy(model.reward(model.logits(latents))))
    assert not np.allclose(learner.score(slots), learner.score(slots, RESET))


def test_no_novelty_is_learned_beside_it(make_row: MakeRow, encoder_model: MakeModel) -> None:
    learner = learner_of(make_row, encoder_model())
    before = {name: value.clone() for name, value in learner.perturbation_rnd.state().items()}
    learner.update()
    after = learner.perturbation_rnd.state()
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert 'reset/reward_mean' in learner.metrics()
    assert 'rnd/loss' not in learner.metrics()


def test_it_waits_for_both_classifiers(
    make_row: MakeRow, encoder_model: MakeModel, classifier_model: MakeModel
) -> None:
    learner = learner_of(make_row, encoder_model())
    assert learner.ready()
    learner.reset_model = None
    assert not learner.ready()
    single = classifier_model()
    with pytest.raises(ValueError, match=r'no second classifier.*reward\.reset_goals'):
        learner.set_reward(single.tensors, single.metadata, 2)
    training = Training(LearnerConfig(perturbation='goals', latent_size=4))
    with pytest.raises(ValueError, match=r'no second classifier.*reward\.reset_goals'):
        training.add_classifier(single)


def test_a_loaded_learner_continues_bit_for_bit(
    make_row: MakeRow, encoder_model: MakeModel, tmp_path: Path
) -> None:
    config = replace(CONFIG, normalise_reward=True, n_step=2)
    original = learner_of(make_row, encoder_model(), config, tmp_path / 'replay')
    for _ in range(3):
        original.update()
    resumed = Learner(config, JOINTS, latent_size=4, seed=3, folder=tmp_path / 'replay')
    resumed.encoder = original.encoder
    resumed.set_reward(*classifiers(), version=1)
    resumed.load(*original.state())
    for _ in range(3):
        original.update()
        resumed.update()
    expected, found = original.state(), resumed.state()
    assert expected[1] == found[1]
    assert all(np.array_equal(expected[0][name], found[0][name]) for name in expected[0])
    assert resumed.metrics() == original.metrics()


def test_a_state_of_one_classifier_is_still_read(
    make_row: MakeRow, encoder_model: MakeModel
) -> None:
    learner = learner_of(make_row, encoder_model())
    tensors, metadata = learner.state()
    learner.load(tensors, {**metadata, 'reward_std': '0.25'})
    assert learner._reward_std == [0.25, 1.0]
