# SPDX-License-Identifier: Apache-2.0
"""Loss terms of the VAE (arXiv:1312.6114): sums per image, means per batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def gaussian_reconstruction(output: Tensor, target: Tensor, sigma: float) -> Tensor:
    """
    Compute the negative log-likelihood of a Gaussian of fixed width, without its constant.

    ``sum_i (output_i - target_i)^2 / (2 sigma^2)``, averaged over the batch.

    :param output: mean of each pixel, shape (batch, 3, height, width).
    :param target: whitened pixels, same shape.
    :param sigma: standard deviation, in the unit of the pixels.
    :return: scalar [nat per image].
    """
    return (output - target).square().sum() / (2.0 * sigma**2 * target.shape[0])


def bernoulli_reconstruction(logit: Tensor, target: Tensor) -> Tensor:
    """
    Compute the binary cross-entropy of every colour channel.

    :param logit: log-odds of each channel, shape (batch, 3, height, width).
    :param target: pixels from 0 to 1, same shape.
    :return: scalar [nat per image].
    """
    total = functional.binary_cross_entropy_with_logits(logit, target, reduction='sum')
    return total / target.shape[0]


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """
    Compute the divergence of the posterior from the standard normal prior.

    ``0.5 sum_j (mean_j^2 + var_j - 1 - log var_j)`` (arXiv:1312.6114, appendix B), averaged
    over the batch.

    :param mean: shape (batch, latent).
    :param log_variance: shape (batch, latent).
    :return: scalar [nat per image].
    """
    terms = mean.square() + log_variance.exp() - 1.0 - log_variance
    return 0.5 * terms.sum() / mean.shape[0]


def squared_weights(weights: list[Tensor]) -> Tensor:
    """
    Sum the squares of all given weights (the L2 regulariser before its factor).

    :param weights: at least one tensor of any shape.
    :return: scalar.
    """
    total = weights[0].square().sum()
    for weight in weights[1:]:
        total = total + weight.square().sum()
    return total
