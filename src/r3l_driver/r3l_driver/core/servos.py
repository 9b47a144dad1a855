# SPDX-License-Identifier: Apache-2.0
"""Set-up, torque and watchdog of every servo, and the steps that bring one back."""

from collections import deque

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.bus_errors import BusError
from r3l_driver.core.chain_config import Chain
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.safety import Condition, Fault

Mask = NDArray[np.bool_]

RELEASE_RETRY = 0.2  # between two tries to switch torque off that was not read back as off [s]


class Reboots:
    """
    Count the reboots of every servo over a time.

    :param config: supplies the number and the time.
    """

    def __init__(self, config: DriverConfig) -> None:
        self._most, self._window = config.reboots, config.reboot_window
        self._times: list[deque[float]] = [deque() for _ in config.joint_names]
        self.total = 0

    def allowed(self, joint: int, now: float) -> bool:
        """Say whether a servo may be rebooted once more."""
        times = self._times[joint]
        while times and now - times[0] >= self._window:
            times.popleft()
        return len(times) < self._most

    def add(self, joint: int, now: float) -> None:
        """Count a reboot."""
        self._times[joint].append(now)
        self.total += 1


class Servos:
    """
    What the driver knows to be set up, and how it sets up the rest.

    ``configured``: took its settings; ``torque``: read back as on, with its watchdog; both of
    shape (n,). ``pending``: why a joint must be set up again. All operations may raise PortLost.

    :param config: supplies joints and times.
    :param chain: the servos.
    """

    def __init__(self, config: DriverConfig, chain: Chain) -> None:
        self._config = config
        self._chain = chain
        joints = len(config.joint_names)
        # In lockstep time stands still between commands, and with it the sense of a watchdog.
        self._watchdog = config.pace == 'realtime'
        self.configured = np.zeros(joints, np.bool_)
        self.torque = np.zeros(joints, np.bool_)
        self.pending: dict[int, Condition] = {}
        self.reboots = Reboots(config)
        self._released = False  # torque was read back as off everywhere
        self._release_at = -np.inf
        self._trouble: dict[int, str] = {}

    def lose(self, mask: Mask, cause: Condition | None = None) -> None:
        """
        Note that servos must be set up again.

        :param cause: shown until that is done; None: only that torque is off.
        """
        self.configured = self.configured & ~mask
        self.torque = self.torque & ~mask
        self._released = False
        if cause is not None:
            self.pending.update(dict.fromkeys(map(int, np.flatnonzero(mask)), cause))

    def reboot(self, joint: int, cause: Condition) -> None:
        """Restart one servo without waiting for it."""
        self.lose(self._only(joint), cause)
        self._chain.reboot(joint, wait=False)

    def set_up_one(self, present: Mask) -> None:
        """Write the settings of one servo that needs them; one, to keep the bus cycle short."""
        waiting = np.flatnonzero(present & ~self.configured)
        if not waiting.size:
            return
        # One that refuses must not keep the others waiting.
        joint = int(min(waiting, key=lambda j: (int(j) in self._trouble, int(j))))
        only = self._only(joint)
        try:
            self._chain.set_torque(False, only)
            self._chain.configure(only)
        except BusError as error:
            self._trouble.pop(joint, None)
            self._trouble[joint] = str(error)
            return
        self._trouble.pop(joint, None)
        self.configured[joint] = True

    def arm(self, mask: Mask) -> None:
        """Switch torque on, with the watchdog; the goals are at the measured positions already."""
        self._released = False
        try:
            on = self._chain.set_torque(True, mask) & mask
            guarded = self._chain.arm_watchdog(on) if self._watchdog else on
            if (on & ~guarded).any():
                self._chain.set_torque(False, on & ~guarded)
        except BusError as error:
            self._note(mask, str(error))
            return
        self.torque = self.torque | (on & guarded)
        self._note(mask & ~on, 'torque does not come on')
        self._note(on & ~guarded, 'the bus watchdog cannot be armed')
        for joint in map(int, np.flatnonzero(on & guarded)):
            self.pending.pop(joint, None)
            self._trouble.pop(joint, None)

    def release(self, now: float, *, soon: bool = True) -> bool:
        """
        Switch all torque off and read it back; harmless when it is off.

        :param now: monotonic time [s].
        :param soon: False to try again at once what failed a moment ago.
        :return: whether torque was read back as off everywhere.
        """
        if self._released or (soon and now - self._release_at < RELEASE_RETRY):
            return self._released
        self._release_at = now
        left: Mask = np.ones_like(self.torque)
        try:
            left = self._chain.set_torque(False)
            self._chain.disarm_watchdog(~left)
        except BusError as error:
            self._note(left, str(error))
        self.torque = self.torque & left
        self._released = not left.any()
        return self._released

    def tripped(self) -> Mask:
        """Look whose watchdog has stopped it, of those that hold torque."""
        if not self._watchdog or not self.torque.any():
            return np.zeros_like(self.torque)
        try:
            return self._chain.watchdog_tripped() & self.torque
        except BusError:
            return np.zeros_like(self.torque)  # looked at again with the next audit

    def rearm_watchdog(self, mask: Mask) -> None:
        """Clear trips; who does not take it is set up again."""
        try:
            armed = self._chain.arm_watchdog(mask)
        except BusError:
            armed = np.zeros_like(mask)
        self.lose(mask & ~armed)

    def audit(self, joint: int) -> list[str]:
        """Return how a servo's settings differ from what was written."""
        if not self.configured[joint]:
            return []
        try:
            return self._chain.audit(joint)
        except BusError:
            return []  # a servo that does not answer is noticed by the reads

    def torque_gone(self) -> Mask:
        """Return who should hold torque and does not, shape (n,); asked while all answer."""
        gone = self.torque.copy()
        try:
            # Twice, because one whose answer is lost counts as off.
            for _ in range(2):
                if gone.any():
                    gone &= ~self._chain.torque_enabled()
        except BusError:
            return np.zeros_like(self.torque)
        return gone

    def intact(self, joint: int) -> bool:
        """
        Say whether a servo that was silent is set as it was left.

        Its torque is looked at once all servos answer again: reading it asks all of them.
        """
        try:
            return not self._chain.audit(joint)
        except BusError:
            return False

    def conditions(self, missing: Mask) -> list[Condition]:
        """Return why those joints that answer do not hold torque although they may."""
        bare = [int(joint) for joint in np.flatnonzero(~self.torque & ~missing)]
        if not bare:
            return []
        names = ', '.join(self._config.joint_names[joint] for joint in bare)
        trouble = next((f': {self._trouble[j]}' for j in bare if j in self._trouble), '')
        if self.torque.any() or self.pending:
            return [Condition(Fault.SERVO_RESTARTED, f'{names} being set up again{trouble}')]
        return [Condition(Fault.TORQUE_OFF, f'torque is being switched on{trouble}')]

    def _note(self, mask: Mask, words: str) -> None:
        for joint in map(int, np.flatnonzero(mask)):
            self._trouble[joint] = f'{self._config.joint_names[joint]}: {words}'

    def _only(self, joint: int) -> Mask:
        only: Mask = np.arange(self.torque.size) == joint
        return only
