# SPDX-License-Identifier: Apache-2.0
"""The loss of one batch of goals and negatives, put together from its terms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute, CPU
from r3l_perception.core.augmentation import random_shift
from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.losses import classification_loss, gradient_penalty, mix, smooth_labels
from r3l_reward.core.vice.networks import pixel_values
import torch
from torch import Tensor

Examples = NDArray[np.float32] | NDArray[np.uint8]


def vice_loss(
    network: torch.nn.Module,
    config: ViceConfig,
    positives: Examples,
    negatives: Examples,
    rng: np.random.Generator,
    compute: Compute = CPU,
) -> tuple[Tensor, Tensor]:
    """
    Compute the classification loss and the gradient penalty of a batch.

    :param network: classifier.
    :param config: mixup, smoothing, augmentation, penalty.
    :param positives: goals, shape (batch, ...).
    :param negatives: the robot's own data, shape (batch, ...).
    :param rng: draws mixup weights and shifts.
    :param compute: where the network is, and the precision of its products.
    :return: loss [nat] and unweighted penalty (zero where it is switched off).
    """
    examples = np.concatenate([positives, negatives])
    if config.input == 'pixels' and config.shift > 0:
        examples = random_shift(examples, config.shift, rng)
    device = compute.device
    inputs = network_inputs(examples, device)
    labels = torch.zeros(len(examples), device=device)
    labels[: len(positives)] = 1.0
    labels = smooth_labels(labels, config.label_smoothing)
    order = torch.from_numpy(rng.permutation(len(examples))).to(device)
    mixed, mixed_labels = inputs, labels
    if config.mixup > 0.0:
        drawn = rng.beta(config.mixup, config.mixup, size=len(examples)).astype(np.float32)
        share = torch.from_numpy(drawn).to(device)
        mixed, mixed_labels = mix(inputs, order, share), mix(labels, order, share)
    scored = _in_precision(network, compute)
    loss = classification_loss(scored(mixed), mixed_labels)
    if config.gradient_penalty == 0.0:
        return loss, torch.zeros((), device=device)
    count = min(len(positives), len(negatives))
    goals, others = inputs[:count], inputs[len(positives) :][:count]
    weight = torch.from_numpy(rng.random(count, dtype=np.float32)).to(device)
    between = torch.lerp(goals, others, weight.reshape(-1, *[1] * (inputs.ndim - 1)))
    return loss, gradient_penalty(scored, between, config.gradient_norm)


def _in_precision(network: torch.nn.Module, compute: Compute) -> Callable[[Tensor], Tensor]:
    """Return the network as a function whose products are of the precision, the result fp32."""

    def scored(inputs: Tensor) -> Tensor:
        with compute.autocast():
            logit: Tensor = network(inputs)
        return logit.float()

    return scored if compute.half else network


def network_inputs(examples: Examples, device: str = 'cpu') -> Tensor:
    """
    Convert latents or camera images to the input of their network.

    :param examples: latents, shape (batch, latent), or images, shape (batch, height, width, 3).
    :param device: where the network is.
    :return: float32, shape (batch, latent) or (batch, 3, height, width).
    """
    tensor = torch.from_numpy(examples).to(device)
    return tensor if tensor.ndim == 2 else pixel_values(tensor)
