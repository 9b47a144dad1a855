# SPDX-License-Identifier: Apache-2.0
"""A soft actor-critic that sees pixels, through convolutions that its critics train."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.sac.adam import Adam
from r3l_agent.core.sac.learner import Batch, Sac, SacConfig
from r3l_agent.core.sac.trunk import Trunk
from r3l_node.core.compute import Compute, CPU
import torch
from torch import Tensor


class PixelSac(Sac):
    """
    Put a trunk in front of actor and critics.

    The critics' loss trains it; the actor sees its features as they are, which keeps the actor's
    gradient from spoiling them (arXiv:1910.01741, sec. 4.3). The next observation passes through
    the newest trunk, as in DrQ-v2 (arXiv:2107.09645): only the critics have a slow copy.

    :param config: settings; ``observations`` begin with the pixels.
    :param trunk: from pixels to features.
    :param seed: of the initial weights and of the action noise.
    :param compute: where; batches have to be there.
    """

    def __init__(self, config: SacConfig, trunk: Trunk, seed: int, compute: Compute = CPU) -> None:
        observations = config.observations - trunk.pixels + trunk.features
        super().__init__(replace(config, observations=observations), seed, compute)
        self.trunk = trunk
        self.trunk_flat = trunk.initialise(self.generator).to(self.device)
        self._compute = compute
        self._trunk_adam = Adam(self.trunk_flat, config.learning_rate)
        self.wants_gradient = True

    @property
    def policy_flat(self) -> Tensor:
        """All parameters that an action depends on, shape (parameters,)."""
        return torch.cat([self.trunk_flat, self.actor_flat])

    def policy_arrays(self, flat: Tensor) -> dict[str, NDArray[np.float32]]:
        """
        Copy a policy's parameters by name.

        :param flat: like ``policy_flat``.
        """
        own, rest = torch.split(flat.cpu(), [len(self.trunk_flat), len(self.actor_flat)])
        found = {f'trunk.{n}': v.numpy().copy() for n, v in self.trunk.arrays(own).items()}
        return found | super().policy_arrays(rest)

    def update(self, batch: Batch, *, actor: bool = True) -> dict[str, Tensor]:
        """
        Make one gradient step on everything.

        :param batch: transitions whose observations begin with pixels.
        :param actor: whether actor and temperature have their turn, too.
        :return: scalars by name.
        """
        with torch.enable_grad():
            leaf = self.trunk_flat.detach().requires_grad_()
            observation = self._embed(leaf, batch.observation)
        with torch.no_grad():
            following = self._embed(self.trunk_flat, batch.next_observation)
            seen = batch._replace(observation=observation.detach(), next_observation=following)
            metrics = super().update(seen, actor=actor)
            if self.gradient is not None:
                (to_trunk,) = torch.autograd.grad(observation, leaf, self.gradient)
                self._trunk_adam.step(to_trunk)
        return metrics

    def _embed(self, flat: Tensor, observation: Tensor) -> Tensor:
        pixels, rest = observation.tensor_split([self.trunk.pixels], dim=-1)
        with self._compute.autocast():
            features = self.trunk.forward(flat, pixels)
        return torch.cat([features.float(), rest], dim=-1)

    def state(self) -> dict[str, Tensor]:
        """Everything that an exact continuation needs, by name."""
        moments = {f'trunk_{name}': value for name, value in self._trunk_adam.state().items()}
        return super().state() | {'trunk': self.trunk_flat} | moments

    def load(self, state: dict[str, Tensor]) -> None:
        """
        Continue from what ``state`` returned.

        :param state: tensors by name.
        :raises ValueError: if the networks have another shape.
        """
        if state['trunk'].shape != self.trunk_flat.shape:
            raise ValueError(
                f'the trunk has {state["trunk"].numel()} parameters: '
                f'expected {self.trunk_flat.numel()}'
            )
        super().load(state)
        self.trunk_flat.copy_(state['trunk'])
        self._trunk_adam.load({name: state[f'trunk_{name}'] for name in self._trunk_adam.state()})
