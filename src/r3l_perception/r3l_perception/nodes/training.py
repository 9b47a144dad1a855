# SPDX-License-Identifier: Apache-2.0
"""Train the VAE beside the callbacks of the node."""

from __future__ import annotations

from queue import Empty, SimpleQueue
import threading

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute, CPU
from r3l_perception.core.vae import train_vae, Vae, VaeConfig


class _StopError(Exception):
    """Raised inside the training to end it early."""


class TrainingThread:
    """A training that runs in a thread of its own, from construction on."""

    def __init__(
        self, images: NDArray[np.uint8], config: VaeConfig, seed: int, compute: Compute = CPU
    ) -> None:
        """
        Start training.

        :param images: shape (count, height, width, 3); must not change until the end.
        :param config: architecture and training.
        :param seed: seed of the training.
        :param compute: where it is trained.
        """
        self._stopped = threading.Event()
        self._metrics: SimpleQueue[dict[str, float]] = SimpleQueue()
        self._vae: Vae | None = None
        self._error: Exception | None = None
        # A daemon: an interrupted node does not wait for it longer than ``stop`` does.
        self._thread = threading.Thread(
            target=self._train, args=(images, config, seed, compute), daemon=True
        )
        self._thread.start()

    def newest_metrics(self) -> dict[str, float] | None:
        """Return the newest metrics since the last call, or ``None``."""
        newest = None
        try:
            while True:
                newest = self._metrics.get_nowait()
        except Empty:
            return newest

    def result(self) -> Vae | None:
        """
        Return the trained VAE, or ``None`` while the training goes on.

        :raises Exception: what ended the training.
        """
        if self._thread.is_alive():
            return None
        if self._error is not None:
            raise self._error
        return self._vae

    def stop(self, timeout: float = 2.5) -> None:
        """
        End the training at its next report.

        :param timeout: longest wait [s].
        """
        self._stopped.set()
        self._thread.join(timeout)

    def _train(
        self, images: NDArray[np.uint8], config: VaeConfig, seed: int, compute: Compute = CPU
    ) -> None:
        try:
            self._vae, metrics = train_vae(images, config, seed, self._progress, compute)
            self._metrics.put(metrics)
        except _StopError:
            pass
        except Exception as error:
            self._error = error

    def _progress(self, step: int, metrics: dict[str, float]) -> None:
        if self._stopped.is_set():
            raise _StopError
        self._metrics.put({'vae/step': float(step), **metrics})
