# SPDX-License-Identifier: Apache-2.0
"""Convolutions from pixels to a few features, for policies without an encoder of their own."""

from dataclasses import dataclass
import math

import torch
from torch import Tensor
from torch.nn import functional

KERNEL = 3


@dataclass(frozen=True, slots=True)
class Trunk:
    """
    Convolutions of stride 2 with ReLU, then a linear layer, LayerNorm and tanh.

    The bottleneck is that of SAC-AE (arXiv:1910.01741, app. B) and DrQ (arXiv:2004.13649): it
    bounds what critics and actor see while the convolutions change.

    :param image_size: side of the square image [pixel].
    :param channels: output channels of each convolution.
    :param features: length of the output.
    """

    image_size: int
    channels: tuple[int, ...]
    features: int

    @property
    def pixels(self) -> int:
        """Length of the input: the colour values of an image."""
        return 3 * self.image_size**2

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every array by name, in the order of the flat vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        previous, side = 3, self.image_size
        for index, width in enumerate(self.channels):
            shapes[f'weight{index}'] = (KERNEL, KERNEL, previous, width)
            shapes[f'bias{index}'] = (width,)
            previous, side = width, (side + 1) // 2
        shapes['dense'] = (side * side * previous, self.features)
        for name in ('offset', 'scale', 'shift'):
            shapes[name] = (self.features,)
        return shapes

    def initialise(self, generator: torch.Generator) -> Tensor:
        """
        Draw a flat parameter vector: uniform, the variance 2 / fan in before a ReLU.

        :param generator: source of randomness.
        :return: shape (parameters,), float32.
        """
        flat = torch.zeros(sum(math.prod(shape) for shape in self.shapes.values()))
        for name, value in self.arrays(flat).items():
            if name == 'scale':
                value.fill_(1.0)
            elif value.ndim > 1:
                fan_in = value.numel() // value.shape[-1]
                bound = math.sqrt((6.0 if name != 'dense' else 3.0) / fan_in)
                value.uniform_(-bound, bound, generator=generator)
        return flat

    def arrays(self, flat: Tensor) -> dict[str, Tensor]:
        """
        View the flat vector as arrays by name.

        :param flat: shape (parameters,).
        """
        shapes = self.shapes
        parts = torch.split(flat, [math.prod(shape) for shape in shapes.values()])
        return {
            name: part.view(shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    def forward(self, flat: Tensor, pixels: Tensor) -> Tensor:
        """
        Map images to features; differentiable in ``flat``.

        :param flat: shape (parameters,).
        :param pixels: colour values from -0.5 to 0.5, shape (batch, height * width * 3).
        :return: shape (batch, features), from -1 to 1.
        """
        own = self.arrays(flat)
        x = pixels.view(-1, self.image_size, self.image_size, 3).permute(0, 3, 1, 2)
        for index in range(len(self.channels)):
            weight = own[f'weight{index}'].permute(3, 2, 0, 1)
            x = functional.conv2d(x, weight, own[f'bias{index}'], stride=2, padding=1).relu()
        # Channels last, as numpy has it in the policy.
        h = x.permute(0, 2, 3, 1).flatten(1) @ own['dense'] + own['offset']
        h = functional.layer_norm(h.float(), h.shape[-1:], own['scale'], own['shift'])
        return h.tanh()
