# SPDX-License-Identifier: Apache-2.0
"""The deployed policy: the loop of the agent without noise, learning or homing."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.policy import Policy
from r3l_node.core.weights import WeightsError

Array = NDArray[np.float32]


class Encoder(Protocol):
    """Turns images into latents, as `r3l_perception.core.vae.Vae` does."""

    def encode(self, images: NDArray[Any]) -> tuple[Any, Any]:
        """Return mean and log variance, each of shape (batch, latent)."""


class DeployedPolicy:
    """
    Answer batches of observations as the agent answers one; an `evaluation.Act`.

    :param encoder: the encoder that the policy was trained with.
    :param tensors: the policy weights.
    :param metadata: their description.
    :raises WeightsError: if the weights are no policy, or not one for this encoder.
    """

    def __init__(
        self, encoder: Encoder, tensors: Mapping[str, Array], metadata: Mapping[str, str]
    ) -> None:
        try:
            self._policy = Policy.from_weights(tensors, metadata, 'deployed')
        except ValueError as error:
            raise WeightsError(str(error)) from error
        self._encoder = encoder
        self._previous: Array | None = None
        self._last_action: Array | None = None

    def __call__(
        self, images: NDArray[Any], joint_position: NDArray[np.float64], first: bool
    ) -> NDArray[np.float64]:
        """
        Choose joint targets.

        :param images: shape (batch, height, width, 3), RGB.
        :param joint_position: shape (batch, joints) [rad].
        :param first: true at the first step of the episodes, which forgets the steps before.
        :return: shape (batch, joints) [rad].
        :raises WeightsError: if encoder and policy do not go together.
        """
        spec, joints = self._policy.spec, self._policy.joints
        latent = np.asarray(self._encoder.encode(images)[0], dtype=np.float32)
        if latent.shape[1] != spec.latent_size or joint_position.shape[1] != spec.joints:
            raise WeightsError(
                f'the policy expects {spec.latent_size} latents and {spec.joints} joints: '
                f'the encoder gives {latent.shape[1]}, the robot {joint_position.shape[1]}'
            )
        if first or self._previous is None or self._last_action is None:
            self._previous = latent
            self._last_action = np.zeros((len(latent), spec.action_size), np.float32)
        observation = spec.assemble(
            latent,
            self._previous,
            (self._policy.senses or joints).normalise(joint_position),
            self._last_action,
        )
        action = np.clip(self._policy.act(observation, None), -1.0, 1.0)
        self._previous, self._last_action = latent, action
        return joints.target(action)
