# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the bus in real time; everybody else leaves it a note."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
import logging
import queue
import threading
import time
from typing import Any, TypeVar

import numpy as np
from r3l_driver.core.hand_driver import HandDriver

T = TypeVar('T')

KEPT = 1000  # cycles that the figures are about
STOP_TIMEOUT = 2.0  # [s]

_logger = logging.getLogger(__name__)


class BusThread:
    """
    Run the driver's cycles at absolute deadlines, and what others ask for between them.

    :param driver: touched by this thread alone while it runs.
    :param after: called after each cycle with the monotonic time of its beginning [s].
    """

    def __init__(self, driver: HandDriver, after: Callable[[float], None]) -> None:
        self._driver = driver
        self._after = after
        self._period = driver.config.cycle
        self._notes: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._durations: deque[float] = deque(maxlen=KEPT)
        self._lateness: deque[float] = deque(maxlen=KEPT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='bus', daemon=True)
        self.cycles = self.overruns = 0
        self.error: Exception | None = None  # what ended the thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> bool:
        """
        End after the present cycle; the driver belongs to the caller then.

        :return: False if the thread does not end.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)
        return not self._thread.is_alive()

    def post(self, action: Callable[[], T]) -> 'Future[T]':
        """
        Run something between two cycles.

        :return: its result, once there is one.
        """
        future: Future[T] = Future()
        self._notes.put((action, future))
        return future

    def figures(self) -> dict[str, float]:
        """Return cycle time and jitter over the last cycles [s], and counts since the start."""
        durations, lateness = list(self._durations) or [0.0], list(self._lateness) or [0.0]
        return {
            'cycle time p50': float(np.percentile(durations, 50)),
            'cycle time p99': float(np.percentile(durations, 99)),
            'jitter p99': float(np.percentile(lateness, 99)),
            'cycles': self.cycles,
            'overruns': self.overruns,
        }

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                began = time.monotonic()
                self._lateness.append(began - due)
                self._take_notes()
                self._driver.cycle()
                self._after(began)
                ended = time.monotonic()
                self._durations.append(ended - began)
                self.cycles += 1
                due += self._period
                if due < ended:  # too late: the next one at a multiple of the period
                    missed = int((ended - due) / self._period) + 1
                    self.overruns += missed
                    due += missed * self._period
        except Exception as error:  # the node looks at it, and ends with torque off
            _logger.exception('the bus thread ends')
            self.error = error
        self._take_notes()

    def _take_notes(self) -> None:
        while True:
            try:
                action, future = self._notes.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(action())
            except Exception as error:  # belongs to whoever asked
                future.set_exception(error)
