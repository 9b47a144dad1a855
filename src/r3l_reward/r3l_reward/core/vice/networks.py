# SPDX-License-Identifier: Apache-2.0
"""Classifier networks on latents and on pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn, Tensor

Layer = TypeVar('Layer', bound=nn.Module)


class LatentClassifier(nn.Module):
    """Fully connected network: latent to logit."""

    def __init__(self, latent_size: int, hidden: tuple[int, ...]) -> None:
        """
        Build the layers; weights are left to ``initialise`` or to loading.

        :param latent_size: dimensions of the latent.
        :param hidden: widths of the hidden layers.
        """
        super().__init__()
        self.layers = nn.Sequential(*_dense(latent_size, hidden))

    def forward(self, latent: Tensor) -> Tensor:
        """
        Compute logits.

        :param latent: shape (batch, latent).
        :return: shape (batch,) [nat].
        """
        output: Tensor = self.layers(latent)
        return output.squeeze(1)


class PixelClassifier(nn.Module):
    """Stride-2 convolutions and fully connected layers: image to logit."""

    def __init__(
        self, image_size: int, channels: tuple[int, ...], hidden: tuple[int, ...]
    ) -> None:
        """
        Build the layers; weights are left to ``initialise`` or to loading.

        :param image_size: side of the square image [pixel].
        :param channels: output channels of each convolution (kernel 3, stride 2).
        :param hidden: widths of the hidden layers.
        """
        super().__init__()
        layers: list[nn.Module] = []
        previous, side = 3, image_size
        for count in channels:
            layers += [
                _skip(nn.Conv2d, previous, count, 3, stride=2, padding=1),
                nn.ReLU(),
            ]
            previous, side = count, (side + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), *_dense(previous * side**2, hidden))

    def forward(self, values: Tensor) -> Tensor:
        """
        Compute logits.

        :param values: output of ``pixel_values``, shape (batch, 3, height, width).
        :return: shape (batch,) [nat].
        """
        output: Tensor = self.layers(values)
        return output.squeeze(1)


def pixel_values(images: Tensor) -> Tensor:
    """
    Convert camera images to the classifier's range.

    :param images: shape (batch, height, width, 3), 0 to 255.
    :return: -0.5 to 0.5, shape (batch, 3, height, width).
    """
    return (images.float() / 255.0 - 0.5).permute(0, 3, 1, 2)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """
    Draw initial weights.

    :param network: changed in place.
    :param generator: source of the weights.
    """
    layers = list(weighted_layers(network))
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity='relu', generator=generator)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    # A small last layer starts every logit near 0, that is at probability 1/2.
    layers[-1].weight.data.mul_(0.1)


def weighted_layers(network: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    """
    Iterate over the layers that have weights, from input to output.

    :param network: either classifier.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield module


def _skip(layer: type[Layer], *args: int, **options: int) -> Layer:
    """Build a layer without drawing initial weights from torch's global generator."""
    built: Layer = nn.utils.skip_init(layer, *args, **options)  # type: ignore[no-untyped-call]
    return built


def _dense(size: int, hidden: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [_skip(nn.Linear, size, width), nn.ReLU()]
        size = width
    layers.append(_skip(nn.Linear, size, 1))
    return layers
