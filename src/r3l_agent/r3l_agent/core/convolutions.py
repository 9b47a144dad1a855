# SPDX-License-Identifier: Apache-2.0
"""The trunk of a policy that sees pixels, in numpy; the twin of ``sac/trunk.py``."""

from collections.abc import Mapping
from dataclasses import dataclass
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]
KERNEL = 3
EPSILON = 1e-5  # of the LayerNorm
COLOURS = 3


@dataclass(frozen=True, slots=True)
class Convolutions:
    """
    Map the pixels at the front of an observation to features.

    :param pixels: length of the pixels.
    :param layers: per convolution a weight, shape (9 * in, out), and a bias, shape (out,).
    :param dense: weight, shape (in, features), and bias, scale and shift, shape (features,).
    """

    pixels: int
    layers: tuple[tuple[Array, Array], ...]
    dense: tuple[Array, Array, Array, Array]

    @classmethod
    def from_weights(cls, tensors: Mapping[str, Array], pixels: int) -> 'Convolutions':
        """
        Read the trunk of one policy.

        :param tensors: arrays by name, without the policy's.
        :param pixels: length of the pixels in an observation.
        :raises ValueError: one sentence, if they do not fit together.
        """
        side = math.isqrt(pixels // COLOURS)
        if COLOURS * side * side != pixels:
            raise ValueError(f'the trunk of a policy has {pixels} inputs: expected a square image')
        layers, previous = [], COLOURS
        for index in range(sum(name.startswith('weight') for name in tensors)):
            weight, bias = (tensors.get(f'{kind}{index}') for kind in ('weight', 'bias'))
            fits = weight is not None and bias is not None
            if not fits or weight.shape != (KERNEL, KERNEL, previous, *bias.shape):  # type: ignore[union-attr]
                raise ValueError(f'convolution {index} of a policy does not fit its input')
            assert weight is not None
            assert bias is not None
            layers.append((np.ascontiguousarray(weight).reshape(-1, len(bias)), np.array(bias)))
            previous, side = len(bias), (side + 1) // 2
        names = ('dense', 'offset', 'scale', 'shift')
        missing = [name for name in names if name not in tensors]
        if missing or len(tensors['dense']) != side * side * previous:
            raise ValueError('the trunk of a policy does not end as expected')
        dense, offset, scale, shift = (np.ascontiguousarray(tensors[name]) for name in names)
        return cls(pixels, tuple(layers), (dense, offset, scale, shift))

    @property
    def features(self) -> int:
        """Length of the features."""
        return int(self.dense[0].shape[1])

    def embed(self, observation: Array) -> Array:
        """
        Put features in the place of pixels.

        :param observation: shape (..., pixels + rest).
        :return: shape (..., features + rest).
        """
        side = math.isqrt(self.pixels // COLOURS)
        x = observation[..., : self.pixels].reshape(-1, side, side, COLOURS)
        for weight, bias in self.layers:
            x = np.maximum(_patches(x) @ weight + bias, 0.0)
        weight, offset, scale, shift = self.dense
        h = x.reshape(len(x), -1) @ weight + offset
        h -= h.mean(axis=-1, keepdims=True)
        h /= np.sqrt(np.square(h).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        features = np.tanh(h * scale + shift).reshape(*observation.shape[:-1], -1)
        return np.concatenate([features, observation[..., self.pixels :]], axis=-1)


def _patches(x: Array) -> Array:
    """Return what each output of a convolution sees, shape (batch, height, width, 9 * in)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = sliding_window_view(padded, (KERNEL, KERNEL), axis=(1, 2))[:, ::2, ::2]
    batch, height, width = windows.shape[:3]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(batch, height, width, -1)
