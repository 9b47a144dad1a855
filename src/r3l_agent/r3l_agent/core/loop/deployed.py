# SPDX-License-Identifier: Apache-2.0
"""The deployed policy: the loop without noise, learning or homing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.loop.world import Sensed
from r3l_agent.core.policy import Policy
from r3l_perception.core.encoders import Encoder, encoder_from_weights

Array = NDArray[np.float32]
# Arrays by name and metadata, as in a safetensors file.
Weights = tuple[Mapping[str, NDArray[Any]], Mapping[str, str]]


class Deployed:
    """
    A trained policy with its encoder.

    :param encoder: that the policy was trained with.
    :param policy: the deployed one.
    """

    def __init__(self, encoder: Encoder, policy: Policy) -> None:
        self._encoder = encoder
        self._policy = policy
        self._latent: Array | None = None
        self._action: Array = np.zeros(policy.spec.action_size, np.float32)

    @classmethod
    def from_weights(cls, encoder: Weights, policy: Weights) -> 'Deployed':
        """
        Make it of what a run keeps.

        :param encoder: of ``checkpoints/encoder.safetensors``.
        :param policy: of ``checkpoints/policy.safetensors``.
        :raises ValueError: one sentence, if they are not what they should be.
        """
        return cls(encoder_from_weights(*encoder), Policy.from_weights(*policy))

    def __call__(self, sensed: Sensed, first: bool = False) -> NDArray[np.float64]:
        """
        Choose a target.

        :param sensed: by a world like that of the training.
        :param first: whether an episode begins here, which forgets what was sensed before.
        :return: shape (actions,), for ``World.step``.
        """
        policy = self._policy
        raw = sensed.features if sensed.image is None else sensed.image
        latent: Array = self._encoder.encode(raw[None])[0].numpy()[0]
        if first or self._latent is None:
            self._latent = latent
            self._action = np.zeros_like(self._action)
        observation = policy.spec.assemble(
            latent,
            self._latent,
            (policy.senses or policy.joints).normalise(sensed.joint_position),
            self._action,
        )
        self._latent, self._action = latent, np.clip(policy.act(observation), -1.0, 1.0)
        return policy.joints.target(self._action)
