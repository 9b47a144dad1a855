# SPDX-License-Identifier: Apache-2.0
"""A tanh-squashed Gaussian policy head (arXiv:1812.05905, app. C) and its gradient."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

LOG_STD_RANGE = (-10.0, 2.0)


class Sample(NamedTuple):
    """Actions (batch, actions), log probabilities (batch,) [nat], and how they came about."""

    action: Tensor
    log_prob: Tensor
    noise: Tensor
    log_std: Tensor
    raw_log_std: Tensor

    def rows(self, which: slice) -> 'Sample':
        """
        Return part of the batch.

        :param which: rows of it.
        """
        return Sample(*(values[which] for values in self))


def sample(output: Tensor, noise: Tensor) -> Sample:
    """
    Sample an action by reparametrisation.

    ``log pi(a) = sum_i log N(u_i) - log(1 - tanh(u_i)^2)`` with ``a = tanh(u)``, where
    ``log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u))`` avoids cancellation.

    :param output: mean and log standard deviation, shape (batch, 2 * actions).
    :param noise: standard normal, shape (batch, actions).
    :return: the actions in -1..1 with their log probabilities.
    """
    mean, raw_log_std = output.chunk(2, dim=-1)
    log_std = raw_log_std.clamp(*LOG_STD_RANGE)
    pre_tanh = torch.addcmul(mean, noise, log_std.exp())
    correction = pre_tanh.add(softplus(-2.0 * pre_tanh)).mul_(2.0)
    log_prob = correction.sub_(log_std).sub_(noise.square().mul_(0.5)).sum(dim=-1)
    constant = noise.shape[-1] * (0.5 * math.log(2 * math.pi) + 2.0 * math.log(2.0))
    return Sample(pre_tanh.tanh(), log_prob.sub_(constant), noise, log_std, raw_log_std)


def output_gradient(drawn: Sample, to_action: Tensor, to_log_prob: float) -> Tensor:
    """
    Propagate a gradient from the action and its log probability to the network's output.

    With ``a = tanh(u)``: ``d log pi / du = 2 a`` and ``da/du = 1 - a^2``.

    :param drawn: what ``sample`` returned.
    :param to_action: dL/da, shape (batch, actions).
    :param to_log_prob: dL/d log pi, the same for every sample.
    :return: dL/d output, shape (batch, 2 * actions).
    """
    action = drawn.action
    to_pre_tanh = to_action * (1.0 - action.square()) + (2.0 * to_log_prob) * action
    to_log_std = to_pre_tanh * drawn.noise * drawn.log_std.exp() - to_log_prob
    inside = drawn.raw_log_std == drawn.log_std
    return torch.cat([to_pre_tanh, to_log_std * inside], dim=-1)
