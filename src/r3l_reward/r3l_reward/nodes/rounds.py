# SPDX-License-Identifier: Apache-2.0
"""Train the classifier beside the callbacks of the node; keep and load its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
import threading

from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, pack, save, Tensors
from r3l_reward.core.vice import RewardModel, ViceTrainer
from r3l_reward.core.vice.objective import Examples

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


class _StopError(Exception):
    """Raised inside a round to end it early."""


class Rounds:
    """Runs rounds one after the other in a thread of its own."""

    def __init__(self, folder: Path | None, publish: Callable[[Trained], None]) -> None:
        """
        Load the checkpoint, if there is one, into ``restored``.

        :param folder: of the checkpoints; ``None`` keeps nothing.
        :param publish: called after every round, in the thread of the rounds.
        :raises ConfigError: one sentence, if the checkpoint is not one of a reward model.
        """
        self._folder = folder
        self._publish = publish
        self._trainer: ViceTrainer | None = None
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(1, 'rounds')
        self._futures: list[Future[None]] = []
        self._checkpoint: tuple[Tensors, dict[str, str]] | None = None
        self._version = 0
        self.restored: Trained | None = None
        if folder is not None and (folder / WEIGHTS_FILE).exists():
            self.restored = self._restore(folder / WEIGHTS_FILE)

    @property
    def possible(self) -> bool:
        """Whether there is a trainer."""
        return self._trainer is not None

    def set_trainer(self, trainer: ViceTrainer) -> None:
        """
        Give the trainer; it continues from the checkpoint.

        :param trainer: used by the thread of the rounds only, from now on.
        :raises ConfigError: one sentence, if the checkpoint does not fit it.
        """
        if self._checkpoint is not None:
            tensors, metadata = self._checkpoint
            trainer.load(tensors, metadata, self._optimizer(metadata))
            self._checkpoint = None
        self._trainer = trainer

    def start(self, env_steps: int, negatives: Examples) -> None:
        """
        Queue a round.

        :param env_steps: name of the round.
        :param negatives: a copy of its own, shape (updates, batch, ...).
        """
        self._futures.append(self._executor.submit(self._run, env_steps, negatives))

    def check(self) -> None:
        """
        Look at the rounds that ended.

        :raises Exception: what ended one of them.
        """
        while self._futures and self._futures[0].done():
            self._futures.pop(0).result()

    def stop(self) -> None:
        """End the round under way at its next update; the checkpoint stays that of the last."""
        self._stopped.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _run(self, env_steps: int, negatives: Examples) -> None:
        trainer = self._trainer
        assert trainer is not None
        try:
            metrics = trainer.round(negatives, self._raise_if_stopped)
        except _StopError:
            return
        self._version += 1
        tensors, metadata = trainer.weights()
        metadata |= {'version': str(self._version), 'env_steps': str(env_steps)}
        data = pack(tensors, metadata)
        if self._folder is not None:
            save(self._folder / OPTIMIZER_FILE, *trainer.optimizer_weights())
            save(self._folder / WEIGHTS_FILE, tensors, metadata)
        model = RewardModel.from_weights(tensors, metadata)
        metrics['vice/version'] = float(self._version)
        self._publish(Trained(model, data, self._version, env_steps, metrics))

    def _raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise _StopError

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
