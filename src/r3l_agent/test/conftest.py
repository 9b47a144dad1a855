# SPDX-License-Identifier: Apache-2.0
"""Small untrained models, and rows to learn from."""

from collections.abc import Callable

import numpy as np
import pytest
from r3l_agent.core.replay.buffer import Row
from r3l_agent.core.schedule import Model
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.vice import ViceConfig
from r3l_reward.core.vice.model import build_network, MODEL
import torch

LATENT = 4


@pytest.fixture(scope='session')
def encoder_model() -> Callable[..., Model]:
    """Provide a function that makes weights of an encoder."""

    def make(version: int = 1, latent_size: int = LATENT, seed: int = 0) -> Model:
        torch.manual_seed(seed)
        vae = Vae(VaeConfig(latent_size=latent_size, channels=(2, 2)))
        for value in vae.parameters():
            torch.nn.init.normal_(value, std=0.1)
        return Model(version, 0, *to_weights(vae))

    return make


@pytest.fixture(scope='session')
def classifier_model() -> Callable[..., Model]:
    """Provide a function that makes weights of a classifier."""

    def make(env_steps: int = 0, version: int = 1, latent_size: int = LATENT) -> Model:
        import json

        config = ViceConfig(hidden=(8,))
        torch.manual_seed(version)
        network = build_network(config, latent_size)
        for value in network.parameters():
            torch.nn.init.normal_(value, std=0.1)
        tensors = {name: value.numpy().copy() for name, value in network.state_dict().items()}
        fields = {name: getattr(config, name) for name in config.__dataclass_fields__}
        metadata = {'model': MODEL, 'size': str(latent_size), 'config': json.dumps(fields)}
        return Model(version, env_steps, tensors, metadata)

    return make


@pytest.fixture(scope='session')
def make_row() -> Callable[..., Row]:
    """Provide a function that makes the row of a sequence number: episodes of 4 actions."""

    def make(sequence: int, policy: int = 1, encoded: bool = True) -> Row:
        rng = np.random.default_rng(sequence)
        action = rng.uniform(-1, 1, 9).astype(np.float32)
        return Row(
            sequence=sequence,
            policy=policy,
            first=sequence % 5 == 0,
            last=sequence % 5 == 4,
            image=rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
            joint_position=np.zeros(9, np.float32),
            previous_action=np.zeros(9, np.float32),
            action=action,
            latent=rng.normal(0, 1, LATENT if encoded else 0).astype(np.float32),
        )

    return make
