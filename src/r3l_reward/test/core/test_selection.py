# SPDX-License-Identifier: Apache-2.0
"""Which of the robot's own images train the classifier: balance, and what looks like success."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.negatives import Negatives
from r3l_reward.core.schedule import draw, negatives_of_round
from r3l_reward.core.vice import RewardModel, ViceConfig, ViceTrainer
from r3l_reward.core.vice.model import log_sigmoid

RANDOM, TASK, PERTURBATION = 1, 2, 3
CONFIG = RewardConfig(batch=8, seed=5)


def negatives_of(*policies: int) -> Negatives:
    """Store one latent per policy; its first value is the policy, its second its number."""
    found = Negatives(
        None, kind='latent', image_size=32, latent_size=2, capacity=500, warmup_capacity=10
    )
    found.set_encoder(lambda images: np.zeros((len(images), 2), np.float32))
    for number, policy in enumerate(policies):
        found.add(np.array([policy, number], np.float32), policy=policy, sequence=number)
    return found


def test_without_balance_negatives_come_as_they_were_drawn_before() -> None:
    negatives = negatives_of(*[TASK] * 30, *[PERTURBATION] * 10)
    rows = negatives_of_round(negatives, CONFIG, 40, 3)
    slots = negatives.candidates(40, True)
    assert np.array_equal(rows, negatives.rows(slots[draw(5, 40, 40, (3, 8))]))


@pytest.mark.parametrize('include_random', [True, False])
def test_balance_takes_half_of_each_batch_from_the_task_policy(include_random: bool) -> None:
    negatives = negatives_of(*[RANDOM] * 20, *[TASK] * 60, *[PERTURBATION] * 5)
    config = replace(CONFIG, balance=True, include_random=include_random)
    rows = negatives_of_round(negatives, config, 85, 50)
    assert ((rows[..., 0] == TASK).sum(axis=1) == 4).all()
    assert (rows[..., 0] == RANDOM).any() == include_random
    # Every step of the fewer ones is used, none from after the round.
    assert set(rows[rows[..., 0] == PERTURBATION][:, 1]) == set(range(80, 85))
    early = negatives_of_round(negatives, config, 82, 50)
    assert early[..., 1].max() < 82
    assert np.array_equal(rows, negatives_of_round(negatives, config, 85, 50))


def test_balance_of_one_policy_alone_takes_what_there_is() -> None:
    negatives = negatives_of(*[RANDOM] * 20)
    plain = negatives_of_round(negatives, CONFIG, 20, 2)
    assert np.array_equal(
        negatives_of_round(negatives, replace(CONFIG, balance=True), 20, 2), plain
    )


def cloud(count: int, centre: float, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(centre, 0.3, (count, 4)).astype(np.float32)


def trained(exclude_above: float) -> tuple[ViceTrainer, dict[str, float]]:
    """Train on failures, then on negatives of which half are successes."""
    config = ViceConfig(hidden=(16, 16), batch=32, learning_rate=3e-3, exclude_above=exclude_above)
    trainer = ViceTrainer(config, cloud(100, 1.0, 0), seed=0)
    trainer.round(np.stack([cloud(32, -1.0, 1)] * 100))
    mixed = np.concatenate([cloud(16, -1.0, 2), cloud(16, 1.0, 3)])
    return trainer, trainer.round(np.stack([mixed] * 100))


def probability_of(trainer: ViceTrainer, latents: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.exp(log_sigmoid(RewardModel.from_weights(*trainer.weights()).logits(latents)))


def test_what_looks_like_success_is_left_out() -> None:
    (filtered, metrics), (plain, without) = trained(0.6), trained(1.0)
    success = cloud(50, 1.0, 4)
    assert probability_of(filtered, success).mean() > probability_of(plain, success).mean() + 0.1
    assert metrics['vice/excluded'] == pytest.approx(0.5, abs=0.05)
    assert 'vice/excluded' not in without
    assert plain.unlike_goals(success).tolist() == list(range(50))


def test_a_quarter_of_the_negatives_stays_whatever_the_classifier_says() -> None:
    trainer, _ = trained(0.6)
    success = cloud(40, 1.0, 4)
    kept = trainer.unlike_goals(success)
    probability = probability_of(trainer, success)
    assert len(kept) == 10
    assert probability[kept].max() <= np.delete(probability, kept).min()
