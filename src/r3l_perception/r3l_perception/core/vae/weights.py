# SPDX-License-Identifier: Apache-2.0
"""Turn a VAE into named arrays with a description of its architecture, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
import json

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.weights import WeightsError
from r3l_perception.core.vae.config import VaeConfig
from r3l_perception.core.vae.networks import Vae
import torch

MODEL = 'r3l_vae'
ARCHITECTURE = ('image_size', 'latent_size', 'channels', 'kernel', 'activation', 'likelihood')


def to_weights(vae: Vae) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """
    Copy all parameters and buffers of a VAE.

    :param vae: any VAE.
    :return: arrays by name; metadata with the key ``model`` and the key ``config`` (JSON).
    """
    tensors = {name: value.detach().numpy().copy() for name, value in vae.state_dict().items()}
    config = {field.name: getattr(vae.config, field.name) for field in fields(VaeConfig)}
    return tensors, {'model': MODEL, 'config': json.dumps(config)}


def from_weights(
    tensors: Mapping[str, NDArray[np.float32]],
    metadata: Mapping[str, str],
    expected: VaeConfig | None = None,
) -> Vae:
    """
    Rebuild a VAE for encoding and decoding.

    :param tensors: arrays by name.
    :param metadata: as returned by ``to_weights``.
    :param expected: refuse weights whose architecture differs from this one.
    :return: VAE in evaluation mode.
    :raises WeightsError: one sentence, if the weights are not those of such a VAE.
    """
    config = _config(metadata)
    if expected is not None:
        for name in ARCHITECTURE:
            found, wanted = getattr(config, name), getattr(expected, name)
            if found != wanted:
                raise WeightsError(f'the encoder weights have {name} {found}: expected {wanted}')
    vae = Vae(config)
    own = vae.state_dict()
    if own.keys() != tensors.keys():
        names = sorted(own.keys() ^ tensors.keys())
        raise WeightsError(f'the encoder weights lack or do not expect the array {names[0]!r}')
    for name, value in tensors.items():
        if tuple(own[name].shape) != value.shape or value.dtype != np.float32:
            raise WeightsError(
                f'the encoder array {name!r} is {value.dtype}{value.shape}: expected '
                f'float32{tuple(own[name].shape)}'
            )
        own[name].copy_(torch.from_numpy(np.array(value)))
    return vae.eval().requires_grad_(False)


def _config(metadata: Mapping[str, str]) -> VaeConfig:
    if metadata.get('model') != MODEL:
        raise WeightsError(f'weights are of model {metadata.get("model")!r}: expected {MODEL!r}')
    try:
        values = json.loads(metadata['config'])
        values['channels'] = tuple(int(c) for c in values['channels'])
        return VaeConfig(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f'the encoder weights describe no VAE ({error})') from error
