# SPDX-License-Identifier: Apache-2.0
"""The goal image that is nearest to what the camera sees, in latent space."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from r3l_node.core.errors import ConfigError
from r3l_perception.core.encoders import Encoder


class GoalIndex:
    """Goal images and their latents under one encoder."""

    def __init__(self, goals: NDArray[np.uint8], encoder: Encoder) -> None:
        """
        Encode the goals once.

        :param goals: shape (count, height, width, 3).
        :raises ConfigError: if the encoder is for images of another size.
        """
        try:
            latents = encoder.encode(goals)[0].numpy()
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f'goal images of {goals.shape[2]}x{goals.shape[1]} pixels do not fit the '
                f'encoder of this run: {error}'
            ) from error
        self.goals = goals
        self._latents: NDArray[np.float32] = latents.reshape(len(goals), -1)

    def nearest(self, latent: ArrayLike) -> tuple[int, float]:
        """
        Find the nearest goal.

        :param latent: mean of the latent of an image, shape (latent,).
        :return: number of the goal and its Euclidean distance [-].
        :raises ConfigError: if the latent is of another encoder.
        """
        wanted = np.asarray(latent, np.float32)
        if wanted.shape != self._latents.shape[1:]:
            raise ConfigError(
                f'the latent has {wanted.size} values: expected {self._latents.shape[1]}'
            )
        distance = np.linalg.norm(self._latents - wanted, axis=1)
        best = int(distance.argmin())
        return best, float(distance[best])
