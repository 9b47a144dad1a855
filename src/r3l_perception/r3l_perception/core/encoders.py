# SPDX-License-Identifier: Apache-2.0
"""Whatever turns what a robot senses into a latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray
from r3l_perception.core import pixels, standardiser
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.standardiser import Standardiser
from r3l_perception.core.vae import from_weights
from torch import Tensor


class Encoder(Protocol):
    """A frozen map to latents."""

    @property
    def latent_size(self) -> int:
        """Length of a latent."""
        ...

    def encode(self, images: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """
        Encode images, or the features that stand in for them.

        :param images: shape (batch, height, width, 3) uint8, or (batch, features) float32.
        :return: mean and log variance, each float32 of shape (batch, latent).
        """
        ...


def encoder_from_weights(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> Encoder:
    """
    Rebuild an encoder.

    :param tensors: arrays by name.
    :param metadata: names the model.
    :raises WeightsError: one sentence, if these are not the weights of an encoder.
    """
    if metadata.get('model') == pixels.MODEL:
        return PixelEncoder.from_weights(tensors)
    if metadata.get('model') == standardiser.MODEL:
        return Standardiser.from_weights(tensors)
    return from_weights(tensors, metadata)
