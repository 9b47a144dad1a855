# SPDX-License-Identifier: Apache-2.0
"""The losses of SAC against values computed by hand, and their gradients against autograd."""

import math

import pytest
from r3l_agent.core.sac import gaussian
from r3l_agent.core.sac.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    temperature_gradient,
)
import torch


def test_critic_target_by_hand() -> None:
    target = critic_target(
        reward=torch.tensor([1.0, 0.5]),
        terminal=torch.tensor([0.0, 0.0]),
        next_q=torch.tensor([[2.0, 4.0], [3.0, 1.0]]),
        next_log_prob=torch.tensor([-1.0, 2.0]),
        temperature=0.5,
        discount=0.9,
    )
    # 1 + 0.9 (2 + 0.5) = 3.25 and 0.5 + 0.9 (1 - 1) = 0.5
    assert target.tolist() == pytest.approx([3.25, 0.5])


def test_critic_target_of_a_terminal_state_is_its_reward() -> None:
    ones = torch.ones(1)
    assert critic_target(0.7 * ones, ones, 9 * torch.ones(2, 1), ones, 1.0, 0.9).item() == (
        pytest.approx(0.7)
    )


def test_critic_target_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match=r'reward \(2,\).*next_q \(3, 1\)'):
        critic_target(torch.ones(2), torch.zeros(2), torch.ones(3, 1), torch.ones(2), 1.0, 0.9)


def test_critic_loss_and_gradient_by_hand() -> None:
    loss, gradient = critic_loss(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([0.0, 4.0]))
    # (1 + 4) / 4 + (0 + 16) / 4
    assert loss.item() == pytest.approx(5.25)
    assert gradient.tolist() == [[0.5, -1.0], [0.0, -2.0]]


def test_actor_loss_and_gradient_by_hand() -> None:
    q = torch.tensor([[1.0, 5.0], [2.0, 3.0]])
    loss, gradient = actor_loss(q, torch.tensor([0.5, -0.5]), temperature=0.2)
    assert loss.item() == pytest.approx((0.1 - 1.0 - 0.1 - 3.0) / 2)
    assert gradient.tolist() == [[-0.5, 0.0], [0.0, -0.5]]


def test_temperature_falls_when_the_policy_is_too_random() -> None:
    assert temperature_gradient(mean_log_prob=-2.0, target_entropy=-3.0) == 5.0
    assert temperature_gradient(mean_log_prob=4.0, target_entropy=-3.0) == -1.0


def test_log_probability_of_a_squashed_gaussian_equals_the_change_of_variables() -> None:
    generator = torch.Generator().manual_seed(0)
    output = 0.5 * torch.randn(6, 8, generator=generator, dtype=torch.float64)
    noise = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    drawn = gaussian.sample(output, noise)
    mean, log_std = output.chunk(2, dim=-1)
    pre_tanh = mean + noise * log_std.exp()
    density = torch.distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh)
    expected = (density - torch.log(1 - pre_tanh.tanh() ** 2)).sum(dim=-1)
    assert torch.allclose(drawn.log_prob, expected, atol=1e-9)
    assert torch.allclose(drawn.action, pre_tanh.tanh())


def test_log_probability_stays_finite_far_out() -> None:
    drawn = gaussian.sample(torch.tensor([[60.0, -60.0, 0.0, 0.0]]), torch.zeros(1, 2))
    assert math.isfinite(drawn.log_prob.item())


def test_gradient_of_the_policy_head_equals_autograd() -> None:
    generator = torch.Generator().manual_seed(1)
    output = 3 * torch.randn(5, 6, generator=generator, dtype=torch.float64)
    output[0, 3] = 7.0  # clamped: no gradient reaches it
    output.requires_grad_()
    noise = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    to_action = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    drawn = gaussian.sample(output, noise)
    loss = (drawn.action * to_action).sum() + 0.3 * drawn.log_prob.sum()
    (expected,) = torch.autograd.grad(loss, output)
    found = gaussian.output_gradient(gaussian.sample(output.detach(), noise), to_action, 0.3)
    assert torch.allclose(found, expected, atol=1e-9)
    assert found[0, 3] == 0.0
