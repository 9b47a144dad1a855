# SPDX-License-Identifier: Apache-2.0
"""The way to the servos: opening the port, again when it is lost, and who must be there."""

from collections.abc import Callable
import logging
import math

from r3l_driver.core.bus_errors import BusError, PortBusy, PortLost
from r3l_driver.core.chain_config import Chain
from r3l_driver.core.safety import Condition, Fault

FIRST_RETRY, LAST_RETRY = 0.1, 1.0  # between two tries [s]

_logger = logging.getLogger(__name__)


def sentence(error: Exception) -> str:
    """Return what happened, without the number that Python puts in front of an OSError."""
    return (error.strerror if isinstance(error, OSError) else '') or str(error)


class Link:
    """
    Open the port by its configured path as often as needed, with a growing pause between tries.

    ``ready`` says whether the servos were identified and passed the check before torque.

    :param chain: the servos.
    :param preflight: called with the port open; returns the reason to refuse torque, empty if
        there is none.
    """

    def __init__(self, chain: Chain, preflight: Callable[[], str]) -> None:
        self._chain = chain
        self._preflight = preflight
        self._identified = False
        self._passed = False
        self._refusal = ''
        self._trouble = Condition(Fault.PORT_LOST, 'the port was not opened yet')
        self._retry_at, self._pause = -math.inf, FIRST_RETRY

    @property
    def ready(self) -> bool:
        """Whether the servos may be set up and read."""
        return self._chain.is_open and self._identified and self._passed

    @property
    def trouble(self) -> str:
        """Why the servos cannot be reached; only meaningful while they cannot."""
        return self._refusal or self._trouble.reason

    def conditions(self) -> list[Condition]:
        """Return why there is no way to the servos."""
        if self._refusal:
            return [Condition(Fault.PREFLIGHT_FAILED, self._refusal)]
        return [] if self.ready else [self._trouble]

    def keep(self, now: float) -> bool:
        """
        Do the next step towards servos that are ready, if one is due.

        :return: whether they became ready in this call.
        """
        if self.ready or self._refusal or now < self._retry_at:
            return False
        try:
            self.open()
        except (PortBusy, PortLost) as error:
            self.lose(sentence(error), now)
        except BusError as error:
            # The port stays open: torque can still be switched off.
            self._note(Condition(Fault.SERVO_MISSING, str(error)), now)
        return self.ready

    def open(self) -> None:
        """
        Open the port and look at the servos now.

        :raises PortBusy: if another process drives it.
        :raises PortLost: if it is not there.
        :raises BusError: if a servo does not answer or is of another model.
        """
        if not self._chain.is_open:
            self._chain.open()
        if not self._identified:
            self._chain.identify()
            self._identified = True
        if not self._passed:
            self._refusal = self._preflight()
            self._passed = not self._refusal
        self._pause = FIRST_RETRY

    def lose(self, reason: str, now: float) -> None:
        """Close the port, which is gone."""
        self._chain.close()
        self._identified = False
        self._note(Condition(Fault.PORT_LOST, reason), now)

    def clear(self) -> None:
        """Look at the servos again although they were refused, as a person asked."""
        self._refusal = ''
        self._retry_at = -math.inf

    def _note(self, trouble: Condition, now: float) -> None:
        if trouble != self._trouble:
            _logger.error('%s', trouble.reason)
        self._trouble = trouble
        self._retry_at, self._pause = now + self._pause, min(2.0 * self._pause, LAST_RETRY)
