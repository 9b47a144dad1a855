# SPDX-License-Identifier: Apache-2.0
"""Train the classifier in rounds; keep and load its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, pack, save, Tensors
from r3l_reward.core.vice import RewardModel, Trainer
from r3l_reward.core.vice.objective import Examples

Weights = tuple[Tensors, dict[str, str]]

WEIGHTS_FILE = 'reward.safetensors'
OPTIMIZER_FILE = 'reward_optimizer.safetensors'


@dataclass(frozen=True, slots=True)
class Trained:
    """The classifier after a round."""

    model: RewardModel
    data: bytes  # safetensors
    version: int  # from 1
    env_steps: int  # name of the round
    metrics: dict[str, float]


class Rounds:
    """Run rounds one after the other, all in one thread."""

    def __init__(self, folder: Path | None) -> None:
        """
        Load the checkpoint, if there is one, into ``restored``.

        :param folder: of the checkpoints; ``None`` keeps nothing.
        :raises ConfigError: one sentence, if the checkpoint is not one of a reward model.
        """
        self._folder = folder
        self._trainer: Trainer | None = None
        self._checkpoint: tuple[Tensors, dict[str, str]] | None = None
        self._version = 0
        self.restored: Trained | None = None
        if folder is not None and (folder / WEIGHTS_FILE).exists():
            self.restored = self._restore(folder / WEIGHTS_FILE)

    @property
    def possible(self) -> bool:
        """Whether there is a trainer."""
        return self._trainer is not None

    def set_trainer(self, trainer: Trainer) -> None:
        """
        Give the trainer; it continues from the checkpoint.

        :param trainer: used by ``run`` only, from now on.
        :raises ConfigError: one sentence, if the checkpoint does not fit it.
        """
        if self._checkpoint is not None:
            tensors, metadata = self._checkpoint
            trainer.load(tensors, metadata, self._optimizer(metadata))
            self._checkpoint = None
        self._trainer = trainer

    def run(
        self, env_steps: int, negatives: Examples, check: Callable[[], None] = lambda: None
    ) -> Trained:
        """
        Run a round and write its checkpoint.

        :param env_steps: name of the round.
        :param negatives: shape (updates, batch, ...).
        :param check: called before every update; may raise to end the round.
        :return: the classifier after it.
        """
        trainer = self._trainer
        if trainer is None:
            raise ValueError('no trainer yet: expected set_trainer first')
        metrics = trainer.round(negatives, check)
        self._version += 1
        tensors, metadata = trainer.weights()
        metadata |= {'version': str(self._version), 'env_steps': str(env_steps)}
        data = pack(tensors, metadata)
        if self._folder is not None:
            save(self._folder / OPTIMIZER_FILE, *trainer.optimizer_weights())
            save(self._folder / WEIGHTS_FILE, tensors, metadata)
        model = RewardModel.from_weights(tensors, metadata)
        metrics['vice/version'] = float(self._version)
        return Trained(model, data, self._version, env_steps, metrics)

    def state(self) -> tuple[Weights, Weights] | None:
        """Copy classifier and optimiser, for ``load``; None: there is no trainer yet."""
        if self._trainer is None:
            return None
        tensors, metadata = self._trainer.weights()
        return (tensors, metadata | {'version': str(self._version)}), (
            self._trainer.optimizer_weights()
        )

    def load(self, classifier: Weights, optimizer: Weights) -> None:
        """
        Continue from what ``state`` returned; the trainer must be there.

        :raises ConfigError: one sentence, if it does not fit the trainer.
        """
        if self._trainer is None:
            raise ValueError('no trainer yet: expected set_trainer first')
        self._trainer.load(*classifier, optimizer[0])
        self._version = int(classifier[1]['version'])

    def _restore(self, path: Path) -> Trained:
        tensors, metadata = load(path)
        try:
            model = RewardModel.from_weights(tensors, metadata)
            self._version = int(metadata['version'])
            env_steps = int(metadata['env_steps'])
        except (KeyError, ValueError) as error:
            raise ConfigError(f'{path} is no checkpoint of a reward model: {error}') from error
        self._checkpoint = tensors, metadata
        return Trained(model, pack(tensors, metadata), self._version, env_steps, {})

    def _optimizer(self, metadata: dict[str, str]) -> Tensors | None:
        """Read the optimiser's moments, if they are of the same update as the weights."""
        path = self._folder and self._folder / OPTIMIZER_FILE
        if path is None or not path.exists():
            return None
        tensors, own = load(path)
        return tensors if own.get('updates') == metadata.get('updates') else None
