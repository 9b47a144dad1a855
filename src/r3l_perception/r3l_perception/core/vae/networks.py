# SPDX-License-Identifier: Apache-2.0
"""Encoder and decoder networks, with the conversion of camera images before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import nn, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from r3l_perception.core.vae.config import VaeConfig

Layer = TypeVar('Layer', bound=nn.Module)

# Bounds of the posterior's log variance: the exponential stays finite whatever the input.
LOG_VARIANCE_RANGE = (-10.0, 4.0)
# Larger batches no longer gain speed and would only cost memory.
ENCODE_CHUNK = 512


class Vae(nn.Module):
    """
    Convolutional variational auto-encoder of square RGB images.

    ``encode`` and ``decode`` are for use after training: they take and return camera images, and
    latents scaled to about unit standard deviation over the training set. ``posterior`` and
    ``reconstruct`` are the raw networks for the loss.
    """

    mean_image: Tensor
    whiten: Tensor
    unwhiten: Tensor
    latent_offset: Tensor
    latent_scale: Tensor

    def __init__(self, config: VaeConfig, generator: torch.Generator | None = None) -> None:
        """
        Build the networks.

        :param config: architecture.
        :param generator: source of the initial weights; without one they are left for loading.
        """
        super().__init__()
        self.config = config
        sizes = [config.image_size]
        for _ in config.channels:
            sizes.append((sizes[-1] + 1) // 2)
        self._top = (config.channels[-1], sizes[-1], sizes[-1])
        flat = config.channels[-1] * sizes[-1] ** 2
        self.encoder = nn.Sequential(*_encoder_layers(config), nn.Flatten())
        self.head = _skip(nn.Linear, flat, 2 * config.latent_size)
        self.expand = _skip(nn.Linear, config.latent_size, flat)
        self.decoder = nn.Sequential(*_decoder_layers(config, sizes))
        side = config.image_size
        self.register_buffer('mean_image', torch.zeros(side, side, 3))
        self.register_buffer('whiten', torch.eye(3) / 255.0)
        self.register_buffer('unwhiten', torch.eye(3) * 255.0)
        self.register_buffer('latent_offset', torch.zeros(config.latent_size))
        self.register_buffer('latent_scale', torch.ones(config.latent_size))
        if generator is not None:
            self._initialise(generator)

    @property
    def image_size(self) -> int:
        """Side of the square images [pixel]."""
        return self.config.image_size

    @property
    def latent_size(self) -> int:
        """Length of a latent."""
        return self.config.latent_size

    def prepare(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """
        Convert camera images to the values that the likelihood describes.

        :param images: shape (batch, height, width, 3), 0 to 255.
        :return: whitened residuals, or 0 to 1 for the Bernoulli likelihood; shape
            (batch, 3, height, width).
        :raises ValueError: if the images are not of the configured size.
        """
        tensor = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
        side = self.config.image_size
        if tensor.ndim != 4 or tuple(tensor.shape[1:]) != (side, side, 3):
            raise ValueError(
                f'images have shape {tuple(tensor.shape)}: expected (batch, {side}, {side}, 3)'
            )
        values = (tensor.to(self.whiten.device).float() - self.mean_image) @ self.whiten
        return values.permute(0, 3, 1, 2)

    def posterior(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """
        Run the encoder.

        :param values: output of ``prepare``, shape (batch, 3, height, width).
        :return: mean and log variance, each of shape (batch, latent).
        """
        mean, log_variance = self.head(self.encoder(values)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def reconstruct(self, latent: Tensor) -> Tensor:
        """
        Run the decoder.

        :param latent: raw latent, shape (batch, latent).
        :return: parameters of the likelihood, shape (batch, 3, height, width).
        """
        output: Tensor = self.decoder(self.expand(latent).unflatten(1, self._top))
        return output

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8] | Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode camera images.

        :param images: shape (batch, height, width, 3), 0 to 255.
        :return: mean and log variance of the scaled latents, each float32 of shape
            (batch, latent), without gradient.
        """
        means, log_variances = [], []
        for start in range(0, max(len(images), 1), ENCODE_CHUNK):
            mean, log_variance = self.posterior(self.prepare(images[start : start + ENCODE_CHUNK]))
            means.append((mean - self.latent_offset) / self.latent_scale)
            log_variances.append(log_variance - 2.0 * self.latent_scale.log())
        if len(means) == 1:
            return means[0], log_variances[0]
        return torch.cat(means), torch.cat(log_variances)

    @torch.inference_mode()
    def decode(self, latent: NDArray[np.float32] | Tensor) -> NDArray[np.uint8]:
        """
        Decode scaled latents to camera images.

        :param latent: shape (batch, latent).
        :return: shape (batch, height, width, 3), 0 to 255.
        """
        raw = torch.as_tensor(latent) * self.latent_scale + self.latent_offset
        output = self.reconstruct(raw)
        if self.config.likelihood == 'bernoulli':
            output = output.sigmoid()
        pixels = output.permute(0, 2, 3, 1) @ self.unwhiten + self.mean_image
        result: NDArray[np.uint8] = pixels.round().clamp(0.0, 255.0).to(torch.uint8).numpy()
        return result

    def _initialise(self, generator: torch.Generator) -> None:
        for name, value in self.named_parameters():
            if name.endswith('bias'):
                nn.init.zeros_(value)
            else:
                nn.init.kaiming_normal_(value, nonlinearity='relu', generator=generator)
        # A head near zero starts the posterior at the prior and the output at the mean image.
        last = self.decoder[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        for layer in (self.head, last):
            layer.weight.data.mul_(0.1)


def _skip(layer: type[Layer], *args: int, **options: int) -> Layer:
    """Build a layer without drawing initial weights from torch's global generator."""
    built: Layer = nn.utils.skip_init(layer, *args, **options)  # type: ignore[no-untyped-call]
    return built


def _activation(name: str) -> nn.Module:
    return nn.LeakyReLU(0.2) if name == 'leaky_relu' else nn.ReLU()


def _encoder_layers(config: VaeConfig) -> list[nn.Module]:
    layers: list[nn.Module] = []
    previous = 3
    for channels in config.channels:
        layers += [
            _skip(
                nn.Conv2d, previous, channels, config.kernel, stride=2, padding=config.kernel // 2
            ),
            _activation(config.activation),
        ]
        previous = channels
    return layers


def _decoder_layers(config: VaeConfig, sizes: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    outputs = [3, *config.channels[:-1]]
    for level in reversed(range(len(config.channels))):
        layers += [
            _activation(config.activation),
            _skip(
                nn.ConvTranspose2d,
                config.channels[level],
                outputs[level],
                config.kernel,
                stride=2,
                padding=config.kernel // 2,
                output_padding=1 - sizes[level] % 2,
            ),
        ]
    return layers
