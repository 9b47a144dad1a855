# SPDX-License-Identifier: Apache-2.0
"""The encoder of a world without a camera: features to zero mean and unit variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.weights import WeightsError
import torch
from torch import Tensor

MODEL = 'standardise'
NAMES = ('mean', 'std')
# A value that never changed is not amplified; relative to its size, for what float32 can tell.
SMALLEST_STD = 1e-3
RELATIVE_STD = 1e-5

Array = NDArray[np.float32]


class Standardiser:
    """
    Shift and scale features by what was seen in the warm-up; frozen from then on.

    :param mean: of the features, shape (features,).
    :param std: of the features, shape (features,), > 0.
    """

    def __init__(self, mean: Array, std: Array) -> None:
        self.mean, self.std = mean, std

    @classmethod
    def fit(cls, features: Array) -> Standardiser:
        """
        Measure the spread of what was seen.

        :param features: shape (count, features).
        """
        return cls(*spread(features))

    @property
    def latent_size(self) -> int:
        """Length of a latent, which is that of the features."""
        return len(self.mean)

    def encode(self, images: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """
        Standardise features.

        :param images: features, shape (batch, features).
        :return: mean, and log variance, which is that of a sure thing; shape (batch, features).
        """
        latent = torch.from_numpy((np.asarray(images, np.float32) - self.mean) / self.std)
        return latent, torch.full_like(latent, -20.0)

    def to_weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Copy everything: arrays by name, and metadata with the key ``model``."""
        return {name: getattr(self, name).copy() for name in NAMES}, {'model': MODEL}

    @classmethod
    def from_weights(cls, tensors: Mapping[str, NDArray[Any]]) -> Standardiser:
        """
        Read what ``to_weights`` returned.

        :raises WeightsError: one sentence, if an array is missing or does not fit.
        """
        missing = [name for name in NAMES if name not in tensors]
        if missing:
            raise WeightsError(f'the encoder weights lack the array {missing[0]!r}')
        mean, std = (np.array(tensors[name]) for name in NAMES)
        if mean.ndim != 1 or mean.shape != std.shape or not (std > 0).all():
            raise WeightsError(
                f'the encoder array std has shape {std.shape}: expected {mean.shape} of values > 0'
            )
        return cls(mean, std)


def spread(values: Array) -> tuple[Array, Array]:
    """
    Measure mean and standard deviation, the latter never near 0.

    :param values: shape (count, n).
    :return: each of shape (n,).
    """
    mean = values.mean(axis=0, dtype=np.float64)
    least = np.maximum(SMALLEST_STD, RELATIVE_STD * np.abs(mean))
    std = np.maximum(values.std(axis=0, dtype=np.float64), least)
    return mean.astype(np.float32), std.astype(np.float32)
