# SPDX-License-Identifier: Apache-2.0
"""Two classifiers side by side: each learns its own goals; they are kept and read together."""

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.weights import pack, unpack, WeightsError
from r3l_reward.core.vice import RewardModel, trainer_of, TwoGoals, ViceConfig, ViceTrainer

CONFIG = ViceConfig(hidden=(16, 16), batch=16, learning_rate=3e-3)


def cloud(count: int, centre: float, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(centre, 0.3, (count, 4)).astype(np.float32)


SUCCESS, START = cloud(60, 1.0, 0), cloud(60, -1.0, 1)


def negatives(updates: int, seed: int = 2) -> NDArray[np.float32]:
    both = np.concatenate([cloud(200, -1.0, 3), cloud(200, 1.0, 4)])
    return both[np.random.default_rng(seed).integers(400, size=(updates, 16))]


def both() -> TwoGoals:
    trainer = trainer_of(CONFIG, SUCCESS, START, seed=7)
    assert isinstance(trainer, TwoGoals)
    return trainer


def test_each_classifier_prefers_its_own_goals() -> None:
    trainer = both()
    metrics = trainer.round(negatives(150))
    task, reset = (RewardModel.from_weights(*trainer.weights(), reset=r) for r in (False, True))
    assert task.logits(SUCCESS).mean() > task.logits(START).mean() + 1.0
    assert reset.logits(START).mean() > reset.logits(SUCCESS).mean() + 1.0
    assert metrics['vice/updates'] == metrics['reset/updates'] == 150
    assert trainer.updates == 150


def test_the_first_classifier_is_what_it_would_be_alone() -> None:
    alone, trainer = trainer_of(CONFIG, SUCCESS, seed=7), both()
    assert isinstance(alone, ViceTrainer)
    alone.round(negatives(5))
    trainer.round(negatives(5))
    expected, found = alone.weights()[0], trainer.weights()[0]
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_saved_and_loaded_they_continue_bit_for_bit() -> None:
    whole, begun, resumed = both(), both(), both()
    whole.round(negatives(4, 0))
    begun.round(negatives(4, 0))
    weights = unpack(pack(*begun.weights()))
    moments = unpack(pack(*begun.optimizer_weights()))
    resumed.load(*weights, moments[0])
    whole.round(negatives(4, 1))
    resumed.round(negatives(4, 1))
    assert pack(*resumed.weights()) == pack(*whole.weights())
    assert pack(*resumed.optimizer_weights()) == pack(*whole.optimizer_weights())


def test_weights_of_one_classifier_are_refused_where_two_are_expected() -> None:
    tensors, metadata = trainer_of(CONFIG, SUCCESS).weights()
    with pytest.raises(WeightsError, match=r'no second classifier.*reward\.reset_goals'):
        RewardModel.from_weights(tensors, metadata, reset=True)
    with pytest.raises(WeightsError, match='lack or do not expect'):
        both().load(tensors, metadata)
