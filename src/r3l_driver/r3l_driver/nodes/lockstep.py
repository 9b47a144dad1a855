# SPDX-License-Identifier: Apache-2.0
"""The driver without a clock of its own: the emulated hand owns time, commands let it go on."""

from collections.abc import Callable
from concurrent.futures import Future
import time
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.hand_driver import HandDriver
from r3l_driver.core.safety import Fault

T = TypeVar('T')

READS = 3  # tries to read all joints of an observation
IDLE = 0.5  # wall time after which a hand that recovers goes on by itself [s]


class LockstepClock:
    """Bus cycles since the start, as a time [s]."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._cycles = 0

    def __call__(self) -> float:
        """Return the time [s]."""
        return self._cycles * self._period

    def advance(self) -> None:
        """Go on by one bus cycle."""
        self._cycles += 1


class Lockstep:
    """
    One reading per observation, one control period of bus cycles per command.

    The emulated hand counts goal packets: each one lets it go on by one bus cycle. So exactly as
    many are written for each command, also where the hand is held or torque is off.

    :param driver: with ``clock`` as its clock.
    :param clock: counts its cycles.
    :param after: called after each cycle that acts.
    """

    def __init__(
        self, driver: HandDriver, clock: LockstepClock, after: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._after = after
        self._count = round(driver.config.bus_rate / driver.config.control_rate)
        self._stamp = -1  # of the observation that waits for its command; -1: none
        self._active = time.monotonic()
        self.dropped = self.repeated = self.periods = 0
        self.incomplete = 0  # observations without a reading of every joint

    def post(self, action: Callable[[], T]) -> 'Future[T]':
        """Run something at once: there is no other thread."""
        future: Future[T] = Future()
        try:
            future.set_result(action())
        except Exception as error:  # belongs to whoever asked
            future.set_exception(error)
        return future

    def observe(self, stamp: int) -> bool:
        """
        Read the joints for an observation.

        :param stamp: of the observation [ns].
        :return: False if the same observation was read before, and what was read then counts.
        """
        self._active = time.monotonic()
        if stamp == self._stamp:
            self.repeated += 1
            return False
        self._stamp = stamp
        for _ in range(READS):
            self._driver.cycle(act=False)
            if self._driver.monitors.fresh.all():
                return True
        self.incomplete += 1
        return True

    def command(self, stamp: int, names: list[str], positions: NDArray[np.float64]) -> None:
        """
        Execute a command over one control period.

        :param stamp: of the observation that it answers [ns]; others are dropped.
        :param names: the joints.
        :param positions: in the order of the names [rad].
        :raises CommandError: if it is not executed; time stands still then.
        """
        if stamp != self._stamp or not self._driver.link.ready:
            self.dropped += 1
            return
        self._driver.commands.offer(names, positions, self._clock())
        self.advance()

    def advance(self) -> None:
        """Let the hand go on by one control period."""
        self._stamp = -1
        self._active = time.monotonic()
        self.periods += 1
        for _ in range(self._count):
            self._driver.cycle()
            self._clock.advance()
            self._after()

    def idle(self) -> None:
        """
        Open a port that is not open; go on by itself where the hand recovers.

        Not where the command itself is what is missing: then time stands still. And only from an
        observation, so that driver and hand begin a control period together: the hand repeats one
        that nobody answers.
        """
        driver = self._driver
        if not driver.link.ready:
            self._stamp = -1
            self._clock.advance()
            driver.cycle(act=False)
            if driver.link.ready:
                driver.set_up()
            return
        safety = driver.safety
        waits = safety.moving or safety.code == Fault.COMMAND_STALE.value
        observed = self._stamp >= 0 and time.monotonic() - self._active >= IDLE
        if observed and not waits:
            self.advance()
