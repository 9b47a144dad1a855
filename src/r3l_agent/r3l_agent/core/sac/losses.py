# SPDX-License-Identifier: Apache-2.0
"""The losses of soft actor-critic as pure functions (arXiv:1812.05905)."""

import torch
from torch import Tensor


@torch.no_grad()
def critic_target(
    reward: Tensor,
    terminal: Tensor,
    next_q: Tensor,
    next_log_prob: Tensor,
    temperature: float,
    discount: float | Tensor,
) -> Tensor:
    """
    Compute the value that every critic regresses on (arXiv:1812.05905, eqs. 2-3).

    ``y = r + discount * (1 - terminal) * (min_k q_k(s', a') - temperature * log pi(a' | s'))``

    A time-out or a switch of the policy is not a terminal state: a reset-free run that
    bootstraps through the switch passes ``terminal = 0`` throughout.

    With n-step returns, r is the discounted sum of the rewards up to s', and the discount is that
    of as many steps; entropy counts from s' on alone.

    :param reward: shape (batch,), reward units per step.
    :param terminal: shape (batch,), 1.0 where nothing follows, else 0.0.
    :param next_q: target critics at (s', a'), shape (critics, batch), reward units.
    :param next_log_prob: log pi(a' | s'), shape (batch,) [nat].
    :param temperature: entropy weight, >= 0 [reward units per nat].
    :param discount: from s to s', 0 to 1 [-]; shape (batch,) if they differ.
    :return: shape (batch,), reward units; carries no gradient.
    :raises ValueError: if the batch sizes differ (broadcasting would hide it).
    """
    batch = reward.shape
    if not (terminal.shape == next_log_prob.shape == next_q.shape[1:] == batch):
        raise ValueError(
            f'batch shapes differ: reward {tuple(batch)}, terminal {tuple(terminal.shape)}, '
            f'next_q {tuple(next_q.shape)}, next_log_prob {tuple(next_log_prob.shape)}'
        )
    soft_value = next_q.amin(dim=0) - temperature * next_log_prob
    return reward + discount * (1.0 - terminal) * soft_value


def critic_loss(q: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """
    Sum over the critics of half the mean squared error (arXiv:1812.05905, eq. 5).

    :param q: critics at (s, a), shape (critics, batch), reward units.
    :param target: shape (batch,), reward units.
    :return: the loss, a scalar, and its gradient dL/dq, shape (critics, batch).
    """
    error = q - target
    return 0.5 * error.square().mean(dim=-1).sum(), error / q.shape[-1]


def actor_loss(q: Tensor, log_prob: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """
    Mean of ``temperature * log pi(a | s) - min_k q_k(s, a)`` (arXiv:1812.05905, eq. 9).

    :param q: critics at (s, a), shape (critics, batch), reward units.
    :param log_prob: log pi(a | s), shape (batch,) [nat].
    :param temperature: entropy weight, >= 0 [reward units per nat].
    :return: the loss, a scalar, and its gradient dL/dq, shape (critics, batch). The gradient
        in log_prob is ``temperature / batch`` for every sample.
    """
    smallest, which = q.min(dim=0)
    gradient = torch.zeros_like(q).scatter_(0, which.unsqueeze(0), -1.0 / q.shape[-1])
    return (temperature * log_prob - smallest).mean(), gradient


def temperature_gradient(mean_log_prob: float, target_entropy: float) -> float:
    """
    Gradient of the temperature loss in log(temperature) (arXiv:1812.05905, eq. 18).

    ``L = -log(temperature) * (E[log pi] + target_entropy)``, the form of the authors' code.

    :param mean_log_prob: mean of log pi over a batch [nat].
    :param target_entropy: entropy that the policy should keep [nat].
    :return: dL / dlog(temperature) [nat].
    """
    return -(mean_log_prob + target_entropy)
