# SPDX-License-Identifier: Apache-2.0
"""Losses, training and storage of the classifier."""

from dataclasses import replace
import math

from hypothesis import given, strategies
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.weights import pack, unpack
from r3l_perception.core.augmentation import random_shift
from r3l_reward.core.schedule import draw
from r3l_reward.core.vice import RewardModel, ViceConfig, ViceTrainer
from r3l_reward.core.vice.losses import (
    classification_loss,
    gradient_penalty,
    mix,
    smooth_labels,
    squared_weights,
)
from r3l_reward.core.vice.model import log_sigmoid
from r3l_reward.core.vice.networks import initialise, LatentClassifier, pixel_values
import torch

LATENT = ViceConfig(hidden=(16, 16), batch=16, learning_rate=3e-3)
PIXELS = replace(
    LATENT, input='pixels', channels=(4, 4), form='logit', l2=1e-3, gradient_penalty=0.0, shift=2
)


def latents(count: int, centre: float, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.normal(centre, 0.5, (count, 4)).astype(np.float32)


def images(count: int, level: int, seed: int) -> NDArray[np.uint8]:
    return (
        np.random.default_rng(seed)
        .integers(level, level + 60, (count, 32, 32, 3))
        .astype(np.uint8)
    )


def data(config: ViceConfig) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    if config.input == 'latent':
        return latents(50, 1.0, 0), latents(300, -1.0, 1)
    return images(50, 150, 0), images(100, 20, 1)


def trained(config: ViceConfig, updates: int, seed: int = 0) -> ViceTrainer:
    goals, _ = data(config)
    trainer = ViceTrainer(config, goals, seed)  # type: ignore[arg-type]
    advance(trainer, updates)
    return trainer


def advance(trainer: ViceTrainer, updates: int) -> None:
    _, negatives = data(trainer.config)
    for _ in range(updates):
        rows = draw(trainer.seed, trainer.updates, len(negatives), (1, trainer.config.batch))
        trainer.round(negatives[rows])  # type: ignore[arg-type]


def test_smoothed_labels_move_towards_one_half() -> None:
    smoothed = smooth_labels(torch.tensor([0.0, 1.0]), 0.1)
    np.testing.assert_allclose(smoothed, [0.05, 0.95], rtol=1e-6)


def test_classification_loss_matches_the_value_by_hand() -> None:
    loss = classification_loss(torch.tensor([0.0, 2.0]), torch.tensor([0.3, 1.0]))
    expected = 0.5 * (math.log(2.0) + math.log1p(math.exp(-2.0)))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_mix_matches_the_value_by_hand() -> None:
    values = torch.tensor([[0.0, 10.0], [4.0, 20.0]])
    mixed = mix(values, torch.tensor([1, 0]), torch.tensor([0.25, 1.0]))
    np.testing.assert_allclose(mixed, [[3.0, 17.5], [4.0, 20.0]])


@given(strategies.integers(0, 10_000), strategies.floats(0.05, 5.0))
def test_mixed_values_stay_between_the_extremes(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))
    share = torch.from_numpy(rng.beta(alpha, alpha, 8).astype(np.float32))
    mixed = mix(values, torch.from_numpy(rng.permutation(8)), share)
    assert (mixed >= values.amin(dim=0) - 1e-6).all()
    assert (mixed <= values.amax(dim=0) + 1e-6).all()


def test_gradient_penalty_of_a_linear_network_is_its_distance_from_the_norm() -> None:
    penalty = gradient_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.rand(5, 2), 1.0)
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)


def test_gradient_penalty_matches_finite_differences() -> None:
    network = LatentClassifier(3, (8,)).double()
    initialise(network, torch.Generator().manual_seed(0))
    points = torch.rand(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    norms = []
    for point in points:
        steps = 1e-6 * torch.eye(3, dtype=torch.float64)
        difference = network(point + steps) - network(point - steps)
        norms.append((difference / 2e-6).norm())
    expected = torch.stack([(norm - 0.5) ** 2 for norm in norms]).mean()
    assert gradient_penalty(network, points, 0.5).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


def test_squared_weights_sums_over_all_tensors() -> None:
    assert squared_weights([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]).item() == 14.0


def test_random_shift_moves_whole_images_by_at_most_the_limit() -> None:
    image = np.arange(2 * 10 * 10 * 3, dtype=np.uint8).reshape(2, 10, 10, 3)
    shifted = random_shift(image, 2, np.random.default_rng(0))
    padded = np.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)), mode='edge')
    for index in range(2):
        candidates = [
            padded[index, row : row + 10, column : column + 10]
            for row in range(5)
            for column in range(5)
        ]
        assert any(np.array_equal(shifted[index], candidate) for candidate in candidates)


def test_log_sigmoid_is_exact_at_extreme_logits() -> None:
    logit = np.array([-1000.0, 0.0, 1000.0], np.float32)
    np.testing.assert_allclose(log_sigmoid(logit), [-1000.0, -math.log(2.0), 0.0], rtol=1e-6)


def test_reward_forms_match_the_values_by_hand() -> None:
    logit = np.array([-50.0, 0.0, 50.0], np.float32)
    expected = {
        'log_sigmoid': [0.0, 1.0 - math.log(2.0) / 2.5, 1.0],
        'probability': [0.0, 0.5, 1.0],
        'logit': [-50.0, 0.0, 50.0],
        'constant': [0.0, 0.0, 0.0],
    }
    for form, values in expected.items():
        trainer = trained(replace(LATENT, form=form), 1)
        model = RewardModel.from_weights(*trainer.weights())
        np.testing.assert_allclose(model.reward(logit), values, atol=1e-6, err_msg=form)
        np.testing.assert_array_equal(model.reward(torch.from_numpy(logit)), model.reward(logit))


def test_a_logit_does_not_depend_on_how_many_are_scored_together() -> None:
    latents = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    trainer = ViceTrainer(replace(LATENT, hidden=(128, 128)), latents[:40], 0)
    model = RewardModel.from_weights(*trainer.weights())
    expected = model.logits(latents)
    for count in (1, 2, 3, 5, 31, 128, 255):
        for first in (0, 7, 45):
            found = model.logits(latents[first : first + count])
            np.testing.assert_array_equal(found, expected[first : first + count])


@pytest.mark.parametrize('config', [LATENT, PIXELS])
def test_training_separates_goals_from_negatives(config: ViceConfig) -> None:
    trainer = trained(config, 120)
    _, negatives = data(config)
    health = trainer.health(negatives[:50])  # type: ignore[arg-type]
    assert health['vice/held_out_accuracy'] > 0.9
    assert health['vice/accuracy'] > 0.9
    assert health['vice/held_out_probability'] > 0.6 > 0.4 > health['vice/negative_probability']


@pytest.mark.parametrize('config', [LATENT, PIXELS])
def test_training_twice_with_one_seed_gives_equal_parameters(config: ViceConfig) -> None:
    first, second = trained(config, 3).weights()[0], trained(config, 3).weights()[0]
    other = trained(config, 3, seed=1).weights()[0]
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    assert any(not np.array_equal(value, other[name]) for name, value in first.items())


@pytest.mark.parametrize('config', [LATENT, PIXELS])
def test_a_loaded_trainer_continues_exactly(config: ViceConfig) -> None:
    whole, part = trained(config, 6), trained(config, 3)
    goals, _ = data(config)
    resumed = ViceTrainer(config, goals, 0)  # type: ignore[arg-type]
    optimiser, _ = unpack(pack(*part.optimizer_weights()))
    resumed.load(*unpack(pack(*part.weights())), optimiser)
    advance(resumed, 3)
    for name, value in whole.weights()[0].items():
        np.testing.assert_array_equal(value, resumed.weights()[0][name])


@pytest.mark.parametrize('config', [LATENT, PIXELS])
def test_a_saved_model_scores_as_the_network(config: ViceConfig) -> None:
    trainer = trained(config, 2)
    _, negatives = data(config)
    model = RewardModel.from_weights(*unpack(pack(*trainer.weights())))
    values = torch.from_numpy(negatives)
    values = values if config.input == 'latent' else pixel_values(values)
    with torch.no_grad():
        expected = trainer._network(values).numpy()
    logits = model.logits(negatives)  # type: ignore[arg-type]
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert model.input == config.input


def test_held_out_goals_are_a_fifth_and_never_trained_on() -> None:
    goals = np.arange(200, dtype=np.float32).reshape(50, 4)
    trainer = ViceTrainer(LATENT, goals)
    assert len(trainer.held_out) == 10
    assert len(trainer.goals) == 40
    assert not set(trainer.held_out[:, 0]) & set(trainer.goals[:, 0])
    seen: set[float] = set()

    def record(values: torch.Tensor) -> torch.Tensor:
        seen.update(values.reshape(-1).tolist())
        return values.sum(dim=1) * weight

    weight = torch.ones((), requires_grad=True)
    trainer.config = replace(LATENT, mixup=0.0, gradient_penalty=0.0)
    trainer._network.forward = record  # type: ignore[method-assign]
    for _ in range(60):
        trainer.update(np.full((16, 4), -1.0, np.float32))
    assert seen == set(trainer.goals.reshape(-1).tolist()) | {-1.0}


def test_at_most_a_hundred_goals_are_held_out() -> None:
    assert len(ViceTrainer(LATENT, np.zeros((900, 4), np.float32)).held_out) == 100


def test_inputs_and_weights_of_another_kind_are_refused() -> None:
    trainer = trained(LATENT, 1)
    tensors, metadata = trainer.weights()
    model = RewardModel.from_weights(tensors, metadata)
    with pytest.raises(ValueError, match=r'shape \(2, 5\): expected \(batch, 4\)'):
        model.logits(np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match='goals have shape'):
        ViceTrainer(PIXELS, np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match='goals have shape'):
        ViceTrainer(LATENT, np.zeros((0, 4), np.float32))
    with pytest.raises(ValueError, match="model 'other'"):
        RewardModel.from_weights(tensors, {**metadata, 'model': 'other'})
    with pytest.raises(ValueError, match='describe no classifier'):
        RewardModel.from_weights(tensors, {'model': 'r3l_vice', 'config': '{}'})
    with pytest.raises(ValueError, match=r"'layers\.0\.bias' is float32"):
        RewardModel.from_weights({**tensors, 'layers.0.bias': np.zeros(3, np.float32)}, metadata)
    with pytest.raises(ValueError, match='size'):
        ViceTrainer(LATENT, np.zeros((3, 5), np.float32)).load(tensors, metadata)
    with pytest.raises(ValueError, match='belongs to no parameter'):
        trainer.load(tensors, metadata, {'99.exp_avg': np.zeros(1, np.float32)})
