# SPDX-License-Identifier: Apache-2.0
"""The novelty of a run that is on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.rnd.model import latent_rnd, Rnd
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load
import torch

_PREFIX = 'perturbation_rnd.'


def stored_rnd(path: Path, latent_size: int, learner: Mapping[str, Any]) -> Rnd | None:
    """
    Rebuild the novelty of the perturbation controller from a learner's checkpoint.

    :param path: ``learner.safetensors`` of a run.
    :param latent_size: length of a latent.
    :param learner: the learner's parameters, as in the run's ``config.yaml``.
    :return: None if there is no checkpoint yet, or its novelty is not one of latents.
    :raises ConfigError: if the checkpoint does not fit the parameters.
    """
    if not path.exists() or learner.get('rnd_input', 'latent') != 'latent':
        return None
    tensors, _ = load(path)
    rnd = latent_rnd(
        latent_size,
        int(learner.get('rnd_hidden', 128)),
        int(learner.get('rnd_output', 64)),
        float(learner.get('rnd_learning_rate', 1e-4)),
        float(learner.get('rnd_clip', 10.0)),
        0,
    )
    state = {}
    for name, own in rnd.state().items():
        value = tensors.get(_PREFIX + name)
        if value is None or value.shape != tuple(own.shape):
            found = 'no array' if value is None else f'an array of shape {value.shape}'
            raise ConfigError(
                f'{path} has {found} {_PREFIX}{name}: expected one of shape {tuple(own.shape)}'
            )
        state[name] = torch.from_numpy(np.array(value))
    rnd.load(state)
    return rnd


def novelty(rnd: Rnd, latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Measure how new latents are.

    :param rnd: of a run.
    :param latents: shape (n, latent).
    :return: shape (n,), from 0 to the clip of the run [-].
    """
    values: NDArray[np.float32] = rnd.measure((torch.from_numpy(latents),)).numpy()
    return values
