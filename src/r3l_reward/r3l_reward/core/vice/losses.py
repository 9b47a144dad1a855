# SPDX-License-Identifier: Apache-2.0
"""Loss terms of the classifier, each a pure function."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def smooth_labels(labels: Tensor, smoothing: float) -> Tensor:
    """
    Move labels towards 1/2 (arXiv:1512.00567, section 7).

    :param labels: 0 or 1, any shape.
    :param smoothing: 0 leaves them, 1 makes all of them 1/2.
    :return: same shape.
    """
    return labels * (1.0 - smoothing) + 0.5 * smoothing


def mix(values: Tensor, order: Tensor, share: Tensor) -> Tensor:
    """
    Interpolate each example with another one of its batch (mixup, arXiv:1710.09412).

    ``share_i * values_i + (1 - share_i) * values_order(i)``

    :param values: inputs or labels, shape (batch, ...).
    :param order: permutation, shape (batch,).
    :param share: weight of the example itself, 0 to 1, shape (batch,).
    :return: same shape as ``values``.
    """
    weight = share.reshape(-1, *[1] * (values.ndim - 1))
    return weight * values + (1.0 - weight) * values[order]


def classification_loss(logit: Tensor, label: Tensor) -> Tensor:
    """
    Compute the binary cross-entropy with soft labels.

    :param logit: shape (batch,) [nat].
    :param label: probability of success, shape (batch,).
    :return: scalar [nat].
    """
    return functional.binary_cross_entropy_with_logits(logit, label)


def gradient_penalty(
    network: Callable[[Tensor], Tensor], inputs: Tensor, target_norm: float
) -> Tensor:
    """
    Penalise gradients of the logit that are not of the wanted length (arXiv:1704.00028, eq. 3).

    ``mean_i (|d logit_i / d x_i| - target_norm)^2``. It keeps the classifier from becoming a
    step, which would leave no reward to climb.

    :param network: maps (batch, ...) to logits of shape (batch,).
    :param inputs: points between goals and negatives, shape (batch, ...).
    :param target_norm: wanted Euclidean norm [nat per input unit].
    :return: scalar; its gradient reaches the network's parameters.
    """
    points = inputs.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(points).sum(), points, create_graph=True)
    norm = (gradient.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return (norm - target_norm).square().mean()


def squared_weights(weights: list[Tensor]) -> Tensor:
    """
    Sum the squares of all given weights (the L2 regulariser before its factor).

    :param weights: at least one tensor of any shape.
    :return: scalar.
    """
    return torch.stack([weight.square().sum() for weight in weights]).sum()
