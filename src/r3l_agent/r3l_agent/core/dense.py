# SPDX-License-Identifier: Apache-2.0
"""Fully connected layers in numpy: what acts must not need a deep-learning framework."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
# Per layer a weight, shape (in, out), and a bias, shape (out,).
Layers = tuple[tuple[Array, Array], ...]


def read_layers(tensors: Mapping[str, Array], name: str, size: int) -> tuple[Layers, int]:
    """
    Read the layers of one network.

    :param tensors: arrays named ``<name>.weight<k>`` and ``<name>.bias<k>``.
    :param name: of the network.
    :param size: length of its input.
    :return: the layers, none if there are no such arrays, and the length of the output.
    :raises ValueError: one sentence, if a layer does not fit the one before.
    """
    layers = []
    for index in range(sum(key.startswith(f'{name}.weight') for key in tensors)):
        weight, bias = (tensors.get(f'{name}.{kind}{index}') for kind in ('weight', 'bias'))
        if weight is None or bias is None or weight.shape != (size, *bias.shape):
            raise ValueError(f'layer {index} of {name!r} does not fit an input of {size}')
        layers.append((np.ascontiguousarray(weight), np.ascontiguousarray(bias)))
        size = bias.shape[0]
    return tuple(layers), size


def forward(layers: Layers, values: Array) -> Array:
    """
    Apply layers with rectifiers between them.

    :param layers: at least one.
    :param values: shape (in,) or (batch, in).
    :return: shape (out,) or (batch, out).
    """
    for weight, bias in layers[:-1]:
        values = np.maximum(values @ weight + bias, 0.0)
    weight, bias = layers[-1]
    result: Array = values @ weight + bias
    return result
