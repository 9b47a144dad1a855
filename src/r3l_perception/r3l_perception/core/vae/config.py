# SPDX-License-Identifier: Apache-2.0
"""The one place of the auto-encoder's defaults, units and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """Architecture, likelihood and training of the VAE; defaults are the profile ``modern``."""

    image_size: int = parameter(32, 'side of the square camera image [pixel]', range=(32, 64))
    latent_size: int = parameter(16, 'dimensions of the latent', range=(1, 12288))
    channels: tuple[int, ...] = parameter(
        (16, 16, 16), 'output channels of each stride-2 convolution', range=(1, 512)
    )
    kernel: int = parameter(3, 'side of the convolution kernels [pixel]', choices=(3, 5))
    activation: str = parameter(
        'relu', 'non-linearity between layers', choices=('relu', 'leaky_relu')
    )
    likelihood: str = parameter(
        'whitened_gaussian',
        'distribution of the pixels: Gaussian around colour-whitened residuals of the mean '
        'image, or one Bernoulli variable per channel',
        choices=('whitened_gaussian', 'bernoulli'),
    )
    sigma: float = parameter(
        0.7,
        'standard deviation of the Gaussian likelihood, in standard deviations of a whitened '
        'colour axis',
        range=(0.01, 10.0),
    )
    beta: float = parameter(1.0, 'weight of the KL divergence to the prior', range=(0.0, 100.0))
    vae_steps: int = parameter(1600, 'gradient steps', range=(1, 10_000_000))
    vae_batch: int = parameter(64, 'images per gradient step', range=(1, 4096))
    vae_learning_rate: float = parameter(1e-3, 'learning rate of Adam', range=(1e-7, 1.0))
    l2: float = parameter(
        0.0,
        'weight of the squared convolution weights of the encoder in the loss',
        range=(0.0, 1.0),
    )
    shift: int = parameter(
        0, 'largest random shift of an image in training [pixel]', range=(0, 16)
    )
    held_out_share: float = parameter(
        0.1, 'share of the images kept out of training to measure the loss', range=(0.0, 0.5)
    )

    def __post_init__(self) -> None:
        """Check what no single range can say."""
        if not 1 <= len(self.channels) <= 5:
            raise ValueError(f'channels are {list(self.channels)}: expected 1 to 5 of them')
