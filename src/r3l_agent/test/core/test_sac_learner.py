# SPDX-License-Identifier: Apache-2.0
"""A whole soft actor-critic: determinism, exact continuation, and that it learns."""

from dataclasses import replace

import pytest
from r3l_agent.core.sac.learner import Batch, Sac, SacConfig
import torch

CONFIG = SacConfig(
    observations=3,
    actions=2,
    hidden=(32, 32),
    critics=3,
    critic_subset=2,
    layer_norm=True,
    discount=0.5,
    learning_rate=3e-3,
    target_rate=0.05,
    target_entropy=-2.0,
    initial_temperature=0.1,
)


def batch(seed: int, size: int = 64) -> Batch:
    """Draw a bandit: the reward is highest at action (0.5, -0.5) whatever is observed."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(size, 2, generator=generator) * 2 - 1
    reward = -(action - torch.tensor([0.5, -0.5])).square().sum(dim=-1)
    observation = torch.randn(2, size, 3, generator=generator)
    return Batch(observation[0], action, reward, observation[1], torch.zeros(size))


def test_same_seed_gives_equal_parameters() -> None:
    first, second, other = Sac(CONFIG, 0), Sac(CONFIG, 0), Sac(CONFIG, 1)
    for step in range(5):
        for sac in (first, second, other):
            sac.update(batch(step))
    assert torch.equal(first.actor_flat, second.actor_flat)
    assert torch.equal(first.critic_flat, second.critic_flat)
    assert not torch.equal(first.actor_flat, other.actor_flat)


def test_a_loaded_one_continues_bit_for_bit() -> None:
    original = Sac(CONFIG, 0)
    for step in range(5):
        original.update(batch(step))
    state = {name: value.clone() for name, value in original.state().items()}
    resumed = Sac(CONFIG, 7)
    resumed.load(state)
    for step in range(5, 10):
        expected = original.update(batch(step))
        found = resumed.update(batch(step))
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    for name, value in original.state().items():
        assert torch.equal(value, resumed.state()[name]), name


def test_networks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r'actor has .* parameters: expected'):
        Sac(replace(CONFIG, hidden=(16, 16)), 0).load(Sac(CONFIG, 0).state())


def test_it_finds_the_best_action() -> None:
    # A low entropy, or the most likely action is not the best one.
    sac = Sac(replace(CONFIG, target_entropy=-6.0), 0)
    for step in range(600):
        metrics = sac.update(batch(step))
    observation = torch.randn(20, 3, generator=torch.Generator().manual_seed(9))
    mean = sac.actor.forward(sac.actor.layers(sac.actor_flat), observation)[0][:, :2].tanh()
    assert (mean - torch.tensor([0.5, -0.5])).abs().max() < 0.25
    assert all(torch.isfinite(value) for value in metrics.values())


def test_targets_move_by_the_target_rate() -> None:
    sac = Sac(CONFIG, 0)
    before = sac.target_flat.clone()
    sac.update(batch(0))
    expected = before + 0.05 * (sac.critic_flat - before)
    assert torch.allclose(sac.target_flat, expected, atol=1e-6)


def test_a_loss_that_is_not_finite_changes_no_weight() -> None:
    sac = Sac(CONFIG, 0)
    before = {name: value.clone() for name, value in sac.state().items()}
    poison = batch(0)._replace(reward=torch.full((64,), torch.nan))
    assert not torch.isfinite(sac.update(poison)['critic_loss'])
    assert torch.equal(before['critic'], sac.critic_flat)
    assert torch.equal(before['critic_mean'], sac.state()['critic_mean'])
