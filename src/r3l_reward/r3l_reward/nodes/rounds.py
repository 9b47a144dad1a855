# SPDX-License-Identifier: Apache-2.0
"""Train the classifier beside the callbacks of the node."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import threading

from r3l_reward.core.rounds import Rounds, Trained
from r3l_reward.core.vice.objective import Examples


class _StopError(Exception):
    """Raised inside a round to end it early."""


class RoundsThread:
    """Runs rounds one after the other in a thread of its own."""

    def __init__(self, publish: Callable[[Trained], None]) -> None:
        """
        Start the thread.

        :param publish: called after every round, in the thread of the rounds.
        """
        self._publish = publish
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(1, 'rounds')
        self._futures: list[Future[None]] = []

    def start(self, rounds: Rounds, env_steps: int, negatives: Examples) -> None:
        """
        Queue a round.

        :param rounds: used by this thread only, from now on.
        :param env_steps: name of the round.
        :param negatives: a copy of its own, shape (updates, batch, ...).
        """
        self._futures.append(self._executor.submit(self._run, rounds, env_steps, negatives))

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

    def _run(self, rounds: Rounds, env_steps: int, negatives: Examples) -> None:
        try:
            trained = rounds.run(env_steps, negatives, self._raise_if_stopped)
        except _StopError:
            return
        self._publish(trained)

    def _raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise _StopError
