# SPDX-License-Identifier: Apache-2.0
"""The encoder that leaves images as they are, for policies that see pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.weights import WeightsError
import torch
from torch import Tensor

MODEL = 'pixels'
SIDE = 'side'
LOG_VARIANCE = -20.0  # a sure thing

Array = NDArray[np.float32]


def pixel_count(image_size: int) -> int:
    """
    Return the length of the latent that an image is.

    :param image_size: side of the square image [pixel].
    """
    return 3 * image_size**2


def pixel_latents(images: NDArray[np.uint8]) -> Array:
    """
    Lay the colours of images out as latents.

    :param images: shape (batch, height, width, 3), 0 to 255.
    :return: shape (batch, height * width * 3), -0.5 to 0.5.
    """
    values = images.reshape(len(images), -1).astype(np.float32)
    values *= np.float32(1.0 / 255.0)
    values -= np.float32(0.5)
    return values


class PixelEncoder:
    """
    An encoder that has nothing to learn.

    :param image_size: side of the square image [pixel].
    """

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size

    @property
    def latent_size(self) -> int:
        """Length of a latent."""
        return pixel_count(self.image_size)

    def encode(self, images: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """
        Lay images out.

        :param images: shape (batch, height, width, 3) uint8.
        :return: mean and log variance, each float32 of shape (batch, latent).
        :raises ValueError: if the images are not of the configured size.
        """
        side = self.image_size
        if images.shape[1:] != (side, side, 3):
            raise ValueError(
                f'images have shape {images.shape}: expected (batch, {side}, {side}, 3)'
            )
        latent = torch.from_numpy(pixel_latents(images))
        return latent, torch.full_like(latent, LOG_VARIANCE)

    def decode(self, latent: Array | Tensor) -> NDArray[np.uint8]:
        """
        Return the images again.

        :param latent: shape (batch, latent).
        :return: shape (batch, height, width, 3), 0 to 255.
        """
        values = np.rint((np.asarray(latent) + 0.5) * 255.0).clip(0, 255)
        return values.astype(np.uint8).reshape(-1, self.image_size, self.image_size, 3)

    def to_weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Return what there is to know: arrays by name, and metadata with the key ``model``."""
        return {SIDE: np.array([self.image_size], np.float32)}, {'model': MODEL}

    @classmethod
    def from_weights(cls, tensors: Mapping[str, NDArray[Any]]) -> PixelEncoder:
        """
        Read what ``to_weights`` returned.

        :raises WeightsError: one sentence, if it is not that.
        """
        side = tensors.get(SIDE)
        if side is None or side.shape != (1,) or not 1 <= side[0] <= 4096:
            raise WeightsError(f'the encoder of pixels has {SIDE} {side}: expected one number')
        return cls(int(side[0]))
