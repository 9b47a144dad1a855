# SPDX-License-Identifier: Apache-2.0
"""One soft actor-critic: networks, optimisers and a generator."""

from dataclasses import dataclass
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.sac import gaussian
from r3l_agent.core.sac.adam import Adam
from r3l_agent.core.sac.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    temperature_gradient,
)
from r3l_agent.core.sac.networks import Mlp, Tape
from r3l_node.core.compute import Compute, CPU
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SacConfig:
    """
    Settings of one soft actor-critic.

    :param observations: length of an observation.
    :param actions: length of an action.
    :param hidden: widths of the hidden layers of the actor and of each critic.
    :param critics: size of the critic ensemble.
    :param critic_subset: target critics drawn for each minimum (arXiv:2101.05982); 2 is usual.
    :param layer_norm: LayerNorm in the critics.
    :param discount: of one step [-].
    :param learning_rate: of all optimisers [-].
    :param target_rate: share of the critic that moves into its target each update [-].
    :param target_entropy: entropy that the policy should keep [nat].
    :param initial_temperature: entropy weight at the start [reward units per nat].
    """

    observations: int
    actions: int
    hidden: tuple[int, ...]
    critics: int
    critic_subset: int
    layer_norm: bool
    discount: float
    learning_rate: float
    target_rate: float
    target_entropy: float
    initial_temperature: float


class Batch(NamedTuple):
    """
    Transitions: shapes (batch, observations), (batch, actions) and (batch,).

    ``discount`` is that from an observation to the next, where it is not the one of a single step.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor
    discount: Tensor | None = None


class Sac:
    """
    Learn an actor and a critic ensemble from batches of transitions.

    All random numbers are drawn on the CPU, so that they do not depend on the device.

    :param config: settings.
    :param seed: of the initial weights and of the action noise.
    :param compute: where; batches have to be there.
    """

    def __init__(self, config: SacConfig, seed: int, compute: Compute = CPU) -> None:
        self.config = config
        self.target_entropy = config.target_entropy
        self.device = compute.device
        # What lies before the observation may learn from the critics' loss.
        self.wants_gradient = False
        self.gradient: Tensor | None = None
        self.generator = torch.Generator().manual_seed(seed)
        inputs = config.observations + config.actions
        sizes = (config.observations, *config.hidden, 2 * config.actions)
        self.actor = Mlp(sizes, half=compute.half)
        sizes = (inputs, *config.hidden, 1)
        self.critic = Mlp(sizes, config.critics, config.layer_norm, compute.half)
        self.actor_flat = self.actor.initialise(self.generator).to(self.device)
        self.critic_flat = self.critic.initialise(self.generator).to(self.device)
        self.target_flat = self.critic_flat.clone()
        # Stays on the CPU, where it is read at every update.
        self.log_temperature = torch.tensor([math.log(config.initial_temperature)])
        self._actor_layers = self.actor.layers(self.actor_flat)
        self._critic_layers = self.critic.layers(self.critic_flat)
        self._target_layers = self.critic.layers(self.target_flat)
        self._actor_gradient = torch.zeros_like(self.actor_flat)
        self._critic_gradient = torch.zeros_like(self.critic_flat)
        self._actor_gradients = self.actor.layers(self._actor_gradient)
        self._critic_gradients = self.critic.layers(self._critic_gradient)
        self._optimisers = {
            'actor': Adam(self.actor_flat, config.learning_rate),
            'critic': Adam(self.critic_flat, config.learning_rate),
            'temperature': Adam(self.log_temperature, config.learning_rate),
        }

    @property
    def temperature(self) -> float:
        """Entropy weight [reward units per nat]."""
        return math.exp(self.log_temperature.item())

    @property
    def policy_flat(self) -> Tensor:
        """All parameters that an action depends on, shape (parameters,)."""
        return self.actor_flat

    def policy_arrays(self, flat: Tensor) -> dict[str, NDArray[np.float32]]:
        """
        Copy a policy's parameters by name.

        :param flat: like ``policy_flat``.
        """
        found: dict[str, NDArray[np.float32]] = {}
        for index, (weight, bias) in enumerate(self.actor.layers(flat.cpu())):
            found[f'weight{index}'] = weight[0].numpy().copy()
            found[f'bias{index}'] = bias[0, 0].numpy().copy()
        return found

    # Not only no_grad: every one of its many small operations is a little faster in this mode.
    @torch.inference_mode()
    def update(self, batch: Batch, *, actor: bool = True) -> dict[str, Tensor]:
        """
        Make one gradient step on the critics, the actor and the temperature.

        A part whose loss is not finite is left as it is; the metrics show it.

        :param batch: transitions.
        :param actor: whether actor and temperature have their turn, too.
        :return: scalars by name; read them only where they are shown.
        """
        temperature = self.temperature
        self.gradient = None
        # The critics' step leaves the actor as it is, so it can look at both rows at once.
        tape, count = Tape(), len(batch.reward)
        rows = [batch.next_observation, batch.observation] if actor else [batch.next_observation]
        drawn = self._sample(torch.cat(rows), tape)
        metrics = self._update_critic(batch, drawn.rows(slice(count)), temperature)
        if actor:
            drawn, tape = drawn.rows(slice(count, None)), tape.rows(slice(count, None))
            metrics |= self._update_actor(batch.observation, drawn, tape, temperature)
        self.target_flat.lerp_(self.critic_flat, self.config.target_rate)
        return metrics

    def _sample(self, observation: Tensor, tape: Tape) -> gaussian.Sample:
        shape = (len(observation), self.config.actions)
        noise = torch.randn(shape, generator=self.generator).to(self.device)
        output = self.actor.forward(self._actor_layers, observation, tape)[0]
        return gaussian.sample(output, noise)

    def _update_critic(
        self, batch: Batch, drawn: gaussian.Sample, temperature: float
    ) -> dict[str, Tensor]:
        inputs = torch.cat([batch.next_observation, drawn.action], dim=-1)
        next_q = self._subset(self.critic.forward(self._target_layers, inputs).squeeze(-1))
        target = critic_target(
            batch.reward,
            batch.terminal,
            next_q,
            drawn.log_prob,
            temperature,
            self.config.discount if batch.discount is None else batch.discount,
        )
        tape = Tape()
        inputs = torch.cat([batch.observation, batch.action], dim=-1)
        q = self.critic.forward(self._critic_layers, inputs, tape).squeeze(-1)
        loss, gradient = critic_loss(q, target)
        if not math.isfinite(loss.item()):
            return {'critic_loss': loss, 'q_mean': target.mean()}
        to_input = self.critic.backward(
            self._critic_layers,
            tape,
            gradient.unsqueeze(-1),
            self._critic_gradients,
            to_input=self.wants_gradient,
        )
        if self.wants_gradient:
            self.gradient = to_input[:, : batch.observation.shape[-1]]
        self._optimisers['critic'].step(self._critic_gradient)
        return {'critic_loss': loss, 'q_mean': target.mean()}

    def _subset(self, q: Tensor) -> Tensor:
        if self.config.critic_subset >= self.config.critics:
            return q
        order = torch.randperm(self.config.critics, generator=self.generator)
        return q[order[: self.config.critic_subset].to(self.device)]

    def _update_actor(
        self, observation: Tensor, drawn: gaussian.Sample, actor_tape: Tape, temperature: float
    ) -> dict[str, Tensor]:
        critic_tape = Tape()
        inputs = torch.cat([observation, drawn.action], dim=-1)
        q = self.critic.forward(self._critic_layers, inputs, critic_tape).squeeze(-1)
        loss, to_q = actor_loss(q, drawn.log_prob, temperature)
        if not math.isfinite(loss.item()):
            return {'actor_loss': loss}
        to_action = self.critic.backward(
            self._critic_layers,
            critic_tape,
            to_q.unsqueeze(-1),
            to_input=True,
            first_input=observation.shape[-1],
        )
        to_output = gaussian.output_gradient(drawn, to_action, temperature / len(observation))
        self.actor.backward(
            self._actor_layers, actor_tape, to_output.unsqueeze(0), self._actor_gradients
        )
        self._optimisers['actor'].step(self._actor_gradient)
        mean_log_prob = drawn.log_prob.mean()
        to_temperature = temperature_gradient(mean_log_prob.item(), self.target_entropy)
        self._optimisers['temperature'].step(torch.full((1,), to_temperature))
        return {
            'actor_loss': loss,
            'entropy': -mean_log_prob,
            'ent_coef': self.log_temperature.exp()[0],
        }

    def state(self) -> dict[str, Tensor]:
        """Everything that an exact continuation needs, by name."""
        state = {
            'actor': self.actor_flat,
            'critic': self.critic_flat,
            'target': self.target_flat,
            'log_temperature': self.log_temperature,
            'generator': self.generator.get_state(),
        }
        for name, optimiser in self._optimisers.items():
            state |= {f'{name}_{key}': value for key, value in optimiser.state().items()}
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """
        Continue from what ``state`` returned.

        :param state: tensors by name.
        :raises ValueError: if the networks have another shape.
        """
        for name, flat in (('actor', self.actor_flat), ('critic', self.critic_flat)):
            if state[name].shape != flat.shape:
                raise ValueError(
                    f'{name} has {state[name].numel()} parameters: expected {flat.numel()}'
                )
        self.actor_flat.copy_(state['actor'])
        self.critic_flat.copy_(state['critic'])
        self.target_flat.copy_(state['target'])
        self.log_temperature.copy_(state['log_temperature'])
        self.generator.set_state(state['generator'].to(torch.uint8))
        for name, optimiser in self._optimisers.items():
            keys = optimiser.state()
            optimiser.load({key: state[f'{name}_{key}'] for key in keys})
