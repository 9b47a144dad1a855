# SPDX-License-Identifier: Apache-2.0
"""The learner of both policies: ratios, rewards of today's classifier, exact continuation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.memory import Draw
from r3l_agent.core.observation import JointRange
from r3l_agent.core.policy_store import read_version
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Row, TASK
from r3l_node.core.weights import WeightsError
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.vice import ViceConfig, ViceTrainer
import torch

JOINTS = JointRange((-1.0,) * 2, (1.0,) * 2)
CONFIG = LearningConfig(capacity=200, image_size=32, hidden=(16, 16), batch=16, rnd_hidden=16)


def rows(count: int = 60, length: int = 9) -> list[Row]:
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        episode, step = divmod(index, length + 1)
        last = step == length
        image = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        action = rng.uniform(-1, 1, 2).astype(np.float32) * (not last)
        position = rng.uniform(-1, 1, 2).astype(np.float32)
        policy = (RANDOM, TASK, PERTURBATION)[episode % 3]
        latent = np.zeros(0, np.float32)
        found.append(Row(index, policy, step == 0, last, image, position, action, action, latent))
    return found


def ready(config: LearningConfig = CONFIG, folder: Path | None = None) -> Learner:
    learner = Learner(config, JOINTS, latent_size=4, seed=3, folder=folder)
    vae = Vae(VaeConfig(latent_size=4), torch.Generator().manual_seed(0))
    for row in rows():
        learner.add(row)
    learner.set_encoder(*to_weights(vae))
    learner.set_reward(*classifier(), version=1)
    return learner


def classifier(seed: int = 0, form: str = 'log_sigmoid') -> tuple[dict, dict]:
    goals = np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)
    return ViceTrainer(ViceConfig(hidden=(8, 8), form=form), goals, seed).weights()


def test_it_is_ready_only_with_encoder_classifier_and_experience() -> None:
    learner = Learner(CONFIG, JOINTS, latent_size=4)
    assert not learner.ready()
    assert ready().ready()


def test_latents_of_stored_images_are_those_of_the_encoder() -> None:
    learner = ready()
    images = learner.replay.arrays['image'][:5]
    assert np.allclose(learner.replay.arrays['latent'][:5], learner.encode(images))


def test_an_encoder_of_another_latent_size_is_refused() -> None:
    vae = Vae(VaeConfig(latent_size=5), torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match='latents of 5: expected 4'):
        ready().set_encoder(*to_weights(vae))


def test_rewards_follow_the_newest_classifier() -> None:
    learner = ready()
    slots = np.arange(5)
    draws = [Draw(learner.memory, slots - 1, slots[None], np.ones(5, np.int64))]
    before = learner._reward(draws)[0]
    learner.set_reward(*classifier(seed=1), version=2)
    after = learner._reward(draws)[0]
    logits = learner.reward_model.logits(learner.replay.arrays['latent'][slots])
    assert np.allclose(after, learner.reward_model.reward(logits), atol=1e-6)
    assert not np.allclose(before, after)


def test_the_classifier_travels_with_the_policies() -> None:
    learner = ready()
    version = read_version(*learner.policy_weights(), env_steps=0, version=1, actions=2)
    latents = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    expected = 1.0 / (1.0 + np.exp(-learner.reward_model.logits(latents)))
    assert version.success is not None
    assert [version.success.probability(one) for one in latents] == pytest.approx(expected)


def test_a_reward_that_says_nothing_ends_no_attempt() -> None:
    learner = ready()
    learner.set_reward(*classifier(form='constant'), version=2)
    version = read_version(*learner.policy_weights(), env_steps=0, version=1, actions=2)
    assert version.success is None


def test_a_classifier_of_other_latents_is_refused() -> None:
    tensors, metadata = ready().policy_weights()
    tensors['success.weight0'] = tensors['success.weight0'][:3]
    with pytest.raises(WeightsError, match="version 1: layer 0 of 'success' does not fit an inp"):
        read_version(tensors, metadata, env_steps=0, version=1, actions=2)


def test_the_perturbation_is_updated_at_its_interval() -> None:
    learner = ready(replace(CONFIG, perturbation_interval=3))
    before = learner.perturbation.log_temperature.clone()
    moved = []
    for _ in range(6):
        learner.update()
        moved.append(not torch.equal(before, learner.perturbation.log_temperature))
        before = learner.perturbation.log_temperature.clone()
    assert moved == [True, False, False, True, False, False]
    assert learner.updates == 6


def test_without_bootstrap_the_step_before_a_switch_is_terminal() -> None:
    for bootstrap, expected in ((True, 0.0), (False, 1.0)):
        learner = ready(replace(CONFIG, bootstrap_switch=bootstrap))
        batch = learner._task_batch(np.array([8, 0]))
        assert batch.terminal.tolist() == [expected, 0.0]


def test_separate_replays_keep_to_their_policy() -> None:
    learner = ready(replace(CONFIG, share_replay=False))
    assert learner._pool(TASK) == (RANDOM, TASK)
    assert learner._pool(PERTURBATION) == (RANDOM, PERTURBATION)


def test_task_reward_carries_novelty_only_if_asked() -> None:
    plain, curious = ready(), ready(replace(CONFIG, task_novelty=0.5))
    slots = np.arange(8)
    difference = curious._task_batch(slots).reward - plain._task_batch(slots).reward
    assert (difference > 0).all()


@pytest.mark.parametrize('rnd_input', ['latent', 'pixels'])
def test_a_loaded_learner_continues_bit_for_bit(tmp_path: Path, rnd_input: str) -> None:
    config = replace(CONFIG, rnd_input=rnd_input, task_novelty=0.1)
    original = ready(config, tmp_path / 'replay')
    for _ in range(3):
        original.update()
    resumed = Learner(config, JOINTS, latent_size=4, seed=3, folder=tmp_path / 'replay')
    vae = Vae(VaeConfig(latent_size=4), torch.Generator().manual_seed(0))
    resumed.set_encoder(*to_weights(vae))
    resumed.set_reward(*classifier(), version=1)
    resumed.load(*original.state())
    for _ in range(3):
        original.update()
        resumed.update()
    expected, found = original.policy_weights()[0], resumed.policy_weights()[0]
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert resumed.metrics() == original.metrics()


def test_a_state_of_another_architecture_is_refused() -> None:
    state = ready().state()
    other = Learner(replace(CONFIG, history=1), JOINTS, latent_size=4)
    with pytest.raises(ValueError, match='expected'):
        other.load(*state)
