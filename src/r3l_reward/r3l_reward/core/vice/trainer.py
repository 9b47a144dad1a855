# SPDX-License-Identifier: Apache-2.0
"""Train the classifier on goals against negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
import json

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from r3l_reward.core.vice.augmentation import random_shift
from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.losses import (
    classification_loss,
    gradient_penalty,
    mix,
    smooth_labels,
    squared_weights,
)
from r3l_reward.core.vice.model import MODEL, build_network, load_tensors
from r3l_reward.core.vice.networks import initialise, pixel_values, weighted_layers

Array = NDArray[np.float32]
Examples = NDArray[np.float32] | NDArray[np.uint8]


class ViceTrainer:
    """
    Own the network, the optimiser and the goals.

    Every random number of update ``n`` comes from a generator seeded with ``(seed, n)``: a
    trainer that was saved and loaded continues exactly as if it had not been stopped.
    """

    def __init__(self, config: ViceConfig, goals: Examples, seed: int = 0) -> None:
        """
        Split the goals and draw initial weights.

        :param config: architecture and loss.
        :param goals: latents, shape (count, latent) float32, or images, shape
            (count, height, width, 3) uint8, as ``config.input`` says.
        :param seed: fixes split, initial weights, batches and mixup.
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
        self.updates = 0
        self.size = int(goals.shape[1])
        order = np.random.default_rng([seed, 3]).permutation(len(goals))
        count = min(int(len(goals) * config.held_out_share), config.held_out_limit)
        self.held_out = goals[order[:count]]
        self.goals = goals[order[count:]]
        self._network = build_network(config, self.size)
        initialise(self._network, torch.Generator().manual_seed(seed))
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate)

    def round(self, negatives: Examples, updates: int) -> dict[str, float]:
        """
        Run several updates, each on a fresh sample of the negatives, then measure health.

        :param negatives: everything that may be sampled, shape (count, ...), count >= 1.
        :param updates: number of updates.
        :return: metrics, see ``health``, with the mean loss of the updates.
        """
        losses = np.zeros(2)
        for _ in range(updates):
            rng = self._rng(4)
            batch = negatives[rng.integers(len(negatives), size=self.config.batch)]
            losses += self.update(batch)
        rng = self._rng(5)
        sample = negatives[rng.integers(len(negatives), size=4 * self.config.batch)]
        loss, penalty = losses / max(updates, 1)
        return {
            'vice/loss': float(loss),
            'vice/gradient_penalty': float(penalty),
            **self.health(sample),
        }

    def update(self, negatives: Examples) -> tuple[float, float]:
        """
        Take one gradient step on a batch of goals and the given negatives.

        :param negatives: shape (batch, ...).
        :return: classification loss [nat] and gradient penalty.
        """
        rng = self._rng(6)
        positives = self.goals[rng.integers(len(self.goals), size=self.config.batch)]
        loss, penalty = vice_loss(self._network, self.config, positives, negatives, rng)
        total = loss + self.config.gradient_penalty * penalty
        if self.config.l2 > 0.0:
            weights = [layer.weight for layer in weighted_layers(self._network)]
            total = total + self.config.l2 * squared_weights(weights)
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
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
        goal = self._probability(self.goals[: 4 * self.config.batch])
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
        tensors = {n: v.detach().numpy().copy() for n, v in self._network.state_dict().items()}
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
                tensors[f'{index}.{name}'] = value.detach().numpy().astype(np.float32).copy()
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
        :raises ValueError: one sentence, if they do not fit this trainer.
        """
        if metadata.get('model') != MODEL or metadata.get('size') != str(self.size):
            raise ValueError(
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
                raise ValueError(f'the optimiser array {key!r} belongs to no parameter')
            if name != 'step' and value.shape != tuple(parameters[int(index)].shape):
                raise ValueError(f'the optimiser array {key!r} has shape {value.shape}')
            state.setdefault(int(index), {})[name] = torch.from_numpy(np.array(value))
        groups = self._optimiser.state_dict()['param_groups']
        self._optimiser.load_state_dict({'state': state, 'param_groups': groups})

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, self.updates])

    def _probability(self, examples: Examples) -> Array:
        probability: Array = self._network(_inputs(examples)).sigmoid().numpy()
        return probability


def vice_loss(
    network: torch.nn.Module,
    config: ViceConfig,
    positives: Examples,
    negatives: Examples,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """
    Compute the classification loss and the gradient penalty of a batch.

    :param network: classifier.
    :param config: mixup, smoothing, augmentation, penalty.
    :param positives: goals, shape (batch, ...).
    :param negatives: the robot's own data, shape (batch, ...).
    :param rng: draws mixup weights and shifts.
    :return: loss [nat] and unweighted penalty (zero where it is switched off).
    """
    examples = np.concatenate([positives, negatives])
    if config.input == 'pixels' and config.shift > 0:
        examples = random_shift(examples, config.shift, rng)
    inputs = _inputs(examples)
    labels = torch.zeros(len(examples))
    labels[: len(positives)] = 1.0
    labels = smooth_labels(labels, config.label_smoothing)
    order = torch.from_numpy(rng.permutation(len(examples)))
    mixed, mixed_labels = inputs, labels
    if config.mixup > 0.0:
        share = rng.beta(config.mixup, config.mixup, size=len(examples)).astype(np.float32)
        mixed = mix(inputs, order, torch.from_numpy(share))
        mixed_labels = mix(labels, order, torch.from_numpy(share))
    loss = classification_loss(network(mixed), mixed_labels)
    if config.gradient_penalty == 0.0:
        return loss, torch.zeros(())
    count = min(len(positives), len(negatives))
    share = torch.from_numpy(rng.random(count, dtype=np.float32))
    pairs = torch.cat([inputs[:count], inputs[len(positives) :][:count]])
    between = mix(pairs, torch.arange(2 * count).roll(count), torch.cat([share, share]))[:count]
    return loss, gradient_penalty(network, between, config.gradient_norm)


def _inputs(examples: Examples) -> Tensor:
    tensor = torch.from_numpy(examples)
    return tensor if tensor.ndim == 2 else pixel_values(tensor)
