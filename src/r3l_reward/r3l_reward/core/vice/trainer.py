# SPDX-License-Identifier: Apache-2.0
"""Train the classifier on goals against negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
import json
import math

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute, CPU
from r3l_node.core.weights import WeightsError
from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.losses import squared_weights
from r3l_reward.core.vice.model import build_network, load_tensors, MODEL
from r3l_reward.core.vice.networks import initialise, weighted_layers
from r3l_reward.core.vice.objective import Examples, network_inputs, vice_loss
import torch
from torch import Tensor

Array = NDArray[np.float32]

# Health is measured on at most this many batches of goals and of negatives.
HEALTH_BATCHES = 4
# Share of a batch of negatives that stays, or a classifier that takes all for success would never
# hear the contrary.
LEAST_NEGATIVES = 0.25


class ViceTrainer:
    """
    Own the network, the optimiser and the goals.

    Every random number of update ``n`` comes from a generator seeded with ``(seed, n)``: a
    trainer that was saved and loaded continues exactly as if it had not been stopped.
    """

    def __init__(
        self, config: ViceConfig, goals: Examples, seed: int = 0, compute: Compute = CPU
    ) -> None:
        """
        Split the goals and draw initial weights.

        :param config: architecture and loss.
        :param goals: latents, shape (count, latent) float32, or images, shape
            (count, height, width, 3) uint8, as ``config.input`` says.
        :param seed: fixes split, initial weights, batches and mixup.
        :param compute: where it is trained.
        :raises ValueError: if the goals are not of that shape or there are none.
        """
        dimensions = 2 if config.input == 'latent' else 4
        if goals.ndim != dimensions or len(goals) == 0:
            raise ValueError(
                f'goals have shape {goals.shape}: expected {dimensions} dimensions and at least '
                f'one goal for a classifier of {config.input}'
            )
        self.config = config
        self.seed = seed
        self.compute = compute
        self.updates = 0
        self.size = int(goals.shape[1])
        order = np.random.default_rng([seed, 3]).permutation(len(goals))
        count = min(int(len(goals) * config.held_out_share), config.held_out_limit)
        self.held_out = goals[order[:count]]
        self.goals = goals[order[count:]]
        self._network = build_network(config, self.size)
        initialise(self._network, torch.Generator().manual_seed(seed))
        self._network.to(compute.device)
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate)

    def round(
        self, negatives: Examples, check: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """
        Run one update per row of negatives, then measure health.

        :param negatives: shape (updates, batch, ...), updates >= 1.
        :param check: called before every update; may raise to end the round.
        :return: metrics, see ``health``, with the mean loss of the updates.
        """
        results, excluded = [], []
        for batch in negatives:
            check()
            kept = self.unlike_goals(batch)
            excluded.append(1.0 - len(kept) / len(batch))
            # Repeated to their former number: there are as many of them as of goals.
            results.append(self.update(batch[np.resize(kept, len(batch))]))
        losses = np.mean(results, axis=0)
        filtered = self.config.exclude_above < 1.0
        return {
            'vice/loss': float(losses[0]),
            'vice/gradient_penalty': float(losses[1]),
            'vice/updates': float(self.updates),
            **({'vice/excluded': float(np.mean(excluded))} if filtered else {}),
            **self.health(negatives[-HEALTH_BATCHES:].reshape(-1, *negatives.shape[2:])),
        }

    @torch.inference_mode()
    def unlike_goals(self, negatives: Examples) -> NDArray[np.int64]:
        """
        Find the negatives that do not look like success, by ``exclude_above``.

        :param negatives: shape (batch, ...).
        :return: their positions, increasing; the least likely quarter at least.
        """
        limit = self.config.exclude_above
        if limit >= 1.0:
            return np.arange(len(negatives))
        probability = self._probability(negatives)
        kept = np.flatnonzero(probability <= limit)
        least = math.ceil(LEAST_NEGATIVES * len(negatives))
        if len(kept) < least:
            kept = np.sort(np.argsort(probability, kind='stable')[:least])
        return kept

    def update(self, negatives: Examples) -> tuple[float, float]:
        """
        Take one gradient step on a batch of goals and the given negatives.

        :param negatives: shape (batch, ...).
        :return: classification loss [nat] and gradient penalty.
        """
        rng = np.random.default_rng([self.seed, 5, self.updates])
        positives = self.goals[rng.integers(len(self.goals), size=self.config.batch)]
        loss, penalty = vice_loss(
            self._network, self.config, positives, negatives, rng, self.compute
        )
        total = loss + self.config.gradient_penalty * penalty
        if self.config.l2 > 0.0:
            weights = [layer.weight for layer in weighted_layers(self._network)]
            total = total + self.config.l2 * squared_weights(weights)
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.updates += 1
        return loss.item(), penalty.item()

    @torch.inference_mode()
    def health(self, negatives: Examples) -> dict[str, float]:
        """
        Measure the classifier without mixup, smoothing or augmentation.

        :param negatives: shape (count, ...).
        :return: mean probabilities of trained goals, held-out goals and negatives, and the
            accuracy at 1/2 on all of them and on the held-out goals.
        """
        goal = self._probability(self.goals[: HEALTH_BATCHES * self.config.batch])
        negative = self._probability(negatives)
        metrics = {
            'vice/accuracy': 0.5 * float((goal > 0.5).mean() + (negative <= 0.5).mean()),
            'vice/goal_probability': float(goal.mean()),
            'vice/negative_probability': float(negative.mean()),
        }
        if len(self.held_out):
            held_out = self._probability(self.held_out)
            metrics['vice/held_out_probability'] = float(held_out.mean())
            metrics['vice/held_out_accuracy'] = float((held_out > 0.5).mean())
        return metrics

    def weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """
        Copy the classifier for ``RewardModel.from_weights``.

        :return: arrays by name; metadata ``model``, ``config`` (JSON), ``size``, ``updates``.
        """
        state = self._network.state_dict()
        tensors = {n: v.detach().cpu().numpy().copy() for n, v in state.items()}
        config = {field.name: getattr(self.config, field.name) for field in fields(ViceConfig)}
        return tensors, {
            'model': MODEL,
            'config': json.dumps(config),
            'size': str(self.size),
            'updates': str(self.updates),
        }

    def optimizer_weights(self) -> tuple[dict[str, Array], dict[str, str]]:
        """
        Copy the optimiser's moments, for an exact continuation.

        :return: arrays by name, empty before the first update; metadata ``updates``.
        """
        tensors = {}
        for index, state in self._optimiser.state_dict()['state'].items():
            for name, value in state.items():
                tensors[f'{index}.{name}'] = value.detach().cpu().numpy().astype(np.float32)
        return tensors, {'updates': str(self.updates)}

    def load(
        self,
        tensors: Mapping[str, Array],
        metadata: Mapping[str, str],
        optimizer: Mapping[str, Array] | None = None,
    ) -> None:
        """
        Continue from saved weights.

        :param tensors: as returned by ``weights``.
        :param metadata: as returned by ``weights``.
        :param optimizer: as returned by ``optimizer_weights``; without it the moments restart.
        :raises WeightsError: one sentence, if they do not fit this trainer.
        """
        if metadata.get('model') != MODEL or metadata.get('size') != str(self.size):
            raise WeightsError(
                f'the reward weights are of model {metadata.get("model")!r} size '
                f'{metadata.get("size")!r}: expected {MODEL!r} size {str(self.size)!r}'
            )
        load_tensors(self._network, tensors)
        self.updates = int(metadata.get('updates', '0'))
        if optimizer:
            self._load_optimiser(optimizer)

    def _load_optimiser(self, optimizer: Mapping[str, Array]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        parameters = list(self._network.parameters())
        for key, value in optimizer.items():
            index, _, name = key.partition('.')
            if not index.isdigit() or int(index) >= len(parameters):
                raise WeightsError(f'the optimiser array {key!r} belongs to no parameter')
            if name != 'step' and value.shape != tuple(parameters[int(index)].shape):
                raise WeightsError(f'the optimiser array {key!r} has shape {value.shape}')
            state.setdefault(int(index), {})[name] = torch.from_numpy(np.array(value))
        groups = self._optimiser.state_dict()['param_groups']
        self._optimiser.load_state_dict({'state': state, 'param_groups': groups})

    def _probability(self, examples: Examples) -> Array:
        logit = self._network(network_inputs(examples, self.compute.device))
        probability: Array = logit.sigmoid().cpu().numpy()
        return probability
