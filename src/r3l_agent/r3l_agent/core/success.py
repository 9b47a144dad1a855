# SPDX-License-Identifier: Apache-2.0
"""Whether the task looks done: the classifier as the agent has it, beside the policy's weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.dense import Array, forward, Layers, read_layers

NAME = 'success'


@dataclass(frozen=True, slots=True)
class SuccessHead:
    """
    The classifier of latents that the policy was trained with.

    It travels with the policy, so that what ends an episode depends on env steps alone, and not
    on which classifier happened to be the newest.

    :param layers: from a latent to one logit.
    """

    layers: Layers

    @classmethod
    def from_weights(
        cls, tensors: Mapping[str, NDArray[np.float32]], latent_size: int
    ) -> 'SuccessHead | None':
        """
        Read it out of the learner's weights.

        :param tensors: arrays by name; those of the classifier as ``tensors`` makes them.
        :param latent_size: length of a latent.
        :return: None if they hold none: there is no classifier, or it sees pixels.
        :raises ValueError: one sentence, if it is not one for such latents.
        """
        layers, outputs = read_layers(tensors, NAME, latent_size)
        if not layers:
            return None
        if outputs != 1:
            raise ValueError(f'{NAME!r} has {outputs} outputs: expected 1, a logit')
        return cls(layers)

    def tensors(self) -> dict[str, Array]:
        """Return its arrays by name."""
        found: dict[str, Array] = {}
        for index, (weight, bias) in enumerate(self.layers):
            found |= {f'{NAME}.weight{index}': weight, f'{NAME}.bias{index}': bias}
        return found

    def probability(self, latent: Array) -> float:
        """
        Return the probability that an observation is a success, 0 to 1.

        :param latent: shape (latent,).
        """
        logit = float(forward(self.layers, latent)[0])
        return float(0.5 * (1.0 + np.tanh(0.5 * logit)))
